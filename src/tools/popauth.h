/* tools/popauth.h - popauth: secrets of APOP, the command line and what it asks for. The manual is docs/popauth.8 */
#pragma once
#include "base/secret.h"
#include "dbm/dbm.h"

#define APOP_DATABASE "/etc/apop.db"

/* What popauth exits with besides sysexits.h, as Mailutils does. */
enum { EX_FAILED = 1 };

struct request {
	char action; /* 'a', 'c', 'd', 'l', 'm'; 0: none was given */
	const char *input, *output, *user;
	struct secret password;
	bool password_given;
	mode_t mode;
	bool compatibility;
	bool restricted; /* an ordinary user, with our rights: his own secret is all that he may change */
};

/* Reads the command line. Ends the program where it is wrong, or asks for help. */
void popauth_arguments(struct request *r, int argc, char **argv);

/* popauth_files.c: create and list. Each returns a status to exit with, and has said what is wrong. */
int popauth_create(const struct request *r);
int popauth_list(const struct request *r);

/* popauth.c: an open database, checked; NULL: *status says how to end. */
struct dbm *popauth_open(const struct request *r, const char *name, enum dbm_use use, int *status);

/* The name of a database as the administrator has typed it, with the checks that `mode' leaves. */
bool popauth_name(const struct request *r, const char *text, struct dbm_name *out);

/* Whether a name and a secret may be stored: they must come back from a line of text as they went in. Says so if not. */
bool popauth_is_storable(struct slice user, struct slice secret);

/* popauth_terminal.c: reads a secret without showing it. False: the input is at its end, or it is too long. */
bool terminal_ask(const char *prompt, struct secret *out);

/* Asks until the same was typed twice. */
bool terminal_ask_twice(struct secret *out);
