/* backend/sql/watchdog.c - see watchdog.h */
#include "backend/sql/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"

enum { AGAIN_US = 100000 };

/* The signal's handler knows nothing else. */
static struct {
	struct descriptors spared;
	volatile sig_atomic_t done;
	struct sigaction before;
} watch;

static bool has(const struct descriptors *d, int fd)
{
	return (d->bit[fd / 64] >> (fd % 64) & 1) != 0;
}

struct descriptors descriptors_open(void)
{
	struct descriptors d = {{0}};

	for (int fd = 0; fd < WATCHDOG_DESCRIPTORS; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			d.bit[fd / 64] |= UINT64_C(1) << (fd % 64);
	return d;
}

struct descriptors descriptors_but(struct descriptors a, struct descriptors b)
{
	for (size_t i = 0; i < sizeof a.bit / sizeof *a.bit; i++)
		a.bit[i] &= ~b.bit[i];
	return a;
}

static void on_time(int sig)
{
	int saved = errno;

	(void)sig;
	watch.done = 1;
	for (int fd = 0; fd < WATCHDOG_DESCRIPTORS; fd++)
		if (!has(&watch.spared, fd))
			(void)shutdown(fd, SHUT_RDWR); /* what is no socket, or not open, is left alone */
	errno = saved;
}

void watchdog_begin(uint64_t until, const struct descriptors *spared)
{
	struct sigaction act = {.sa_handler = on_time};
	uint64_t now = clock_ms(), ms = until > now ? until - now : 1;
	struct itimerval timer = {.it_value = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)},
				  .it_interval = {0, AGAIN_US}};

	watch.spared = *spared;
	watch.done = 0;
	(void)sigemptyset(&act.sa_mask);
	(void)sigaction(SIGALRM, &act, &watch.before);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

bool watchdog_end(void)
{
	static const struct itimerval off;

	(void)setitimer(ITIMER_REAL, &off, NULL);
	(void)sigaction(SIGALRM, &watch.before, NULL);
	return watch.done != 0;
}
