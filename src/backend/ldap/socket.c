/* backend/ldap/socket.c - see socket.h */
#include "backend/ldap/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static const char LDAPI_PATH[] = "/run/slapd/ldapi"; /* Debian's slapd */

/* --- connecting ---------------------------------------------------------------------------------------------------- */

static bool is_connected(int fd, uint64_t deadline_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	uint64_t now = clock_ms();
	int error = 0;
	socklen_t len = sizeof error;

	if (now >= deadline_ms || poll(&p, 1, (int)(deadline_ms - now)) <= 0) {
		errno = ETIMEDOUT;
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return false;
	errno = error;
	return error == 0;
}

/* -1: errno says why. */
static int connect_to(const struct sockaddr *at, socklen_t len, uint64_t deadline_ms)
{
	int fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -1;
	if ((connect(fd, at, len) < 0 && (errno != EINPROGRESS || !is_connected(fd, deadline_ms))) ||
	    fcntl(fd, F_SETFL, 0) < 0) {
		int e = errno;

		close(fd);
		errno = e;
		return -1;
	}
	if (at->sa_family != AF_UNIX) { /* neither is needed */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	}
	return fd;
}

static int connect_unix(const char *path, uint64_t deadline_ms)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (!slice_cstr(slice_str(path && *path ? path : LDAPI_PATH), at.sun_path, sizeof at.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return connect_to((struct sockaddr *)&at, sizeof at, deadline_ms);
}

static size_t addresses_of(const struct addrinfo *list)
{
	size_t n = 0;

	for (; list; list = list->ai_next)
		n++;
	return n;
}

/* Those that have not been tried yet share the time that is left. */
static int connect_first(const struct addrinfo *list, uint64_t deadline_ms)
{
	int fd = -1;

	errno = ETIMEDOUT;
	for (; list && fd < 0 && clock_ms() < deadline_ms; list = list->ai_next) {
		uint64_t now = clock_ms();

		fd = connect_to(list->ai_addr, list->ai_addrlen, now + (deadline_ms - now) / addresses_of(list));
	}
	return fd;
}

/* *said: what the resolver says where there is no address. */
static int connect_host(const LDAPURLDesc *url, uint64_t deadline_ms, const char **said)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char port[16];

	(void)snprintf(port, sizeof port, "%d", url->lud_port != 0 ? url->lud_port : LDAP_PORT);
	int e = getaddrinfo(url->lud_host && *url->lud_host ? url->lud_host : "localhost", port, &hints, &list);

	if (e != 0) {
		*said = gai_strerror(e);
		return -1;
	}
	int fd = connect_first(list, deadline_ms);

	e = errno;
	freeaddrinfo(list);
	errno = e;
	return fd;
}

int socket_connected(const LDAPURLDesc *url, uint64_t deadline_ms, int *code, struct why *why)
{
	const char *said = NULL;
	int fd = strcmp(url->lud_scheme, "ldapi") == 0 ? connect_unix(url->lud_host, deadline_ms)
						       : connect_host(url, deadline_ms, &said);

	*code = fd >= 0 ? LDAP_SUCCESS : !said && errno == ETIMEDOUT ? LDAP_TIMEOUT : LDAP_SERVER_DOWN;
	if (said)
		(void)fail(why, ERR_TEMP, "%s: %s (-1): %s", "connecting", ldap_err2string(LDAP_SERVER_DOWN), said);
	else if (fd < 0)
		(void)fail_errno(why, ERR_TEMP, "connecting: %s (-1)", ldap_err2string(LDAP_SERVER_DOWN));
	return fd;
}

/* --- the guard ----------------------------------------------------------------------------------------------------- */

static struct {
	timer_t timer;
	volatile sig_atomic_t fd;
	bool is_open;
} guard;

static void on_deadline(int sig)
{
	int e = errno;

	(void)sig;
	if (guard.fd >= 0)
		(void)shutdown(guard.fd, SHUT_RDWR);
	errno = e;
}

bool socket_guard_open(void)
{
	struct sigaction action = {.sa_handler = on_deadline, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};

	guard.fd = -1;
	if (!guard.is_open)
		guard.is_open = sigaction(SIGRTMIN, &action, NULL) == 0 &&
				timer_create(CLOCK_MONOTONIC, &event, &guard.timer) == 0;
	return guard.is_open;
}

void socket_guard(int fd, uint64_t deadline_ms)
{
	struct itimerspec at = {.it_value = {(time_t)(deadline_ms / 1000), (long)(deadline_ms % 1000) * 1000000}};

	guard.fd = fd;
	(void)timer_settime(guard.timer, TIMER_ABSTIME, &at, NULL);
}

void socket_guard_off(void)
{
	static const struct itimerspec never;

	guard.fd = -1;
	(void)timer_settime(guard.timer, 0, &never, NULL);
}
