/* front/update.c - QUIT with something for store to do (RFC 1939, section 6)
 *
 * Store deletes only when the client's side has acknowledged everything that was sent before: a client that pipelines
 * RETR, DELE, QUIT and loses its line must find its mail again. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front/commands.h"
#include "front/flow.h"
#include "front/front.h"
#include "front/reply.h"

/* Seconds. */
static const double ACK_WAIT = 60, ACK_LOOK = 0.001, ACK_LOOK_MOST = 0.25, COMMIT_WAIT = 600;

enum next update_start(struct session *s)
{
	s->state = UPDATE;
	s->ack_until = ev_now(s->front->loop) + ACK_WAIT;
	session_wait(s, WAIT_ACKNOWLEDGED, ACK_WAIT);
	return NEXT_WAIT;
}

static bool write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

/* The marks as a file that nobody can change any more; -1: no memory. */
static int bits_file(const struct view *v)
{
	int fd = memfd_create("deleted", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (write_all(fd, v->bits, view_bits_octets(v)) &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool send_commit(struct session *s)
{
	const struct view *v = &s->view;
	struct msg_commit commit = {.sid = s->sid, .count = v->count, .deleted = v->deleted, .taken = s->taken};
	struct chan_out out = {.payload = &commit};

	if (view_bits_octets(v) <= MSG_BULK_MOST) {
		out.bulk[0] = (struct slice){(const char *)v->bits, view_bits_octets(v)};
		return peers_send(s, MSG_COMMIT, &out);
	}
	out.fds[0] = bits_file(v);
	out.nfds = 1;
	bool sent = out.fds[0] >= 0 && peers_send(s, MSG_COMMIT, &out);

	if (out.fds[0] >= 0)
		close(out.fds[0]);
	return sent;
}

/* A connection that was reset has nothing left to acknowledge: that is no success. */
static bool is_broken(int fd)
{
	int error = 0;
	socklen_t n = sizeof error;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error != 0;
}

void update_try(struct session *s)
{
	int unacknowledged = 0;

	if (ioctl(s->io.fd, SIOCOUTQ, &unacknowledged) < 0 || is_broken(s->io.fd)) {
		session_drop(s, "connection lost");
	} else if (unacknowledged == 0) {
		session_wait(s, WAIT_COMMIT, COMMIT_WAIT);
		if (!send_commit(s))
			update_done(s, ERR_TEMP);
	} else if (ev_now(s->front->loop) >= s->ack_until) {
		session_drop(s, "replies not acknowledged");
	} else {
		double look = ACK_LOOK * (double)(1U << (s->ack_looks < 8 ? s->ack_looks : 8));

		s->ack_looks++;
		session_wait(s, WAIT_ACKNOWLEDGED, look < ACK_LOOK_MOST ? look : ACK_LOOK_MOST);
	}
}

void update_done(struct session *s, enum err err)
{
	s->wait = WAIT_NOTHING;
	s->committed = err == OK;
	peers_leave(s, err != OK);
	if (!output_room(s))
		session_drop(s, "slow client");
	else if (err == OK)
		reply_ok(&s->out, "");
	else
		reply_not_removed(&s->out, err);
	session_close(s, err == OK ? "quit" : "update failed");
}
