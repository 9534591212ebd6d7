/* front/session.h - one client: its socket, its place in the dialogue, what it waits for
 *
 * A session and all it has live in one arena with a ceiling. Two things do not, since an idle session must not pay for
 * them: input that is not a whole line yet, or that came while the session waits, and output that the socket did not take.
 *
 * Everything happens in session_run: replies are gathered in one buffer and leave in one write when no complete command
 * is left, or the buffer is full. Who has an answer for a session (peers.c, the timer, the socket) notes it and calls
 * session_run, which may end the session: nothing touches it behind that call.
 *
 * Commands that follow one that waits for another process stay in the input; when that is full, or the client does
 * not read its replies, nothing more is read from it. */
#pragma once
#include <ev.h>

#include "base/arena.h"
#include "base/slice.h"
#include "front/access.h"
#include "front/next.h"
#include "front/tls.h"
#include "front/transfer.h"
#include "front/view.h"
#include "ipc/catalogue.h"

enum {
	SESSION_OCTETS = 16 * 1024 * 1024, /* ceiling of a session's arena: the deletions of 10^8 messages */
	REPLY_MOST = 640,   /* octets of a reply without its multi-line part, or of a line of a listing */
	FAILURES_MOST = 10, /* failed logins of a connection */
};

enum state {
	AUTHORIZATION = 1, /* RFC 1939, sections 4 to 6 */
	TRANSACTION = 2,
	UPDATE = 4,
	INITIAL = 8, /* before AUTHORIZATION, where TLS is required and not there yet */
};

enum wait {
	WAIT_NOTHING,
	WAIT_HANDSHAKE,    /* of TLS */
	WAIT_AUTH,         /* inetd mode: for an auth process to ask */
	WAIT_LOGIN,        /* auth, then store */
	WAIT_PENALTY,      /* the time for the answer to a failed login has not come */
	WAIT_LISTING,      /* store reads records of the listing */
	WAIT_BODY,         /* store fetches a message */
	WAIT_OCTETS,       /* store reads octets of it */
	WAIT_ACKNOWLEDGED, /* QUIT: the client has not acknowledged all that was sent */
	WAIT_COMMIT,       /* store deletes */
	WAIT_GOODBYE,      /* all is said; what the client still sends is thrown away */
};

/* Who has the turn in an exchange of AUTH (front/sasl.h). */
enum sasl_turn {
	SASL_NONE, /* there is no exchange */
	SASL_AUTH,
	SASL_CLIENT, /* its next line is no command */
	SASL_LOST,   /* the same, and there is nobody to tell what it says */
};

struct session {
	struct front *front;
	struct session *next, **at; /* of all */
	struct arena *arena;
	const struct conf_server *server;
	struct address client;
	struct transcript *transcript; /* NULL: none */
	uint64_t log_id;               /* of this connection, in log lines of all processes */
	double begun;                  /* ev_now */
	ev_io io;
	ev_timer timer;
	double since;    /* ev_now: connected; from login on, of the last command or when the client took all output */
	double looks_at; /* ev_now: when the timer runs */
	double heard;    /* ev_now: of what the client said last */
	uint32_t streak; /* front/streak.h: so often it has said something at once */
	double deadline; /* ev_now: of what is waited for, where the wait has a time of its own */
	enum state state;
	enum wait wait;
	const char *reason; /* why it ended; NULL: it has not */
	bool closing;       /* once all is sent */
	bool over;          /* at once */
	bool blocked;       /* the socket takes no more for now */
	bool yields;        /* had its turn; the others first */
	bool eof;           /* the client will send no more */
	bool opened;        /* a maildrop, at some time */
	bool committed;     /* what was to be deleted is */
	bool swallows;      /* the rest of a line that is too long */

	struct slice in; /* what was read and not used yet */
	char *in_kept;   /* owned: where that is between two calls of session_run; NULL: nowhere */
	size_t in_kept_octets;
	struct buf out;                       /* lent by the pool while there is output; p NULL: there is none */
	size_t out_sent;                      /* of it: with TLS, what records were made of */
	struct tls tls;                       /* from the handshake on; all zeros: in the clear */
	enum next (*more)(struct session *s); /* goes on with a multi-line reply when there is room; NULL: no such */
	uint32_t more_at;                     /* msgno: how far a listing is */

	struct slice stamp; /* of the greeting, for APOP; n 0: none was sent */
	struct arena_mark before_user;
	struct slice user; /* as the client typed it; n 0: none */
	struct slice name; /* as the back end knows it, once the maildrop is open */
	uint64_t sid;      /* of the login; 0: none */
	struct session *sid_next;
	struct peer *peer; /* auth while it has the login, then store; NULL: neither */
	struct session *peer_next, **peer_at;
	uint32_t requests;         /* to this store worker */
	bool parked;               /* master has it, and no peer ... */
	struct kept_request *kept; /* ... and waits with this; owned; NULL: for nothing */
	double login_at;           /* ev_now: when PASS came, or what the client said last within AUTH */
	enum sasl_turn sasl;
	uint32_t login_delay_s; /* in a session: this user's; 0: none */
	uint32_t failures;      /* logins of this connection */
	enum err denied;        /* the answer that WAIT_PENALTY holds back ... */
	bool denied_maildrop;   /* ... is about the maildrop: the password was right */

	struct view view;
	struct transfer transfer;
	uint32_t asked_at, last_fetched; /* msgno: of the listing being waited for; that was sent last */
	uint32_t retrieved;              /* messages sent whole */
	uint32_t taken;                  /* so many that came ahead were retrieved, which store does not know yet */
	uint64_t sent;                   /* octets of replies */
	double ack_until;                /* ev_now: QUIT waits no longer than that for the client's acknowledgement */
	uint32_t ack_looks;
	uint32_t unheard; /* octets that came behind the goodbye */
};

/* Greets. Owns who->fd and the place of the client; false: no memory, and both are the caller's still. */
bool session_new(struct front *f, const struct arrival *who);

/* The first line. */
void session_greet(struct session *s);

/* Goes on as far as it can. False: the session is over and freed. */
bool session_run(struct session *s);

/* It ends when session_run is called next, or is at its end: after the output, or at once. The first reason counts. */
void session_close(struct session *s, const char *reason);
void session_drop(struct session *s, const char *reason);

/* Waits until the answer comes, or `seconds` from now (0: as long as a client may be idle). */
void session_wait(struct session *s, enum wait wait, double seconds);

/* The maildrop is not to be had any more: says so, where no other reply is under way, and closes. */
void session_fail(struct session *s, enum err err, const char *reason);

/* We end, not the client: says so, where no other reply is under way, and closes. Then session_run goes on. */
void session_shut(struct session *s);

/* Logs that what store says does not hold together; msgno 0: of no message in particular. */
void session_fault(const struct session *s, const char *what, uint32_t msgno);

/* Writes what Mailutils would about its end. False: nothing, and ours is to be written. */
bool session_old_end(const struct session *s);

/* For the log: who it is, in pairs. */
struct event;
void session_event(const struct session *s, struct event *e, const char *name);
