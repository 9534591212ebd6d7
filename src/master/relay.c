/* master/relay.c - the relay: standard input and output on one side, a socket on the other, and octets in between
 *
 * It touches nothing else. Standard input and output belong to whoever started us: their flags stay as they are, so
 * nothing is read or written before poll(2) says that it will not wait. */
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "ipc/chan.h"
#include "ipc/role.h"

/* One direction. What was read and not written yet is at[0..n). */
struct way {
	int from, to;
	char octets[PIPE_BUF]; /* a pipe with room takes so many without waiting */
	size_t at, n;
	bool ended;  /* nothing more comes */
	bool closed; /* and all of it is through, or nobody takes it */
};

static void way_read(struct way *w)
{
	ssize_t n = read(w->from, w->octets, sizeof w->octets);

	w->at = 0;
	w->n = n > 0 ? (size_t)n : 0;
	w->ended = n <= 0;
}

static void way_write(struct way *w)
{
	ssize_t n = write(w->to, w->octets + w->at, w->n);

	if (n < 0) {
		w->n = 0;
		w->ended = true;
		return;
	}
	w->at += (size_t)n;
	w->n -= (size_t)n;
}

/* What to wait for; an fd of -1 is none. */
static struct pollfd way_poll(const struct way *w)
{
	if (w->n > 0)
		return (struct pollfd){.fd = w->to, .events = POLLOUT};
	return (struct pollfd){.fd = w->ended ? -1 : w->from, .events = POLLIN};
}

static void way_go(struct way *w, short happened)
{
	if (happened != 0 && w->n > 0)
		way_write(w);
	else if (happened != 0)
		way_read(w);
}

/* Until front has closed its end and all that it said is through. */
static void copy(int socket)
{
	struct way in = {.from = STDIN_FILENO, .to = socket}, out = {.from = socket, .to = STDOUT_FILENO};

	while (!out.ended || out.n > 0) {
		struct pollfd fds[2] = {way_poll(&in), way_poll(&out)};

		if (poll(fds, 2, -1) < 0)
			continue;
		way_go(&in, fds[0].revents);
		way_go(&out, fds[1].revents);
		if (in.ended && in.n == 0 && !in.closed) {
			in.closed = true;
			shutdown(socket, SHUT_WR);
		}
	}
}

int relay_main(const struct role_env *env)
{
	static const struct chan_ops ops;
	struct ev_loop *loop = ev_default_loop(EVFLAG_AUTO);
	struct chan master;

	if (!loop)
		return EX_OSERR;
	signal(SIGPIPE, SIG_IGN);
	chan_init(&master, loop, env->master_fd, ROLE_RELAY, ROLE_MASTER, 0, &ops, NULL);
	(void)chan_send(&master, MSG_READY, NULL); /* where master is gone, so are we */
	copy(env->client);
	return EX_OK;
}
