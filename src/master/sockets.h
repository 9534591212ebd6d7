/* master/sockets.h - the listening sockets, one per `server' of the configuration
 *
 * IPv6 ones take IPv6 only, so that both wildcard addresses can be listened on. Sockets in the file system get
 * mode 0660, belong to group mail where there is one and we are root, and are removed at the end. */
#pragma once
#include <stddef.h>

#include "conf/conf.h"

struct listeners {
	int *fd;     /* in the order of conf->servers; -1: could not be opened */
	size_t n;    /* of them */
	size_t open; /* not -1 */
	const struct conf *cf;
};

/* "inet://192.0.2.1:110", "inet6://[::1]:110" or "unix:///path". */
enum { SOCKET_NAME_MOST = 160 };
void socket_name(const struct sockaddr_storage *addr, char name[static SOCKET_NAME_MOST]);

/* Opens all it can; what it cannot, it logs. An error: not a single one, or no memory. */
enum err listeners_open(struct listeners *l, const struct conf *cf, struct why *why);

/* Closes them, and removes those in the file system. */
void listeners_close(struct listeners *l);
