/* master/sockets.h - the listening sockets, one per `server' of the configuration
 *
 * IPv6 ones take IPv6 only, so that both wildcard addresses can be listened on. Sockets in the file system get
 * mode 0660, belong to group mail where there is one and we are root, and are removed at the end.
 *
 * A socket that the service manager has opened for an address is used as it is (activation.h).
 *
 * A socket whose address the next configuration has too is kept: no client is refused meanwhile. */
#pragma once
#include <stddef.h>

#include "conf/conf.h"

struct listeners {
	int *fd;               /* in the order of conf->servers; -1: could not be opened */
	size_t n;              /* of them */
	size_t open;           /* not -1 */
	size_t missing;        /* -1, and not so in the configuration before */
	const struct conf *cf; /* borrowed */
};

/* "inet://192.0.2.1:110", "inet6://[::1]:110" or "unix:///path". */
enum { SOCKET_NAME_MOST = 160 };
void socket_name(const struct sockaddr_storage *addr, char name[static SOCKET_NAME_MOST]);

/* Opens all it can, or takes them from `old`, which keeps them too; what it cannot, it logs. An error: not a single one, or no
 * memory; with `old` (may be NULL), one that cannot be opened and is new. Then nothing new is left open. */
enum err listeners_open(struct listeners *l, const struct conf *cf, const struct listeners *old, struct why *why);

/* Closes them, and removes those in the file system, except for those that `stay` (may be NULL) has too. */
void listeners_close(struct listeners *l, const struct listeners *stay);

/* Closes a process's copies: the sockets are somebody else's. */
void listeners_let_go(struct listeners *l);
