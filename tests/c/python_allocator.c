/* Makes the n-th request for memory that the interpreter makes fail, once. Loaded by test_allocation_failures.py, which holds
 * the interpreter's lock while it calls these functions. */
#undef Py_LIMITED_API /* the allocators are not part of it */
#include <Python.h>

enum { DOMAINS = 3 };

void python_allocator_fail(unsigned long n);
int python_allocator_restore(void);

static PyMemAllocatorEx before[DOMAINS];
static unsigned long countdown;
static const PyMemAllocatorDomain domains[DOMAINS] = {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};

/* Other threads may ask without the lock, but only this one counts. */
static _Thread_local int armed;

static int fails(void)
{
    return armed && countdown > 0 && --countdown == 0;
}

static void *allocate(void *context, size_t bytes)
{
    const PyMemAllocatorEx *real = context;
    return fails() ? NULL : real->malloc(real->ctx, bytes);
}

static void *allocate_zeroed(void *context, size_t count, size_t bytes)
{
    const PyMemAllocatorEx *real = context;
    return fails() ? NULL : real->calloc(real->ctx, count, bytes);
}

static void *reallocate(void *context, void *block, size_t bytes)
{
    const PyMemAllocatorEx *real = context;
    return fails() ? NULL : real->realloc(real->ctx, block, bytes);
}

static void release(void *context, void *block)
{
    const PyMemAllocatorEx *real = context;
    real->free(real->ctx, block);
}

__attribute__((visibility("default"))) void python_allocator_fail(unsigned long n)
{
    for (int i = 0; i < DOMAINS; i++) {
        PyMem_GetAllocator(domains[i], &before[i]);
        PyMemAllocatorEx failing = {&before[i], allocate, allocate_zeroed, reallocate, release};
        PyMem_SetAllocator(domains[i], &failing);
    }
    countdown = n;
    armed = 1;
}

/* Whether the request failed. */
__attribute__((visibility("default"))) int python_allocator_restore(void)
{
    armed = 0;
    for (int i = 0; i < DOMAINS; i++)
        PyMem_SetAllocator(domains[i], &before[i]);
    return countdown == 0;
}
