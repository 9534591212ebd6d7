/* master/activation.c - see activation.h */
#include "master/activation.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/sockets.h"

enum { FIRST = STDERR_FILENO + 1, GIVEN_MOST = 64 };

/* A process is given sockets once. */
static unsigned given;

static bool number_is(const char *name, uint32_t *n)
{
	const char *value = getenv(name);

	return value && slice_u32(slice_str(value), n);
}

/* The variables are not for our children. */
int activation_take(void)
{
	uint32_t pid, n;

	if (number_is("LISTEN_PID", &pid) && pid == (uint32_t)getpid() && number_is("LISTEN_FDS", &n) &&
	    n <= GIVEN_MOST)
		given = n;
	(void)unsetenv("LISTEN_PID"); /* names without `=': there is no error */
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	for (unsigned i = 0; i < given; i++) {
		int fd = FIRST + (int)i, flags = fcntl(fd, F_GETFL);

		(void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* one that is none is told by activation_check */
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	}
	return STDERR_FILENO + (int)given;
}

bool address_is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *in = (const void *)a, *other = (const void *)b;
	const struct sockaddr_in6 *in6 = (const void *)a, *other6 = (const void *)b;
	const struct sockaddr_un *un = (const void *)a, *other_un = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	switch (a->ss_family) {
	case AF_INET:
		return in->sin_port == other->sin_port && in->sin_addr.s_addr == other->sin_addr.s_addr;
	case AF_INET6:
		return in6->sin6_port == other6->sin6_port && in6->sin6_scope_id == other6->sin6_scope_id &&
		       memcmp(&in6->sin6_addr, &other6->sin6_addr, sizeof in6->sin6_addr) == 0;
	case AF_UNIX:
		return strncmp(un->sun_path, other_un->sun_path, sizeof un->sun_path) == 0;
	default:
		return false;
	}
}

static bool address_get(int fd, struct sockaddr_storage *addr)
{
	socklen_t len = sizeof *addr;

	*addr = (struct sockaddr_storage){.ss_family = AF_UNSPEC};
	return getsockname(fd, (struct sockaddr *)addr, &len) == 0;
}

int activation_find(const struct conf_server *server)
{
	struct sockaddr_storage addr;

	for (unsigned i = 0; i < given; i++)
		if (address_get(FIRST + (int)i, &addr) && address_is_same(&addr, &server->addr))
			return FIRST + (int)i;
	return -1;
}

bool activation_has(int fd)
{
	return fd >= FIRST && fd < FIRST + (int)given;
}

void activation_drop(void)
{
	for (unsigned i = 0; i < given; i++)
		close(FIRST + (int)i);
	given = 0;
}

static enum err one_check(const struct conf *cf, int fd, struct why *why)
{
	struct sockaddr_storage addr;
	char name[SOCKET_NAME_MOST];
	int listens = 0;
	socklen_t n = sizeof listens;

	if (!address_get(fd, &addr) || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0 || !listens)
		return fail(why, ERR_PERM,
			    "descriptor %d, given by the service manager, is no listening socket (for Accept=yes, use "
			    "--inetd)",
			    fd);
	for (size_t i = 0; i < cf->nservers; i++)
		if (address_is_same(&addr, &cf->servers[i].addr))
			return OK;
	socket_name(&addr, name);
	return fail(why, ERR_PERM,
		    "the service manager listens on %s, and no server of the configuration has this address: add one, "
		    "or take it out of the socket unit",
		    name);
}

enum err activation_check(const struct conf *cf, struct why *why)
{
	enum err err = OK;

	for (unsigned i = 0; err == OK && i < given; i++)
		err = one_check(cf, FIRST + (int)i, why);
	return err;
}
