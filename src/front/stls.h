/* front/stls.h - from octets in the clear to TLS: STLS (RFC 2595, section 4), and servers where TLS comes first
 *
 * A session waits (WAIT_HANDSHAKE) until all that was said before is sent, then for the handshake. What the client said
 * before it is forgotten. Octets that came in the clear behind the line with STLS are somebody else's, or a client's that
 * does not wait as it must: the answer is -ERR, nothing of them is executed, and the connection is closed. */
#pragma once
#include "front/session.h"

/* A connection to a server of mode `connection', before anything else. */
void stls_begin(struct session *s);

/* Goes on with the handshake; afterwards session_run goes on. */
void stls_go(struct session *s);

/* Its time is up. */
void stls_over(struct session *s);

/* For CAPA: STLS may come now. */
bool stls_is_offered(const struct session *s);

/* Whether `plaintext-login' takes passwords on this connection, as it is now. */
bool stls_passwords_may_come(const struct session *s);
