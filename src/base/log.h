/* base/log.h - lines for the operator
 *
 * One descriptor per process, opened by master and inherited: the caller's standard error, or a datagram
 * socket connected to the system's log. Nothing here opens a path, so it works in an empty root.
 * A line is one write; one that the receiver does not take at once is counted and dropped, and the
 * count is told with the next line that gets through: a log that hangs stops nobody's mail. The flags of a descriptor
 * that others share (standard error) stay as they are.
 *
 * Foreign octets (user names, what a client typed) go through log_escape, or event_kv, which calls it. What still is no
 * printable ASCII when a line is written is shown as \xNN: a line is one line, whatever is in it.
 *
 * One process works for many sessions, one after the other: whoever takes up work for one says so with log_session, and
 * every line until the next such call is that session's. */
#pragma once
#include <stdarg.h>
#include <syslog.h>

#include "base/debug.h"
#include "base/slice.h"
#include "base/why.h"

enum log_form {
	LOG_TO_STDERR, /* "TAG: text\n" */
	LOG_TO_SYSLOG, /* "<pri>Mmm dd hh:mm:ss TAG[pid]: text", the form that local sockets expect */
};

struct log_setup {
	int fd; /* borrowed; -1: nothing is written */
	enum log_form form;
	int facility;                 /* of syslog.h */
	int severity;                 /* lines less urgent than this are dropped: LOG_DEBUG keeps all */
	bool print_severity;          /* "info: " before the text */
	bool session_id;              /* "2AMLoWDc " before that, in lines of a session */
	bool compatible;              /* old texts (ipc/old_line.h) */
	bool line_info;               /* debugging lines say where they come from */
	uint16_t debug[DEBUG_TOPICS]; /* bits of enum debug_level; nothing is written where severity drops it */
	char tag[64];
};

/* Copies the set-up. Without it, lines go to standard error as "pop3d: text". */
void log_setup(const struct log_setup *s);

/* The set-up in force. */
const struct log_setup *log_current(void);

/* Called when the receiver of a LOG_TO_SYSLOG socket is gone (its daemon was restarted), at most once a second; NULL: nothing. */
void log_on_lost(void (*fn)(void));

/* True where a line of this severity (LOG_ERR, LOG_INFO, ...) would be written. */
bool log_wants(int severity);

/* The id of a session: a number below LOG_SESSIONS, shown as LOG_SESSION_CHARS characters 0-9A-Za-z. 0: no session. */
#define LOG_SESSIONS UINT64_C(218340105584896) /* 62 to the power of 8 */
enum { LOG_SESSION_CHARS = 8 };

/* From here on, lines are this session's, or nobody's. */
void log_session(uint64_t id);
void log_session_text(uint64_t id, char text[static LOG_SESSION_CHARS + 1]);

void log_line(int severity, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_slice(int severity, struct slice text);

/* Appends text with quotes, backslashes, control characters and octets above 0x7E as \" \\ \xNN. Cuts: never fails. */
void log_escape(struct buf *b, struct slice text);

/* An event is one line of key=value pairs, for people and for fail2ban alike:
 *	struct event e;
 *
 *	event_new(&e, "login");
 *	event_kv(&e, "user", name);
 *	event_log(&e, LOG_INFO);
 * gives: login user="bob" ... A pair that does not fit is left out whole. */
struct event {
	char text[1024];
	struct buf b;
};
void event_new(struct event *e, const char *name);
void event_kv(struct event *e, const char *key, struct slice value); /* quoted and escaped, cut at 255 octets */
void event_u64(struct event *e, const char *key, uint64_t n);
void event_word(struct event *e, const char *key, const char *word); /* one of our own words: not quoted */
void event_session(struct event *e, uint64_t id);                    /* session=2AMLoWDc */
void event_log(struct event *e, int severity);
