/* store/bulletin.h - announcements for everybody: what comes to the source is put into each maildrop, once
 *
 *	bulletin_source.h	which there are
 *	bulletin_file.h		which a maildrop has got
 *	bulletin_text.h		a bulletin as the maildrop's format has it
 *	delivery.h		how it gets there, whatever dies when
 *	popbull.h		the number that other programs look at
 *
 * What counts is a bulletin's own id. The number that Mailutils counts by, a place in the source, is kept beside, and believed where there is no
 * record yet, or where it is higher than anything that we know of: then Mailutils has delivered. Nothing here is an error of the session: what
 * goes wrong is told in the log, and bulletins come with a later one. */
#pragma once
#include "conf/conf.h"
#include "store/bulletin_source.h"

enum { BULLETINS_REMEMBERED = 4096 }; /* maildrops; memory that is not used costs nothing */

struct bulletins {
	struct bulletin_source source;
	enum bulletin_new_user new_user;
	int64_t since; /* seconds, for BULLETINS_SINCE */
	struct {
		uint64_t key, sum; /* this maildrop has all of that source, */
		uint64_t number;   /* and this number */
	} complete[BULLETINS_REMEMBERED];
	uint64_t told_ms; /* when the last line about what is wrong was written, */
	uint32_t told;    /* and what it said */
};

/* Whose they are, and who keeps his number. */
struct bulletin_user {
	struct slice name;
	const char *home; /* "": none */
	bool db;          /* it can be used: it has the number, and not the home */
	bool db_known;    /* it has one of this user */
	uint64_t db_number;
	void (*db_advance)(void *arg, uint64_t number); /* durably, some time */
	void *arg;
};

/* *b is zeroed, and what of it is not used is not touched. */
void bulletins_init(struct bulletins *b, const struct conf *cf, const struct maildrop_setup *setup);

/* Under the session lock, of a maildrop that was found: it gets what it has not got. ERR_IN_USE: another program has the mailbox lock, which is
 * worth another attempt; nothing was done. */
enum err bulletins_bring(struct bulletins *b, struct maildrop *md, const struct bulletin_user *u, struct why *why);

/* There will be no other attempt: why is told. */
void bulletins_tell(struct bulletins *b, const struct maildrop *md, const struct why *why);
