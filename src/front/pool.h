/* front/pool.h - output buffers, lent to a session while it has something to say
 *
 * All have the same size. A few that came back are kept for the next, so that a reply costs no malloc. */
#pragma once
#include <stddef.h>

enum { POOL_KEEPS = 8 };

struct pool {
	size_t octets; /* of a buffer */
	char *kept[POOL_KEEPS];
	unsigned n;
};

void pool_init(struct pool *p, size_t octets);
void pool_done(struct pool *p);

/* NULL: no memory. What is in it is undefined. */
char *pool_take(struct pool *p);
void pool_give(struct pool *p, char *buffer);
