/* ipc/chan.h - a channel to another process: whole messages with descriptors, checked against the catalogue
 *
 * A channel is one end of a SOCK_SEQPACKET pair. Sending never blocks: what the socket does not take
 * waits in a bounded queue, and a peer that lets it run full loses the channel, not others their service.
 * Messages arrive in the order they were sent. A peer that breaks the catalogue loses the channel too.
 *
 * The struct lives in its owner's storage, from chan_init to chan_done. */
#pragma once
#include <ev.h>

#include "base/slice.h"
#include "ipc/catalogue.h"

/* A message as a handler sees it. Pointers are valid until the handler returns. Descriptors that the handler wants
 * to keep it takes with msg_take_fd; the others are closed behind it. */
struct msg {
	enum msg_type type;
	const void *payload; /* aligned; msg_rule[type].payload octets */
	struct slice bulk;
	int fds[MSG_FDS_MOST];
	unsigned nfds;
};
int msg_take_fd(struct msg *m, unsigned i); /* the caller owns it; -1: there is none */

struct chan;

/* An error closes the channel: the peer has sent what it must not. */
typedef enum err (*chan_handler)(struct chan *c, struct msg *m, struct why *why);

/* What a kind of channel does; static tables. A NULL handler: this message is not for us. */
struct chan_ops {
	chan_handler on[MSG_COUNT];
	/* The channel is of no use any more: the peer has gone, or broke a rule, or its queue is full (`reason` says
	 * which, and goes to the log where it was not a plain end: reason NULL). Called once; chan_done is
	 * allowed inside, freeing the storage too. */
	void (*closed)(struct chan *c, const char *reason);
};

struct chan {
	struct ev_loop *loop;
	const struct chan_ops *ops;
	void *owner; /* the user's */
	enum role self, peer;
	uint32_t peer_serial;
	bool shut;             /* closed() was called, or chan_done */
	bool lost;             /* sending failed: nothing more is sent, and closed() follows from the loop */
	const char *why_lost;  /* NULL: the peer has gone */
	bool *gone;            /* set where the channel ends inside a handler */
	unsigned turn, streak; /* of the loop, that found something here last; so many before it did, too */
	ev_io in, out;
	struct chan_queued *queue, **queue_end;
	size_t queued; /* octets */
};

/* Both ends of a new pair, close-on-exec and non-blocking. */
enum err chan_pair(int fds[2], struct why *why);

/* Owns fd from here on. Nothing is received before the loop runs. */
void chan_init(struct chan *c, struct ev_loop *loop, int fd, enum role self, enum role peer, uint32_t peer_serial,
	       const struct chan_ops *ops, void *owner);

/* Closes it. What is queued is lost. A second call does nothing. */
void chan_done(struct chan *c);

/* Sends type with its payload (msg_rule[type].payload octets; NULL when that is 0), up to three pieces of bulk, and copies of
 * descriptors (the caller keeps its own). False: the channel is shut, or has just been (then closed() comes from the loop,
 * never from inside this call). */
struct chan_out {
	const void *payload;
	struct slice bulk[3];
	int fds[MSG_FDS_MOST];
	unsigned nfds;
};
bool chan_send(struct chan *c, enum msg_type type, const struct chan_out *out);

/* For a peer that answers at once, or is at its end: receives, and has handled, what comes over this channel alone, until *done,
 * or the channel is over, or so much time has passed. May be called while a message of another channel is handled, whose
 * octets stay. Messages with bulk beyond CHAN_WAIT_BULK close it. Its storage must not end with it. */
enum { CHAN_WAIT_BULK = 1024 };
void chan_wait(struct chan *c, const bool *done, unsigned timeout_ms);

/* Octets that wait because the peer is slow. Whoever answers requests stops reading them while this is above 0. */
size_t chan_queued(const struct chan *c);

/* Stops and resumes receiving: back-pressure. */
void chan_pause(struct chan *c, bool pause);
