/* store/index_form.h - the octets of an index (index.h): where things are in the file, and what must hold of them
 *
 * For index*.c alone: nobody else knows how an index looks. */
#pragma once
#include "store/flags.h"
#include "store/index.h"
#include "store/stamp.h"

enum {
	/* of a record's flags, what is in its mark */
	INDEX_MARKED = STAMP_HEADER | STAMP_FOREIGN | STAMP_LEFT | FLAGS_ALL,
};

/* Where the entry, and the name, of the message at position i are. */
uint64_t index_entry_at(const struct index *ix, uint32_t i);
uint64_t index_name_at(const struct index *ix, uint32_t i);

/* The checksum of the message at position i, whose name has a room of so many octets. */
uint32_t index_message_crc(uint32_t i, const struct listing_rec *r, const struct index_entry *e, const char *name,
			   uint32_t room);

/* The mark of the message at position i; none, where it is not whole. */
struct index_mark index_mark_get(uint32_t i, const struct index_entry *e);
void index_mark_set(uint32_t i, struct index_entry *e, uint32_t stamp, uint32_t where);

/* What the head says of all marks, when there is one more. */
void index_mark_note(struct index *ix, uint32_t stamp, uint32_t where);

/* All `n` octets at `at`, or false. */
bool index_read_at(int fd, void *p, size_t n, uint64_t at);
bool index_write_at(int fd, const void *p, size_t n, uint64_t at);
