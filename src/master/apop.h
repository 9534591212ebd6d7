/* master/apop.h - the database of secrets for APOP: from its file to auth
 *
 * A process is made for reading it, which is who the daemon was started as, makes the checks of `apop-database-safety', fills a
 * memfd (ipc/secrets.h) and ends: so neither master nor auth ever has such a file open, of whatever kind it is. Auth asks for the table when it
 * needs one first, and again when the file has changed; both auth processes get it.
 *
 * Whether there is one at all is found out at the start and at each reload: without a file nothing of this happens. */
#pragma once
#include "base/why.h"
#include "dbm/dbm.h"

struct master;

struct apop {
	bool on;              /* there is one, and it can be used */
	struct dbm_name name; /* its file */
	char host[65];        /* for time stamps */
	pid_t pid;            /* of the process that reads it; 0: none */
	int fd;               /* the memfd that it fills */
};

/* Finds out what there is; a file that may not be used is told and is as none. ERR_PERM: the name is wrong. */
enum err apop_prepare(struct apop *a, const struct conf *cf, struct why *why);

/* For --config-lint: says what is wrong about the name; a status to exit with. */
int apop_lint(const struct conf *cf);

/* Auth wants the table. */
void apop_read(struct master *m);

/* The process that reads has ended with this status of wait(2). */
void apop_ended(struct master *m, int status);
