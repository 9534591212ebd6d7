/* mail/lanes.h - many octets at a time
 *
 * Vectors as compilers have them (GCC, Clang), so that there is one source for all machines: what the processor has no registers for
 * is done in halves. Functions with LANES_FUNCTION are compiled twice on x86-64, and the loader chooses what this processor has. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 32 };

/* An octet each, anywhere in memory. A comparison gives -1 where it is true, else 0. */
typedef int8_t lanes __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef int64_t lanes_words __attribute__((vector_size(LANES), aligned(1), may_alias));

#ifdef __x86_64__
#define LANES_FUNCTION __attribute__((target_clones("avx2", "default")))
#else
#define LANES_FUNCTION
#endif

#define LANES_AT(p) ((const lanes *)(const void *)(p))

/* Whether any lane is not 0. By reference, as the next: vectors are no arguments on machines that lack them. */
static inline __attribute__((always_inline)) bool lanes_any(const lanes *v)
{
	const lanes_words *w = (const void *)v;

	return ((*w)[0] | (*w)[1] | (*w)[2] | (*w)[3]) != 0;
}

/* Copies n octets, LANES at least. True: `c` is none of them. */
static inline __attribute__((always_inline)) bool lanes_copy_without(char *to, const char *p, char c, size_t n)
{
	lanes v = *LANES_AT(p + n - LANES), found = v == c;

	*(lanes *)(void *)(to + n - LANES) = v;
	for (size_t i = 0; i < n - LANES; i += LANES) {
		v = *LANES_AT(p + i);
		found |= v == c;
		*(lanes *)(void *)(to + i) = v;
	}
	return !lanes_any(&found);
}

/* The sum of all, each from 0 to 255. */
static inline __attribute__((always_inline)) unsigned lanes_sum(const lanes *v)
{
	unsigned sum = 0;

	for (int i = 0; i < LANES; i++)
		sum += (uint8_t)(*v)[i];
	return sum;
}
