/* auth/states.h - logins with a right password, on their way through state
 *
 * Each is asked about once, and answered once: while there is no state process (master starts another one), or it does not answer,
 * they wait for so long; then the login goes on without what state would have said, as it does where its data bases cannot be used. */
#pragma once
#include "ipc/chan.h"

enum { STATE_WAIT_MS = 6000 };

/* Lives in the asker's storage until it is answered. */
struct state_job {
	struct state_job *next; /* private, as is since_ms */
	uint64_t since_ms;
	struct msg_reserve ask;
	struct slice key, old; /* the asker's; their lengths stand in `ask' */
};

struct states {
	struct ev_loop *loop;
	struct chan chan;
	bool there;  /* a process to ask */
	bool missed; /* there was none for so long that nobody waits for it any more */
	struct state_job *first, **end;
	ev_timer look;
	/* answer->err is OK or ERR_DELAY. The job is the asker's again. */
	void (*answer)(void *arg, struct state_job *j, const struct msg_reserved *answer);
	void *arg;
};

/* The caller has filled in loop, answer and arg. */
void states_open(struct states *s);
void states_close(struct states *s); /* jobs are not answered */

/* A channel to a new process; fd is ours. */
void states_peer(struct states *s, const struct msg_peer *peer, int fd);

void states_ask(struct states *s, struct state_job *j);

/* What became of a reservation; 0 is none. */
void states_settle(struct states *s, uint64_t reservation, enum settle_how how);
