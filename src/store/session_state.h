/* store/session_state.h - a session, for the files of store/session.h alone
 *
 * session.c begins and ends it, session_takeover.c ends it for another one, session_body.c answers what front asks, session_commit.c does what QUIT asks for, session_rest.c gives away
 * one that does nothing. */
#pragma once
#include "base/log.h"
#include "store/session.h"

struct session {
	struct table_item item; /* by session id */
	struct store *store;
	struct peer *front; /* NULL: its channel has not come yet */
	uint64_t log_id;
	uint64_t reservation; /* of its login; 0: none, or settled */
	bool advanced;        /* state was told the number of the last bulletin */
	uint64_t bulletin;    /* the last one that its user got, as the grant says */
	uint32_t login_delay_s;
	char source[SOURCE_MOST]; /* who made the record, for front's log */
	bool open;
	bool ended; /* front was told so, and will say CLOSE: whatever else it says until then is too late */
	struct maildrop md;
	struct lock lock;
	ev_timer wait;
	bool asks;              /* another process for its session lock */
	uint64_t deadline_ms;   /* for the session lock */
	uint32_t lock_attempts; /* to get it, so far */
	uint32_t attempts;      /* to get the mailbox lock, so far */
	uint64_t external_job;  /* the question to the external locker whose answer it waits for; 0: none */
	uint32_t fetched;       /* msgno that was fetched last; 0: none */
	uint32_t ahead;         /* messages that were sent with it */
	bool preview;           /* of all of these, less than the whole body goes to the client */
	uint8_t *deleted;       /* what QUIT asked for, while it waits to be done; owned */
	uint32_t asked;         /* messages of it that the client has marked */
	uint32_t expired;       /* those that go besides */
	uint32_t requests;      /* of front for it, as in msg_park */
	bool offered;           /* master was asked to keep it, and front has not said yet what it does */
	struct session *next_waiting;
	bool brought; /* it has the bulletins that there are, or gets none this time */
	uint16_t user_len;
	char user[]; /* and, behind it, the home directory with a NUL */
};

struct slice session_user(const struct session *s);

/* Front has retrieved so many of those that were sent ahead. False: there are not so many. */
bool session_taken(struct session *s, uint32_t n);

/* The open session that a front speaks of, if it is its own. Lines are logged for it from here on. *late: there is none, because we have
 * ended it: nothing is wrong. */
struct session *session_of(const struct chan *c, uint64_t sid, bool *late);

/* The mailbox lock is busy, or somebody is being asked for it, and there will be another attempt: meanwhile others are served. */
bool session_waits_for_mailbox(struct session *s, enum err err);

/* Tries, or tries again, what QUIT asked for. */
void session_commit_try(struct session *s);

/* A session for this grant, which waits for nothing yet. NULL: no memory, or the id is in use. */
struct session *session_make(struct store *st, const struct msg_grant *g, struct slice user, struct slice home);

/* The front of a login that was given to us has had a channel, and has none any more: master tells it. */
void session_deny_lost(struct store *st, uint64_t sid);

/* Frees it. */
void session_end(struct session *s);

/* It does not come to be, or not again: front is told, a line is logged, and it is freed. */
void session_refuse(struct session *s, struct slice maildrop, enum err err, const struct why *why);

/* session-takeover: who has its session lock is asked to let go, by us or by its own process. True: it has. */
bool session_takes_over(struct session *s);

/* Another one has taken its place: front is told, and the maildrop let go. */
void session_taken_away(struct session *s);

void session_log_failure(const struct session *s, const char *event, int severity, const struct why *why);
