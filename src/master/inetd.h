/* master/inetd.h - one client, on the standard input and output that somebody else gives us
 *
 * The same roles as in a daemon, one process of each, without a keeper: master forks a front with the client, and starts hash and
 * auth when the client shows credentials, so that a port scan costs a front only.
 *
 * A socket is the client's. Pipes and terminals (somebody types POP3) are behind a relay, a process that copies octets
 * between them and a socket: front speaks to sockets only. */
#pragma once
#include <stdbool.h>

#include "conf/conf.h"

/* A superserver's standard error is often the client, and nothing that we have to say is for him: then it leads nowhere from here on.
 * To be called before anything is said. */
bool inetd_hides_stderr(void);

/* Serves the client; the status to exit with (sysexits.h): EX_OK a normal end, EX_SOFTWARE deletions that failed, EX_IOERR
 * the connection or TLS, EX_TEMPFAIL idle for too long, EX_PROTOCOL it went away in the middle of a session. Owns cf. */
int inetd_run(struct conf *cf);

/* Master: others have the client now, so that it is theirs to say when it goes. */
struct master;
void inetd_let_go(struct master *m);
