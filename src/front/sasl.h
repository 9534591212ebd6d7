/* front/sasl.h - AUTH (RFC 5034): which mechanisms are offered, and the lines of an exchange
 *
 * Front knows base64, lines and what the connection is; mechanisms are run by auth, to which what the client says goes decoded. While
 * an exchange is under way the session is in one of two states: auth has the turn (WAIT_LOGIN, as in any login), or the
 * client has (WAIT_NOTHING, and s->sasl is SASL_CLIENT): then its next line is no command. The end is that of a login. */
#pragma once
#include "front/session.h"

/* Appends the names of the mechanisms that the connection as it is now may use, each with `before` in front of it and `after`
 * behind it. False: there are none. */
bool sasl_put_names(const struct session *s, struct buf *out, const char *before, const char *after);

/* The client's next line, where it has the turn. */
enum next sasl_line(struct session *s, struct slice line);

/* It was too long; that has been said. */
void sasl_line_too_long(struct session *s);

/* What auth says. Then session_run goes on. */
void sasl_challenge(struct session *s, struct slice octets);
void sasl_named(struct session *s, struct slice name);

/* Auth has gone, or has given up, while the client has the turn: its line gets the answer. */
void sasl_lost(struct session *s);

/* Ends where the session ends, or becomes one. */
void sasl_over(struct session *s);
