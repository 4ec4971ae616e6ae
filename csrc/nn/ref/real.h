/* The precision of this translation unit: float, or double where GNG_REFERENCE_DOUBLE is defined before the first include.
 *
 * Every operation file is compiled by itself for float and, through double.c, for double: one text, two definitions.
 */
#ifndef GNG_NN_REF_REAL_H
#define GNG_NN_REF_REAL_H

#ifdef GNG_REFERENCE_DOUBLE
#define gng_real double
#define GNG_REAL_NAME(name) name##_double
#else
#define gng_real float
#define GNG_REAL_NAME(name) name##_float
#endif

#endif
