/* store/bulletin_file.h - which bulletins a maildrop has got: the record, and the intent of a delivery
 *
 * Both lie with the durable file of unique-ids and are called like it (store/uidl_file.h), NAME.bulletins and NAME.bulletins-due.
 *
 * The record is text, for people and for any machine:
 *
 *	pop3d-bulletins 1 SUM NUMBER SEEN	of the source of which there was nothing more to deliver; the number that was last written for
 *						other programs; what they said it was before
 *	maildrop /var/mail/bob
 *	ID					of a bulletin that it has, in hexadecimal
 *	end COUNT CRC				of ids; CRC32C of all before
 *
 * It is written beside, synced, and renamed. The intent says what is about to be put into the maildrop, durably, before the first octet is:
 * whoever finds one finishes it. It is a file of this machine: the text that is to be appended to a mailbox in one file, a row for
 * each bulletin, and a struct due_end. All in both is checked like hostile input. */
#pragma once
#include "store/room.h"
#include "store/uidl_file.h"

struct bulletin_record {
	bool there;
	uint64_t sum;          /* 0: there may be more to deliver */
	uint64_t number, seen; /* seen: 0 where nobody said one */
	struct room room;
	uint64_t *id; /* what they are; owned by the room */
	uint32_t count;
};

/* The first line alone: one read, whatever is in it. `there` false: no record, or it cannot be used. */
void bulletin_record_head(struct bulletin_record *r, const struct uidl_place *place);

/* OK with `there` false: no such file. ERR_PERM: it is damaged, or of a version that is not known, which *unknown says. */
enum err bulletin_record_read(struct bulletin_record *r, const struct uidl_place *place, bool *unknown,
			      struct why *why);
void bulletin_record_done(struct bulletin_record *r);

/* False: no memory. One that it has is not added again. */
bool bulletin_record_add(struct bulletin_record *r, uint64_t id);
bool bulletin_record_has(const struct bulletin_record *r, uint64_t id);

/* Durably; after an error what was there is there. */
enum err bulletin_record_write(const struct bulletin_record *r, const struct uidl_place *place, struct why *why);

/* ---- the intent ---- */

struct due_row {
	uint64_t id;
	uint64_t key; /* half of the identity that the message has in the maildrop */
};

/* Of a mailbox in one file: which it is, and its octets before. */
struct due_end {
	char magic[8];
	uint64_t dev, ino, at;
	uint64_t text; /* octets that are to be appended */
	uint32_t count;
	uint32_t crc;  /* of everything before */
	uint32_t done; /* 1: all is in the maildrop, durably. Set in place, which needs no room on the disk */
	uint32_t pad;
};

struct due {
	struct uidl_place place;
	int fd; /* owned; -1: there is none */
	struct due_end end;
	struct room room;
	struct due_row *row; /* end.count of them; owned by the room */
	/* while it is written */
	bool failed;
	uint32_t crc;
	size_t n; /* in the buffer */
};

/* `place` is that of the record. */
void due_init(struct due *d, const struct uidl_place *place);
void due_done(struct due *d); /* closes it; what is on the disk stays */

/* One that is not whole, or not ours, was never acted upon, and is removed. OK with fd -1: there is none. */
enum err due_read(struct due *d, struct why *why);

/* Writing: all text, then all rows, then the end, which makes it durable. Errors are kept to the end, which removes it then. */
enum err due_begin(struct due *d, struct why *why);
void due_put(struct due *d, struct slice octets);
bool due_add(struct due *d, uint64_t id, uint64_t key);
enum err due_end(struct due *d, uint64_t dev, uint64_t ino, uint64_t at, struct why *why);

/* Durably. */
enum err due_set_done(struct due *d, struct why *why);
void due_remove(struct due *d);
