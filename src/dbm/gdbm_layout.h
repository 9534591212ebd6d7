/* dbm/gdbm_layout.h - the layout of a gdbm file, which is that of gdbm 1.8 to 1.23, and where a record stands in it
 *
 * A header, a directory of buckets, and buckets of elements, each of which says where a key and, right behind it, its value stand. Numbers
 * are as this machine has them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "dbm/dbm.h"

enum { GDBM_MAGIC_OLD = 0x13579ace, GDBM_MAGIC_NEW = 0x13579acf, GDBM_MAGIC_NUMSYNC = 0x13579ad0 };

struct gdbm_header {
	int32_t magic, block_size;
	int64_t dir;
	int32_t dir_size, dir_bits, bucket_size, bucket_elements;
	int64_t next_block;
};

/* Free space: in the header, and in blocks that lie behind each other like a stack. Elements of 16 octets follow. */
struct gdbm_avail {
	int32_t size, count;
	int64_t next;
};
enum { GDBM_NUMSYNC_OCTETS = 32, GDBM_AVAIL_ELEMENT = 16, GDBM_BUCKET_AVAILS = 6 };

struct gdbm_bucket {
	int32_t avails;
	int32_t pad;
	char avail[GDBM_BUCKET_AVAILS][GDBM_AVAIL_ELEMENT];
	int32_t bits, count;
};

struct gdbm_element {
	int32_t hash; /* -1: it is free */
	char key_start[4];
	int64_t at;
	int32_t key_octets, value_octets;
};

uint32_t gdbm_hash(struct slice key);

/* All n octets. */
bool gdbm_read_at(int fd, void *p, size_t n, int64_t at);

/* Whether a header is one of a file that has this layout. */
bool gdbm_is_known(const struct gdbm_header *h);

/* Where the bucket of a hash stands; false: the directory has not what it should. */
bool gdbm_bucket_at(int fd, const struct gdbm_header *h, uint32_t hash, int64_t *at);

/* A record that was found: its value stands there, and is this. */
struct gdbm_place {
	int64_t value_at;
	size_t value_octets;
	char text[DBM_KEY_MOST + DBM_VALUE_MOST]; /* key and value */
};

/* Three reads. False: it is not there, or the library has to say what is wrong. */
bool gdbm_place_find(int fd, const struct gdbm_header *h, struct slice key, struct gdbm_place *out);
