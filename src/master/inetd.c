/* master/inetd.c - see inetd.h */
#include "master/inetd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "master/activation.h"
#include "master/prepare.h"
#include "master/supervise.h"
#include "master/tell.h"

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static bool is_same(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* The client's own socket. Nobody waits on it, we neither. */
static enum err socket_take(struct master *m, struct conf_server *server, struct why *why)
{
	int listens = 0, type = 0;
	socklen_t n = sizeof listens, len = sizeof server->addr;

	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_STREAM)
		return fail(why, ERR_PERM, "standard input is a socket, but none of a stream");
	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0 || listens)
		return fail(why, ERR_PERM, "standard input is a listening socket: inetd must be told `nowait'");
	m->client = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (m->client < 0 || fcntl(m->client, F_SETFL, fcntl(m->client, F_GETFL) | O_NONBLOCK) < 0)
		return fail_errno(why, ERR_TEMP, "take the client's socket");
	if (getsockname(m->client, (struct sockaddr *)&server->addr, &len) == 0)
		server->addr_len = len;
	return OK;
}

/* Something else, behind a relay. */
static enum err pair_make(struct master *m, struct why *why)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return fail_errno(why, ERR_TEMP, "socketpair");
	m->client = fds[0];
	m->relay = fds[1];
	return OK;
}

bool inetd_hides_stderr(void)
{
	bool is_client = is_socket(STDIN_FILENO) && is_same(STDIN_FILENO, STDERR_FILENO);
	int null = is_client ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;

	if (null < 0)
		return false;
	(void)dup2(null, STDERR_FILENO);
	close(null);
	return true;
}

static enum err client_take(struct master *m, struct conf *cf, struct why *why)
{
	return is_socket(STDIN_FILENO) ? socket_take(m, &cf->servers[0], why) : pair_make(m, why);
}

void inetd_let_go(struct master *m)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	close(m->client);
	if (m->relay >= 0)
		close(m->relay);
	m->client = m->relay = -1;
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDOUT_FILENO; fd++)
		(void)dup2(null, fd);
	close(null);
}

static int serve(struct master *m, struct conf *cf)
{
	struct why why = {""};
	int status;

	notices_tell(cf);
	/* As Mailutils: that there is none is not the configuration's fault. */
	if (cf->servers[0].tls_mode != TLS_NO && !cf->servers[0].tls.certificate_file) {
		tell(LOG_ERR, "server %s: no certificate set", cf->servers[0].label);
		return EX_UNAVAILABLE;
	}
	umask(007);
	if (client_take(m, cf, &why) != OK || chdir("/") < 0 || commons_open(m->commons, 1, 0, &why) != OK)
		status = EX_OSERR;
	else
		status = prepare(m, &why);
	if (status != EX_OK) {
		tell(LOG_ERR, "%s", why.text[0] ? why.text : strerror(errno));
		return status;
	}
	m->listeners.fd = malloc(sizeof *m->listeners.fd);
	if (!m->listeners.fd)
		return EX_OSERR;
	m->listeners.fd[0] = -1;
	m->listeners.n = 1;
	return supervise(m);
}

int inetd_run(struct conf *cf)
{
	static struct master m; /* some of it stays in the children: not on a stack that ends */
	static struct commons commons;

	activation_drop();
	cf->foreground = true;
	cf->single_process = true;
	m = (struct master){
		.cf = cf, .commons = &commons, .keeper_fd = -1, .is_inetd = true, .client = -1, .relay = -1};
	int status = serve(&m, cf);

	certs_free(&m.certs);
	conf_free(cf);
	return status;
}
