/* master/sockets.c - see sockets.h */
#include "master/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "master/activation.h"
#include "master/tell.h"

void socket_name(const struct sockaddr_storage *addr, char name[static SOCKET_NAME_MOST])
{
	const struct sockaddr_in *in = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_un *un = (const void *)addr;
	char ip[INET6_ADDRSTRLEN] = "?";

	if (addr->ss_family == AF_INET) {
		(void)inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
		(void)snprintf(name, SOCKET_NAME_MOST, "inet://%s:%u", ip, ntohs(in->sin_port));
	} else if (addr->ss_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
		(void)snprintf(name, SOCKET_NAME_MOST, "inet6://[%s]:%u", ip, ntohs(in6->sin6_port));
	} else {
		(void)snprintf(name, SOCKET_NAME_MOST, "unix://%.*s", (int)sizeof un->sun_path, un->sun_path);
	}
}

static enum err options_set(int fd, int family, struct why *why)
{
	static const int yes = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0)
		return fail_errno(why, ERR_TEMP, "SO_REUSEADDR");
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) < 0)
		return fail_errno(why, ERR_TEMP, "IPV6_V6ONLY");
	return OK;
}

/* Removes a socket that nobody listens on any more; one that answers stays, and bind will fail. */
static void stale_remove(const struct conf_server *s)
{
	const struct sockaddr_un *un = (const void *)&s->addr;
	struct stat st;

	if (lstat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&s->addr, s->addr_len) < 0 && errno == ECONNREFUSED)
		(void)unlink(un->sun_path); /* where this fails, bind tells */
	close(fd);
}

static enum err file_bind(int fd, const struct conf_server *s, struct why *why)
{
	const struct sockaddr_un *un = (const void *)&s->addr;
	const struct group *mail = geteuid() == 0 ? getgrnam("mail") : NULL;

	stale_remove(s);
	mode_t before = umask(0117);
	int bound = bind(fd, (const struct sockaddr *)&s->addr, s->addr_len);
	int error = errno;

	umask(before);
	errno = error;
	if (bound < 0)
		return fail_errno(why, ERR_TEMP, "bind");
	if (mail && lchown(un->sun_path, (uid_t)-1, mail->gr_gid) < 0)
		log_line(LOG_WARNING, "cannot give %s to group mail: %s", un->sun_path, strerror(errno));
	return OK;
}

static enum err socket_listen(int fd, const struct conf_server *s, struct why *why)
{
	int family = s->addr.ss_family;
	enum err err = options_set(fd, family, why);

	if (err != OK)
		return err;
	if (family == AF_UNIX && (err = file_bind(fd, s, why)) != OK)
		return err;
	if (family != AF_UNIX && bind(fd, (const struct sockaddr *)&s->addr, s->addr_len) < 0)
		return fail_errno(why, ERR_TEMP, "bind");
	if (listen(fd, (int)conf_server_queue(s)) < 0)
		return fail_errno(why, ERR_TEMP, "listen");
	return OK;
}

