/* auth/apop.h - APOP (RFC 1939, section 7): secrets, and whether a digest was made with one
 *
 * The table of secrets (ipc/secrets.h) comes from master. Before each login the file is looked at: when it has changed, or could not be read
 * before, the login waits for a new table. Whoever has a secret may be kept from logging in with a password, so these logins wait
 * too; without a database nothing of this happens. */
#pragma once
#include "ipc/chan.h"
#include "ipc/secrets.h"

/* What front has sent; the slices are valid until the callee returns. */
struct credentials {
	struct slice user, password;
	struct slice stamp; /* n 0: a password; else a digest */
};

struct apop_wait;

struct apop {
	const char *path; /* of the database; NULL: there is none, and nothing else is used */
	struct chan *master;
	void (*resume)(void *arg, const struct msg_login *m, const struct credentials *c);
	void *arg;
	struct secrets table;
	enum err err;             /* of the last attempt to read it; OK: the table is what there is */
	bool gone;                /* there is no file any more */
	struct file_stamp failed; /* the file, when err came */
	uint64_t tried_ms;        /* when an answer came */
	bool asked;
	unsigned again; /* how often it had changed once more when an answer came */
	struct apop_wait *first, **last;
	size_t waiting;
};

/* The caller has filled in path, master, resume and arg. */
void apop_init(struct apop *a);
void apop_done(struct apop *a);

/* True: the table is that of the file as it is now. False: the login waits; resume is called with it. */
bool apop_is_ready(struct apop *a, const struct msg_login *m, const struct credentials *c);

/* Handler of MSG_SECRETS. */
enum err apop_arrived(struct apop *a, const struct msg *m, struct why *why);

/* The secret of a user by the name that he has typed, valid until the next call of apop_is_ready; false: there is none. After an error it is
 * that of the last table. */
bool apop_secret(const struct apop *a, struct slice user, struct slice *secret);

/* Why there is no secret to be had; OK: apop_secret tells. */
enum err apop_state(const struct apop *a);

/* Whether a digest is that of stamp and secret: in a time that does not depend on how much of it is right. */
bool apop_is_right(struct slice stamp, struct slice secret, struct slice digest);
