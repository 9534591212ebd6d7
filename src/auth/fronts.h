/* auth/fronts.h - the fronts that ask auth: their logins, the denials they get, and how often each was wrong
 *
 * A login is named by its sid, which says whose it is (sid_front), and outlives its front: what is said to one that has ended goes nowhere. */
#pragma once
#include "auth/apop.h"
#include "ipc/chan.h"

struct front;

struct fronts {
	struct ev_loop *loop;
	struct front *list; /* as many as cores */
	/* A client has said who he is. The credentials are valid until it returns, and at most NAME_MOST, SECRET_MOST
	 * and STAMP_MOST octets. */
	void (*login)(void *arg, const struct msg_login *m, const struct credentials *c);
	/* Messages of AUTH, of the front whose exchange it is. */
	enum err (*sasl)(void *arg, const struct msg *m, struct why *why);
	/* The front with this serial has gone. */
	void (*gone)(void *arg, uint32_t front);
	void *arg;
};

/* The caller has filled in loop, login, sasl, gone and arg. */
void fronts_close(struct fronts *fs);

/* A channel to a front; fd is ours on OK. */
enum err fronts_peer(struct fronts *fs, const struct msg_peer *peer, int fd, struct why *why);

/* Somebody would end the session that comes of this login: its front is there. */
bool fronts_has(const struct fronts *fs, uint64_t sid);

/* The client with this login does not get in; the reason is for front's log. */
void fronts_deny(const struct fronts *fs, uint64_t sid, enum err err, const char *reason);

/* AUTH: the client is to answer this; it says that this is its name. */
void fronts_challenge(const struct fronts *fs, uint64_t sid, struct slice octets);
void fronts_name(const struct fronts *fs, uint64_t sid, struct slice name, bool asks);

/* A wrong user or password came from there. */
void fronts_count_failure(const struct fronts *fs, uint64_t sid);
