/* The order of the steps, and gamma. */
#include "image/enhance.h"

#include "base/elementary.h"

gng_enhancement gng_enhancement_identity(void)
{
    return (gng_enhancement){.gamma = 1.0};
}

gng_status gng_enhancement_check(const gng_enhancement *enhancement)
{
    const double limit = enhancement->local_contrast;
    if (enhancement->median != 0 && enhancement->median != 3 && enhancement->median != 5)
        return gng_error_set(GNG_STATUS_ARGUMENT, "median: found %d, expected 3 or 5", enhancement->median);
    /* Written so that NaN fails. */
    if (!(limit >= 1.0 && limit <= GNG_CONTRAST_LIMIT_MAX) && !(limit <= 0.0 && limit >= 0.0))
        return gng_error_set(GNG_STATUS_ARGUMENT, "local_contrast: found %g, expected 1 to %d", limit, GNG_CONTRAST_LIMIT_MAX);
    if (!(enhancement->gamma >= 0.1 && enhancement->gamma <= 10.0))
        return gng_error_set(GNG_STATUS_ARGUMENT, "gamma: found %g, expected 0.1 to 10", enhancement->gamma);
    return GNG_OK;
}

static void apply_gamma(const gng_image *image, double gamma)
{
    uint8_t curve[256];
    for (int32_t level = 0; level < 256; level++)
        curve[level] = (uint8_t)(255.0 * gng_pow(level / 255.0, gamma) + 0.5);
    const size_t count = (size_t)image->height * (size_t)image->width * (size_t)image->channels;
    for (size_t i = 0; i < count; i++)
        image->pixels[i] = curve[image->pixels[i]];
}

gng_status gng_image_enhance(const gng_enhancement *enhancement, const gng_image *image)
{
    GNG_TRY(gng_enhancement_check(enhancement));
    if (enhancement->median != 0)
        GNG_TRY(gng_image_median(image, enhancement->median));
    if (enhancement->local_contrast > 0.0)
        GNG_TRY(gng_image_equalise(image, enhancement->local_contrast));
    if (enhancement->gamma < 1.0 || enhancement->gamma > 1.0)
        apply_gamma(image, enhancement->gamma);
    return GNG_OK;
}
