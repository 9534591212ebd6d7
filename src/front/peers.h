/* front/peers.h - the channels to auth and store, and which session a message is for
 *
 * A session is on the list of the peer that works for it: of an auth process while it logs in, of its store worker from
 * then on. */
#pragma once
#include "base/secret.h"
#include "front/sids.h"
#include "ipc/chan.h"

struct front;
struct session;

struct peer {
	struct chan chan;
	struct front *front;
	struct session *sessions; /* that depend on it */
	unsigned outstanding;     /* auth: logins without an answer */
	struct peer *next, **at;
};

struct peers {
	struct peer *auths, *stores;
	uint32_t channels; /* to them */
	bool wanted;       /* auth processes, where they are started when a client logs in */
	struct sids sids;
};

/* Closes all channels; no session may be left. */
void peers_done(struct peers *p);

/* Owns fd. False: no such peer is for a front, or no memory. */
bool peers_add(struct front *f, const struct msg_peer *who, int fd);

/* inetd mode: there is no auth process yet, but there will be: it is asked for. Then sessions in WAIT_AUTH go on. */
bool peers_auth_comes(struct front *f);

/* Asks an auth process about a password, or with a time stamp about a digest. False: there is none; nothing was asked. */
bool peers_login(struct session *s, struct slice password, struct slice stamp);

/* AUTH: the first message of an exchange, and those that follow, to the same auth process. False: there is none. */
struct sasl_first {
	uint32_t mechanism, traits; /* as in msg_sasl_start */
	struct slice binding, certified, response;
};
bool peers_sasl_start(struct session *s, const struct sasl_first *first);
bool peers_sasl_step(struct session *s, struct slice octets);

/* An answer to a login; for the messages of master, too. */
enum err peers_on_deny(struct front *f, const struct peer *from, const struct msg *m, struct why *why);

/* The session depends on this peer from here on; on none. */
void peers_join(struct session *s, struct peer *p);
void peers_part(struct session *s);

/* Sends to the store worker of the session, as soon as it has one. False: it is gone, or going. */
bool peers_send(struct session *s, enum msg_type type, const struct chan_out *out);

/* Tells a store worker to delete nothing of this session. */
void peers_close(struct peer *store, uint64_t sid, uint32_t taken);

/* The session has no login any more; store, where it has it, is told to delete nothing if `tell`; auth
 * is told that an exchange of AUTH has ended. */
void peers_leave(struct session *s, bool tell);
