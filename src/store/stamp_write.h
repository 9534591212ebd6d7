/* store/stamp_write.h - X-Expire-Timestamp is written into the header of a message: where, and a copy of the message that has it
 *
 * The line goes to the end of the header, before what Mailutils and mail readers keep there (X-IMAPbase, X-UID, Status and the like). One that is
 * not believed (store/stamp.h) goes. Nothing else changes, so that neither UIDL nor size do. A message whose header has no end, or none within
 * 64 KiB, is left as it is. */
#pragma once
#include <sys/stat.h>

#include "store/cut.h"
#include "store/stamp.h"

enum { STAMP_CUTS = 4 };

struct stamp_edit {
	uint64_t at;                /* where the line goes: octets from the start of the message */
	struct cut cut[STAMP_CUTS]; /* what goes, likewise; sorted, apart, none around `at' */
	size_t cuts;
	char line[STAMP_LINE];
	size_t octets;            /* of it */
	bool crlf;                /* it ends so */
	uint64_t read;            /* octets of the message that were looked at */
	uint32_t crc, crc_edited; /* of them, before and behind */
};

/* Of the message that `fd' has at `pos'. False: it is left as it is, see above. */
bool stamp_edit(struct stamp_edit *e, int fd, uint64_t pos, uint64_t octets, uint32_t stamp);

/* What becomes of the record of the message. */
void stamp_record(const struct stamp_edit *e, uint32_t stamp, struct listing_rec *r);

/* Appends the edited message to `to', and says in *r what has changed of its record: raw, crc, stamp, flags; *wire: its octets with CRLF, and all headers. ERR_TEMP: that is not the message of
 * which *r is, or a client would see another one (rules: enum wire_rule); ERR_PERM: it is left as it is. */
enum err stamp_copy(int from, uint64_t pos, int to, uint32_t rules, uint32_t stamp, struct listing_rec *r,
		    uint64_t *wire, struct why *why);

/* An open file is to take the place of the one that *st is of: the same mode, group and times. */
enum err stamp_dress(int fd, const struct stat *st, struct why *why);

/* The file `made', as stamp_dress has left it, and `name', of which *st is, change places in one step. *there false: there is no `name' any more. Where another
 * program has put another file there in this moment, that one gets it back. After that, and after errors but ERR_IN_USE, `made' is of no use to anybody;
 * ERR_IN_USE: it is mail that has found no place. */
enum err stamp_exchange(int dir, const char *made, const char *name, const struct stat *st, bool *there,
			struct why *why);
