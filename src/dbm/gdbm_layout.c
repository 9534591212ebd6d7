/* dbm/gdbm_layout.c - see gdbm_layout.h */
#include "dbm/gdbm_layout.h"

#include <string.h>
#include <unistd.h>

enum { BUCKET_MOST = 65536 }; /* octets of one that is looked at; the library has 4096, or what st_blksize says */

uint32_t gdbm_hash(struct slice key)
{
	uint32_t h = (uint32_t)(0x238F13AFU * (uint32_t)key.n);

	for (size_t i = 0; i < key.n; i++)
		h = (h + ((uint32_t)(signed char)key.p[i] << (i * 5 % 24))) & 0x7FFFFFFF;
	return (1103515243U * h + 12345) & 0x7FFFFFFF;
}

bool gdbm_read_at(int fd, void *p, size_t n, int64_t at)
{
	return at >= 0 && pread(fd, p, n, at) == (ssize_t)n;
}

bool gdbm_is_known(const struct gdbm_header *h)
{
	return (h->magic == GDBM_MAGIC_NEW || h->magic == GDBM_MAGIC_OLD || h->magic == GDBM_MAGIC_NUMSYNC) &&
	       h->block_size >= 512 && h->block_size <= 1 << 24 && h->dir_size > 0 && h->dir_size <= 1 << 28 &&
	       h->bucket_size > 0 && h->bucket_size <= 1 << 24 && h->bucket_elements > 0 &&
	       h->bucket_elements <=
		       (h->bucket_size - (int)sizeof(struct gdbm_bucket)) / (int)sizeof(struct gdbm_element);
}

bool gdbm_bucket_at(int fd, const struct gdbm_header *h, uint32_t hash, int64_t *at)
{
	return h->dir_bits >= 1 && h->dir_bits <= 30 && (size_t)h->dir_size >= sizeof *at << h->dir_bits &&
	       gdbm_read_at(fd, at, sizeof *at, h->dir + (int64_t)sizeof *at * (hash >> (31 - h->dir_bits)));
}

static bool is_it(int fd, const struct gdbm_element *e, struct slice key, struct gdbm_place *out)
{
	if ((size_t)e->key_octets != key.n || e->value_octets < 0 || e->value_octets > DBM_VALUE_MOST ||
	    !gdbm_read_at(fd, out->text, key.n + (size_t)e->value_octets, e->at) ||
	    memcmp(out->text, key.p, key.n) != 0)
		return false;
	out->value_at = e->at + e->key_octets;
	out->value_octets = (size_t)e->value_octets;
	return true;
}

/* As the library looks for it: from the place of its hash, up to one that is free. */
bool gdbm_place_find(int fd, const struct gdbm_header *h, struct slice key, struct gdbm_place *out)
{
	static char bucket[BUCKET_MOST];
	uint32_t hash = gdbm_hash(key), elements = (uint32_t)h->bucket_elements;
	int64_t at;

	if (key.n > DBM_KEY_MOST || h->bucket_size > BUCKET_MOST || !gdbm_bucket_at(fd, h, hash, &at) ||
	    !gdbm_read_at(fd, bucket, (size_t)h->bucket_size, at))
		return false;
	for (uint32_t i = 0; i < elements; i++) {
		struct gdbm_element e;

		memcpy(&e, bucket + sizeof(struct gdbm_bucket) + (hash + i) % elements * sizeof e, sizeof e);
		if (e.hash == -1)
			return false;
		if (e.hash == (int32_t)hash && is_it(fd, &e, key, out))
			return true;
	}
	return false;
}
