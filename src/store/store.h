/* store/store.h - the store process: what its sessions share
 *
 * One owner's mail is served by it, one thing at a time. It hears of fronts and auths from master, gets grants from auth (or through
 * master), and speaks with front about the sessions that these begin. */
#pragma once
#include "ipc/chan.h"
#include "ipc/role.h"
#include "store/bulletin.h"
#include "store/external.h"
#include "store/lock.h"
#include "store/locker.h"
#include "store/maildrop.h"

struct session;
struct store;

/* A channel to a front or an auth. */
struct peer {
	struct chan chan;
	struct store *store;
	struct peer *next;
	bool paused; /* its answers wait: nothing is taken from it until they are through */
};

struct store {
	struct ev_loop *loop;
	const struct role_env *env;
	uid_t uid; /* that this process really has */
	struct maildrop_setup setup;
	struct bulletins bulletins;
	struct locks locks;
	struct table sessions;   /* by session id */
	struct session *waiting; /* for their session lock, or for their front's channel */
	struct peer *fronts, *auths;
	struct chan state;     /* where there is such a process */
	uint32_t newest_front; /* serial */
	struct locker locker;
	struct external external;
	struct chan master;
	ev_timer idle;
	double rest_s;   /* 0: never */
	ev_timer rest;   /* looks whether our only session has done nothing for long, where that is configured */
	double asked_at; /* ev_now: of the last grant, or request of a front */
	/* looks whether others want our maildrops, where that is configured and there is a session */
	ev_timer takeover;
	ev_timer touch; /* locks that are held for whole sessions are touched, while there are any */
	ev_prepare before_wait;
	ev_check behind_wait;
	bool leaving; /* master was asked whether we may go */
};

/* NULL: no channel to a front of this serial. */
struct peer *store_front(const struct store *st, uint32_t serial);

/* It has been here, and is not any more: it died, or its channel did. Those that are new have higher serials. */
bool store_front_is_lost(const struct store *st, uint32_t serial);

/* Sends, and stops listening to a front that does not take it. */
void store_answer(struct peer *front, enum msg_type type, const struct chan_out *out);

/* Tells state what became of a reservation; 0 is none. While there is no state process, it counts as a login. */
void store_settle(struct store *st, uint64_t reservation, enum settle_how how);

/* The same for one that is a login now. in_order: store_advance was called for it. */
void store_confirm(struct store *st, uint64_t reservation, bool in_order);

/* And the number of the last bulletin, before that: while there is no state process, a later session does. */
void store_advance(struct store *st, uint64_t reservation, uint64_t number);

/* To be called when the number of sessions has changed. */
void store_count(struct store *st);
