/* backend/ldap/socket.h - sockets to servers, and an end to every wait on one
 *
 * libldap's TLS waits without an end for a server that says nothing: it asks again and again where a socket does not block, and
 * sleeps where it does. So a timer takes the connection away from under it. */
#pragma once
#include <ldap.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/why.h"

/* A connected socket, which blocks; the caller's. Otherwise -1, with LDAP_TIMEOUT or LDAP_SERVER_DOWN in *code. Addresses of a
 * host are tried one after the other. */
int socket_connected(const LDAPURLDesc *url, uint64_t deadline_ms, int *code, struct why *why);

/* Once in a process. False: it has no timer. */
bool socket_guard_open(void);

/* From the deadline on, what reads from fd reads its end, and what writes to it fails: until the guard is set anew, or off. */
void socket_guard(int fd, uint64_t deadline_ms);
void socket_guard_off(void);
