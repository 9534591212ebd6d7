/* front/pool.c - see pool.h */
#include "front/pool.h"

#include <stdlib.h>

void pool_init(struct pool *p, size_t octets)
{
	*p = (struct pool){.octets = octets};
}

void pool_done(struct pool *p)
{
	while (p->n > 0)
		free(p->kept[--p->n]);
}

char *pool_take(struct pool *p)
{
	return p->n > 0 ? p->kept[--p->n] : malloc(p->octets);
}

void pool_give(struct pool *p, char *buffer)
{
	if (p->n < POOL_KEEPS)
		p->kept[p->n++] = buffer;
	else
		free(buffer);
}
