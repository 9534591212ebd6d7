/* front/transcript.h - what client and server say, as lines of severity debug (statement `transcript')
 *
 *	C: USER bob
 *	S: +OK
 *	C: PASS ***
 *	S: +OK maildrop has 1 messages (120 octets)
 *	C: RETR 1
 *	S: +OK 120 octets
 *	S: (data: 123 octets)
 *
 * Of a client's line only what cannot be a password is shown: a verb that there is, numbers behind verbs that take some,
 * the word behind USER. All else is ***: whole lines that begin with no verb (they may be the continuation of a command
 * that is not there, or a password typed too early), arguments of PASS, AUTH and of whatever takes none, and all that is said within AUTH, by both. Of a multi-line
 * reply its number of octets is shown, in every state of the session, on connections with TLS as well.
 *
 * A session without it has no struct transcript, and pays a test of a pointer for each command and reply. */
#pragma once
#include "front/session.h"

struct transcript {
	size_t told;     /* octets of s->out that were looked at */
	uint64_t octets; /* of the multi-line part so far */
	bool in_data;    /* a multi-line part is under way */
	bool heard;      /* the client's line was shown and has no reply yet */
};

/* For a new session; without memory there is no transcript. */
void transcript_open(struct session *s);

/* The client's next line; the same one may come again as long as it has no reply. */
void transcript_client(struct session *s, struct slice line);

/* What was appended to the output since the last call: at most one reply, or a part of one. */
void transcript_server(struct session *s);

/* The beginning of the output has gone. */
void transcript_moved(struct session *s);

/* Appends what may be shown of a client's line, escaped. */
void transcript_mask(struct buf *out, struct slice line);
