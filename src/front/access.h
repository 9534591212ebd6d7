/* front/access.h - access lists: who is let in before anything is said
 *
 * A client is asked about when it is accepted: before its greeting, before a TLS handshake, before it is counted. The list
 * of the server comes first, then the global one, then the tables of TCP wrappers; each may deny. What needs only the address is decided here at once,
 * without a system call; what a program decides is asked of access, and the client waits (arrivals.h). Unix sockets have no
 * addresses: their rights are those of the file. */
#pragma once
#include <stdbool.h>

#include "base/address.h"
#include "base/slice.h"
#include "conf/conf.h"

struct front;

/* A client on its way in, and how far it is in the lists. */
struct arrival {
	int fd;
	uint64_t log_id; /* as that of the session that it may become */
	const struct conf_server *server;
	struct address client;
	unsigned list; /* lists that let it pass */
	uint32_t rule; /* entries of the next one that did not decide */
};

enum access {
	ACCESS_ALLOWED,
	ACCESS_DENIED,
	ACCESS_ASKED, /* a program decides: the arrival was copied and its descriptor is no more the caller's */
};

/* Goes on in the lists as far as it can. A denial is logged. */
enum access access_walk(struct front *f, struct arrival *a);

/* The same behind the answer to what was asked about this entry; `reason`: why it is a no. */
enum access access_answered(struct front *f, struct arrival *a, const struct conf_acl_rule *r, bool allowed,
			    struct slice reason);
