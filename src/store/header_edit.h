/* store/header_edit.h - headers of ours and of Mailutils are written into a message: where, and a copy of the message that has them
 *
 * X-Expire-Timestamp (store/stamp.h), and X-IMAPbase, X-UID and Status (store/flags.h). They go to the end of the header, before what Mailutils and mail
 * readers keep there. A stamp that is not believed goes, and so does what is replaced; what is there already stays as it is. Nothing else changes,
 * so that neither UIDL nor size do. A message whose header has no end, or none within 64 KiB, is left as it is. */
#pragma once
#include <sys/stat.h>

#include "store/cut.h"
#include "store/stamp.h"

enum { HEADER_CUTS = 8, HEADER_TEXT = 320 };

/* X-IMAPbase: since when the messages of a mailbox have numbers, and the next one. */
struct header_base {
	uint32_t validity, next; /* 0: none */
};

/* What a message is to have. */
struct header_want {
	uint32_t stamp;          /* 0: as it is */
	uint64_t status;         /* letters (store/flags.h), beside those that it has; 0: as it is */
	uint32_t uid;            /* X-UID; 0: as it is, and so is X-IMAPbase */
	struct header_base base; /* with `uid' only */
};

/* What it has: of each the first. */
struct header_seen {
	uint64_t status;
	uint32_t uid;
	struct header_base base;
	unsigned statuses, uids, bases; /* lines */
};

struct header_edit {
	uint64_t at;                 /* where the text goes: octets from the start of the message */
	struct cut cut[HEADER_CUTS]; /* what goes, likewise; sorted, apart, none around `at' */
	size_t cuts;
	char text[HEADER_TEXT];
	size_t octets;            /* of it */
	bool changes;             /* otherwise the message has all of that */
	uint64_t read;            /* octets of the message that were looked at */
	uint32_t crc, crc_edited; /* of them, before and behind */
	struct header_want want;
};

/* Of the message that `fd' has at `pos'. False: its header has no end. */
bool header_look(struct header_seen *seen, int fd, uint64_t pos, uint64_t octets);

/* False: it is left as it is, see above. */
bool header_edit(struct header_edit *e, int fd, uint64_t pos, uint64_t octets, const struct header_want *want);

/* What becomes of the record of the message. */
void header_record(const struct header_edit *e, struct listing_rec *r);

/* Appends the edited message to `to', and says in *r what has changed of its record; *wire: its octets with CRLF, and all headers. ERR_TEMP: that is not the
 * message of which *r is, or a client would see another one (rules: enum wire_rule). */
enum err header_copy(const struct header_edit *e, int from, uint64_t pos, int to, uint32_t rules, struct listing_rec *r,
		     uint64_t *wire, struct why *why);

/* An open file is to take the place of the one that *st is of: the same mode, group and times. */
enum err header_dress(int fd, const struct stat *st, struct why *why);

/* The file `made', as header_dress has left it, and `name', of which *st is, change places in one step. *there false: there is no `name' any more. Where another
 * program has put another file there in this moment, that one gets it back. After that, and after errors but ERR_IN_USE, `made' is of no use to anybody;
 * ERR_IN_USE: it is mail that has found no place. */
enum err header_exchange(int dir, const char *made, const char *name, const struct stat *st, bool *there,
			 struct why *why);
