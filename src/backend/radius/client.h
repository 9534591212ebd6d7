/* backend/radius/client.h - servers that are asked over UDP, one after the other (RFC 2865, section 2.4; RFC 5080, section 2.2)
 *
 * A question has a socket of its own for each server that it goes to, and so a port that nobody can know before; it is sent again with
 * the same identifier and authenticator. Whatever comes and is not the answer is dropped, counted, and waited on. The server
 * that answered last is asked first; the next one is asked where it does not answer or its port is closed. */
#pragma once
#include <netinet/in.h>

#include "backend/radius/packet.h"
#include "base/arena.h"
#include "base/secret.h"
#include "base/why.h"

struct radius_server {
	const char *host, *port;
	const char *label; /* for messages */
	const struct secret *secret;
};

struct radius_client {
	struct radius_server *server;
	size_t n, first; /* first: which answered last */
	uint64_t timeout_ms;
	bool must_be_signed;
	uint64_t dropped; /* replies, since the start */
};

/* Writes the attributes of a request, which differs by the secret alone. */
struct radius_question {
	enum err (*put)(void *arg, struct packet *request, struct slice secret, struct why *why);
	void *arg;
};

struct radius_answer {
	char octets[PACKET_MOST];
	struct slice packet; /* in it */
	const char *from;    /* label of the server */
};

/* OK: an answer that is real, whatever it says. ERR_TEMP: none came before deadline_ms of clock_ms(). */
enum err radius_ask(struct radius_client *c, const struct radius_question *q, uint64_t deadline_ms,
		    struct radius_answer *a, struct why *why);
