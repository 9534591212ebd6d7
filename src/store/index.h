/* store/index.h - the scan listing of a maildrop, kept between sessions
 *
 * A file: a head, `count` records (mail/listing.h), as many entries (store/scan.h), and the names. Written beside and
 * renamed, never changed in place, so that a session keeps its own; without a place for it, a sealed memfd that lives as long as
 * the session. Losing it costs time only, hence no fsync: one that was written before the machine last started is
 * checked whole when it is first used. Where others can write the directory, too, it is used only if it is ours; and nothing in it is
 * used before it was checked, for our own user may be hostile. */
#pragma once
#include "store/driver.h"

enum {
	INDEX_INLINE = 16 * 1024 / sizeof(struct listing_rec), /* records that are read together with the head */
	INDEX_WINDOW = 64,                                     /* messages that are read at once */
};

struct index_head {
	char magic[8];
	uint32_t version;
	uint32_t order; /* of octets in a number */
	char driver[16];
	uint32_t count, names_len;
	uint64_t octets;  /* of all messages, on the wire */
	int64_t taken_ns; /* wall clock, before the maildrop was looked at */
	struct stamp stamp[STAMPS];
	uint32_t body_crc; /* of all behind the head */
	uint32_t head_crc; /* of the head before this */
};

/* What one read gets of a file. */
struct index_first {
	struct index_head head;
	struct listing_rec rec[INDEX_INLINE];
};

/* An open index. */
struct index {
	int fd; /* owned, read-only; -1: none */
	uint32_t count, names_len;
	uint64_t octets;
	uint32_t body_crc;
	struct stamp stamp[STAMPS]; /* of the maildrop, when it was scanned */
	bool settled;               /* its last change was long enough before: the same stamps are the same maildrop */
};

/* Where an index lies. */
struct index_place {
	int dir; /* borrowed; -1: nowhere */
	char name[NAME_OCTETS + 16];
};

/* ERR_PERM: there is none that can be used, and *ix is closed. Otherwise *current says whether the maildrop has certainly not
 * changed since; where it may have, the index still says what was known. Of *first, the records of a listing of at
 * most INDEX_INLINE messages can be used. */
enum err index_open(struct index *ix, const struct index_place *place, const struct store_driver *driver,
		    const struct stamp stamp[STAMPS], struct index_first *first, bool *current, struct why *why);

/* The same from a descriptor, which it owns in any case. */
enum err index_adopt(struct index *ix, int fd, const struct store_driver *driver, const struct stamp stamp[STAMPS],
		     struct index_first *first, bool *current, struct why *why);

/* All of it, into an empty scan. */
enum err index_load(const struct index *ix, struct scan *out, struct why *why);

/* Puts an index of `s` there; a failure leaves what there was. */
enum err index_write(const struct index_place *place, const struct store_driver *driver, const struct scan *s,
		     int64_t taken_ns, struct why *why);

/* The same as a sealed memfd. */
enum err index_memfd(int *fd, const struct store_driver *driver, const struct scan *s, int64_t taken_ns,
		     struct why *why);

/* The next session reads all mail again. There being none is fine. */
void index_drop(const struct index_place *place);

/* Some messages of it. */
struct index_window {
	uint32_t from, n, names_at;
	struct listing_rec rec[INDEX_WINDOW];
	struct scan_entry entry[INDEX_WINDOW];
	char names[INDEX_WINDOW * NAME_OCTETS];
};

/* Reads messages from position `from` on, `n` at most INDEX_WINDOW, all of them below ix->count. */
enum err index_read(const struct index *ix, uint32_t from, uint32_t n, struct index_window *w, struct why *why);

/* The message at position `i`, which is in the window. */
void index_message(const struct index_window *w, uint32_t i, struct message *m);

/* Octets of the records as they lie in the file. */
enum err index_octets(const struct index *ix, uint64_t at, struct buf *out, size_t n, struct why *why);

void index_close(struct index *ix);
