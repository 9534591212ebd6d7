/* store/index.h - the scan listing of a maildrop, kept between sessions
 *
 * A file: a head, and blocks. A block is for a fixed number of messages, which the head says, and has their records
 * (mail/listing.h), as many entries, and as many names, each of the same fixed number of octets. So the place of everything can be
 * computed, and messages that have come are appended: behind what earlier readers know of, the head last. For anything else it is
 * written anew beside and renamed. Either way a session keeps what it has opened. Without a place for it, it is a sealed
 * memfd that lives as long as the session.
 *
 * Losing it costs time only, hence no fsync: one that was written before the machine last started is checked whole when it is
 * first used. Where others can write the directory, too, it is used only if it is ours; and nothing in it is
 * used before it was checked, for our own user may be hostile. Each message has a checksum, which also says which message-number it has. */
#pragma once
#include "mail/index_head.h"
#include "store/driver.h"

enum { INDEX_WINDOW = 64 }; /* messages that are read at once */

/* When a message was first retrieved (store/stamp.h), and what was told of it (store/flags.h). It changes while the rest stays, so it has a checksum of its own, begun with the message's
 * position, of it before `check' and of the message's id. One that is torn is none. */
struct index_mark {
	uint32_t stamp;
	uint32_t where; /* of STAMP_HEADER, STAMP_FOREIGN, STAMP_LEFT and FLAGS_ALL */
	uint32_t check;
};

struct index_entry {
	uint64_t id;
	int64_t at; /* as in struct scan_entry */
	/* CRC32C, begun with the message's position, of its record, of this with 0 for `crc' and `mark', and its name's room */
	uint32_t crc;
	uint16_t name_len;
	uint16_t dir;
	struct index_mark mark;
	uint32_t pad;
};

/* An open index. */
struct index {
	int fd;            /* owned, read-only; -1: none */
	struct stamp file; /* of itself, before it was read */
	uint32_t count, room;
	uint32_t marks; /* as in the head */
	uint64_t octets, sum;
	struct listing_place records;
	struct stamp stamp[STAMPS]; /* of the maildrop, when it was scanned */
	uint64_t notes[NOTES];
	bool calm
		[STAMPS]; /* what this stamp is of had last changed long enough before: the same stamp is the same thing */
	bool settled;     /* all of them */
	uint32_t oldest; /* as in the head */
	bool unwritten, flagged;
	uint8_t handover; /* 1 + enum handover of fd; 0: it is not known yet */
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

/* Of an index of at most INDEX_INLINE messages that was opened earlier: its records, into *first. False: they cannot be read, or are damaged. */
bool index_first_again(const struct index *ix, struct index_first *first);

/* Whether front may read the file of a large one itself (ipc/handover.h). Found out once, by index_find_out, or with each call. */
void index_find_out(struct index *ix);
bool index_is_handed_over(const struct index *ix);

/* All of it, into an empty scan. */
enum err index_load(const struct index *ix, struct scan *out, struct why *why);

/* Puts an index of `s` there; a failure leaves what there was. */
enum err index_write(const struct index_place *place, const struct store_driver *driver, const struct scan *s,
		     int64_t taken_ns, struct why *why);

/* What lies there is still `ix`: appends the messages of `more`, whose stamps and notes are those of all. ERR_PERM: it cannot, and must be written
 * anew. After any failure it is as it was. */
enum err index_append(const struct index_place *place, const struct index *ix, const struct store_driver *driver,
		      const struct scan *more, int64_t taken_ns, struct why *why);

/* An index as a sealed memfd. */
enum err index_memfd(int *fd, const struct store_driver *driver, const struct scan *s, int64_t taken_ns,
		     struct why *why);

/* The next session reads all mail again. There being none is fine. */
void index_drop(const struct index_place *place);

/* Some messages of it. */
struct index_window {
	uint32_t from, n, room;
	struct listing_rec rec[INDEX_WINDOW];
	struct index_entry entry[INDEX_WINDOW];
	char names[INDEX_WINDOW * (NAME_OCTETS + 1)];
};

/* Reads messages from position `from` on, `n` at most INDEX_WINDOW, all of them below ix->count. */
enum err index_read(const struct index *ix, uint32_t from, uint32_t n, struct index_window *w, struct why *why);

/* The last message; there is one. */
enum err index_last(const struct index *ix, struct message *m, struct why *why);

/* The message at position `i`, which is in the window. */
void index_message(const struct index_window *w, uint32_t i, struct message *m);

/* Appends `n` records from position `from` on, all of them below ix->count, to `out`. */
enum err index_records(const struct index *ix, uint32_t from, uint32_t n, struct buf *out, struct why *why);

/* Calls `each` for the ids of all messages, in pieces, unchecked. ERR_TEMP: they cannot be read. */
enum err index_ids(const struct index *ix, void (*each)(void *arg, uint64_t id), void *arg, struct why *why);

/* The same file, open for writing, if `place' still has it; else -1. */
int index_writer(const struct index *ix, const struct index_place *place);

/* Gives those of `n' messages from position `from' on that have no stamp this one (0: none), and FLAGS_SEEN where `seen', through `fd' of index_writer: it is
 * there whatever happens to this process. Torn by a crash of the machine it is none. */
enum err index_mark(struct index *ix, int fd, uint32_t from, uint32_t n, uint32_t stamp, bool seen, struct why *why);

/* Sets bits (as in struct changes) of all messages that have a stamp not above `newest', and no flag of `but'; *found of them were not set. */
enum err index_stamped(const struct index *ix, uint32_t newest, uint32_t but, uint8_t *set, uint32_t *found,
		       struct why *why);

/* Likewise of all messages with flags that are to be written, also where that could not be done. */
enum err index_unflagged(const struct index *ix, uint8_t *set, uint32_t *found, struct why *why);

/* Stamps without headers, and flags, are no reason any more for a commit: it has been tried. */
void index_tried(struct index *ix, int fd);

void index_close(struct index *ix);
