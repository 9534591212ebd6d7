/* front/flow.h - a session's octets: in from the socket as lines, out to it in as few writes as it takes */
#pragma once
#include "front/session.h"

/* Reads once. At the end of input s->eof is set; where the connection is broken the session is dropped. */
void input_read(struct session *s);

/* Octets of the line that comes, with its end, at most. */
size_t input_most(const struct session *s);

enum line {
	LINE_NONE,     /* it has not come */
	LINE_WHOLE,    /* *line, without its CRLF or LF; it stays until input_used */
	LINE_TOO_LONG, /* said so once; the line is swallowed */
};
enum line input_line(struct session *s, struct slice *line);
void input_used(struct session *s);

/* Reads what nobody wants any more; as recv(2). */
ssize_t input_discard(struct session *s);

/* Between two calls of session_run: gives what is left a place of its own, and wipes the place where it was read. */
void input_keep(struct session *s);

/* All of it is wiped. */
void input_drop(struct session *s);

/* Makes room for REPLY_MOST octets, by a write if need be. False: not now. */
bool output_room(struct session *s);

/* Writes all that may go. Of a message under way, the part of a line at the end stays, so that its last line
 * leaves together with the terminator. */
void output_flush(struct session *s);
bool output_is_empty(const struct session *s);
void output_drop(struct session *s);
