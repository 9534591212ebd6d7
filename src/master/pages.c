/* master/pages.c - see pages.h */
#include "master/pages.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	SMALL = 16,
	LARGE = 1024,
	CACHED = 128 * 1024 /* what the allocator counts as in use, and gives out all the same */
};

/* Memory that was free stays taken, down to pieces that nobody asks for. */
void pages_prepare(void)
{
	struct mallinfo2 heap = mallinfo2();
	const char *top = (char *)sbrk(0) - heap.keepcost;
	size_t left = heap.arena > 0 ? heap.fordblks - heap.keepcost + CACHED : 0; /* 0: another allocator */

	for (size_t size = LARGE; size >= SMALL; size -= SMALL) {
		const char *p = NULL;

		while (left > size && (p = malloc(size)) && p < top)
			left -= size;
	}
}