static int socket_open(const struct conf_server *s, struct why *why)
{
	int given = activation_find(s);

	if (given >= 0)
		return given;
	int fd = socket(s->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		(void)fail_errno(why, ERR_TEMP, "socket");
		return -1;
	}
	if (socket_listen(fd, s, why) != OK) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Port 0 asks for any: what it became, an operator wants to know. */
static void opened_log(int fd)
{
	struct sockaddr_storage addr = {0};
	socklen_t len = sizeof addr;
	char name[SOCKET_NAME_MOST];

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return;
	socket_name(&addr, name);
	log_line(LOG_INFO, "listening on %s", name);
}

static bool has(const struct listeners *l, int fd)
{
	for (size_t i = 0; l && i < l->n; i++)
		if (l->fd[i] == fd)
			return true;
	return false;
}

/* The socket that `old` has at this address, unless a server before this one has taken it; -1: none. *was_there: it tried. */
static int socket_keep(const struct listeners *l, const struct conf_server *s, const struct listeners *old,
		       bool *was_there)
{
	*was_there = false;
	for (size_t i = 0; old && i < old->n; i++) {
		const struct conf_server *was = &old->cf->servers[i];

		if (!address_is_same(&was->addr, &s->addr))
			continue;
		*was_there = true;
		/* listen() once more, for the backlog, which may be another one. */
		if (old->fd[i] >= 0 && !has(l, old->fd[i]) && listen(old->fd[i], (int)conf_server_queue(s)) == 0)
			return old->fd[i];
	}
	return -1;
}

static bool is_wildcard(const struct sockaddr_storage *addr)
{
	static const struct in6_addr any = IN6ADDR_ANY_INIT;
	const struct sockaddr_in *in = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;

	return addr->ss_family == AF_INET ? in->sin_addr.s_addr == htonl(INADDR_ANY)
					  : memcmp(&in6->sin6_addr, &any, sizeof any) == 0;
}

/* The kernel does not let both be listened at. */
static bool is_overlap(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;

	if (a->ss_family != b->ss_family || (a->ss_family != AF_INET && a->ss_family != AF_INET6))
		return false;
	/* the port is at the same place in both families */
	return a4->sin_port == b4->sin_port && (is_wildcard(a) || is_wildcard(b));
}

/* What to do where the configuration before stands in the way: its sockets serve until the new ones do. */
static void overlap_tell(const struct conf_server *s, const char *name, const struct listeners *old)
{
	char other[SOCKET_NAME_MOST];

	for (size_t i = 0; old && i < old->n; i++) {
		const struct sockaddr_storage *was = &old->cf->servers[i].addr;

		if (old->fd[i] < 0 || !is_overlap(was, &s->addr))
			continue;
		socket_name(was, other);
		tell(LOG_ERR,
		     "%s and %s overlap: a reload cannot exchange one for the other, stop pop3d and start it again",
		     other, name);
	}
}

static void listener_add(struct listeners *l, const struct listeners *old)
{
	const struct conf_server *s = &l->cf->servers[l->n];
	struct why reason = {""};
	char name[SOCKET_NAME_MOST];
	bool was_there;
	int fd = socket_keep(l, s, old, &was_there);
	bool kept = fd >= 0;

	if (!kept)
		fd = socket_open(s, &reason);
	l->fd[l->n++] = fd;
	l->open += fd >= 0;
	l->missing += fd < 0 && !was_there;
	socket_name(&s->addr, name);
	if (fd < 0)
		tell(LOG_ERR, "cannot open connection on %s: %s", name, reason.text);
	if (fd < 0)
		overlap_tell(s, name, old);
	else if (!kept)
		opened_log(fd);
}

enum err listeners_open(struct listeners *l, const struct conf *cf, const struct listeners *old, struct why *why)
{
	*l = (struct listeners){.cf = cf, .fd = calloc(cf->nservers + 1, sizeof *l->fd)};
	if (!l->fd)
		return fail(why, ERR_TEMP, "no memory for the list of servers");
	while (l->n < cf->nservers)
		listener_add(l, old);
	if (l->open == 0 || (old && l->missing > 0)) {
		listeners_close(l, old);
		return fail(why, ERR_TEMP, "%s",
			    old ? "not all servers can be opened" : "no servers configured: exiting");
	}
	return OK;
}

/* Nothing but a socket: somebody may have put something else in its place. */
static void file_remove(const struct conf_server *s)
{
	const struct sockaddr_un *un = (const void *)&s->addr;
	struct stat st;

	if (s->addr.ss_family == AF_UNIX && lstat(un->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    unlink(un->sun_path) < 0)
		log_line(LOG_WARNING, "cannot remove %s: %s", un->sun_path, strerror(errno));
}

void listeners_close(struct listeners *l, const struct listeners *stay)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->fd[i] < 0 || has(stay, l->fd[i]) || activation_has(l->fd[i]))
			continue;
		file_remove(&l->cf->servers[i]);
		close(l->fd[i]);
	}
	free(l->fd);
	*l = (struct listeners){0};
}

void listeners_let_go(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->fd[i] >= 0)
			close(l->fd[i]);
	free(l->fd);
	*l = (struct listeners){0};
}
