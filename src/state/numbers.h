/* state/numbers.h - the number of the last bulletin that each user got (bulletin-db)
 *
 * As Mailutils keeps it: under the user's name a number in C notation. What counts is in the maildrops' own records (store/bulletin.h); the number is
 * for other programs, and for users who come from them. It is synced before anything else is done.
 *
 * Trouble with the file is told once, and once when it is over. Meanwhile ~/.popbull has the number. */
#pragma once
#include <ev.h>

#include "dbm/dbm.h"
#include "ipc/role.h"

struct numbers {
	struct ev_loop *loop;
	const struct dbm_name *name; /* NULL: none is configured, or the file cannot be used */
	struct dbm *db;              /* for reading, for a moment */
	ev_timer let_go;
	bool trouble; /* it was told */
};

void numbers_open(struct numbers *n, struct ev_loop *loop, const struct role_env *env);
void numbers_close(struct numbers *n);

/* A number, or BULLETIN_NONE, BULLETIN_UNKNOWN (ipc/catalogue.h). old: a second name, or nothing. A record that is no number is told, and
 * means that the user has all: nobody knows better. */
uint64_t numbers_get(struct numbers *n, struct slice key, struct slice old);

/* Durably. What fails is told. */
void numbers_put(struct numbers *n, struct slice key, uint64_t number);
