/* store/uidl_settling.h - what the parts of uidl_settle.h share
 *
 *	uidl_settle.c	behind a scan: ids, and what must be durable
 *	uidl_given.c	ids that somebody says (popctl)
 *	uidl_marks.c	before and behind a commit */
#pragma once
#include "store/uidl_format.h"
#include "store/uidl_settle.h"
#include "store/uidl_table.h"

/* One at a time. */
struct settle {
	const struct maildrop *md;
	struct scan *now;
	char path[PATH_MAX];
	struct uidl_place place;
	struct uidl_file file;
	uint64_t *key, *sub;  /* of each message */
	uint64_t *entry_key;  /* of each entry */
	uint32_t *entry_of;   /* of each message: its entry, or UIDL_NONE */
	uint32_t *message_of; /* of each entry: whose it is, or UIDL_NONE */
	uint8_t *known;       /* of each message: it had its id before this scan */
	struct uidl_chains messages, entries;
	struct uidl_table uidls; /* of messages */
	struct uidl_numbers numbers;
	uint32_t copies; /* ids that were made because another was taken */
};

/* What is damaged is kept for people; ids are then what index and mail say. One of a later version is not touched. */
enum err settle_read(struct uidl_file *file, const struct uidl_place *place, const struct maildrop *md, struct why *why);

/* The file has been read. False: no memory. */
bool settle_tables(struct settle *s);
void settle_done(struct settle *s);

/* Which entry is whose. */
enum err settle_match(struct settle *s, struct why *why);

/* The durable file anew, with those that must be in it; one that says nothing is none. */
enum err settle_write(struct settle *s, struct why *why);
enum err settle_put(const struct uidl_place *place, const struct uidl_text *t, uint64_t next, struct why *why);
