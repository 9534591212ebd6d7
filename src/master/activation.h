/* master/activation.h - listening sockets that the service manager has opened for us (sd_listen_fds(3))
 *
 * Each is used for the `server' of its address, over all reloads, and stays open until the process ends: whoever connects while
 * the service is started again waits, and is not refused. */
#pragma once
#include "conf/conf.h"

/* Finds out what we were given. Must come before other descriptors are opened or closed. The highest descriptor to keep. */
int activation_take(void);

/* The socket for this server; -1: we were given none. */
int activation_find(const struct conf_server *server);

bool activation_has(int fd);

/* inetd mode: they are not for us, but the client, whom we have already. */
void activation_drop(void);

/* Every socket that we were given is some server's: clients of the others would wait for ever. The error names it. */
enum err activation_check(const struct conf *cf, struct why *why);

/* The same address: other members of these structs do not count. */
bool address_is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
