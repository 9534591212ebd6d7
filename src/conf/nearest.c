/* conf/nearest.c - what a misspelt name was meant to be (kinds.h) */
#include <string.h>

#include "conf/kinds.h"

enum { WORD_MOST = 40 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Three rows of the usual table: of the letter before the last, the last, and this one. */
unsigned word_distance(const char *a, const char *b, unsigned most)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned row[3][WORD_MOST + 1];

	if (n > WORD_MOST || m > WORD_MOST)
		return most + 1;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			now[j] = least(last[j - 1] + (a[i - 1] != b[j - 1]), least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return row[n % 3][m];
}

struct nearest nearest_new(const char *given)
{
	return (struct nearest){.given = given, .distance = (unsigned)(strlen(given) + 4) / 3};
}

void nearest_try(struct nearest *n, const char *candidate)
{
	unsigned d = word_distance(n->given, candidate, n->distance);

	if (d < n->distance) {
		n->distance = d;
		n->best = candidate;
	}
}
