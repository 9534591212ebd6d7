/* master/nursery.c - see nursery.h */
#include "master/nursery.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "master/child.h"
#include "master/fork.h"
#include "master/pages.h"
#include "master/spawn.h"
#include "master/standing.h"
#include "master/syscalls.h"
#include "master/tell.h"

enum { ANSWER_MS = 2000 }; /* a fork takes one or two, on a busy machine some more */

/* Master asks for a process in a place; its end of the channel to master comes with it. */
struct order {
	uint32_t serial, slot;
};

struct answer {
	pid_t pid; /* below 0: -errno */
};

union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(sizeof(int))];
};

/* --- in the nursery --------------------------------------------------------------------------------------------- */

/* Waits for an order. False: master wants no more. */
static bool order_take(int fd, struct order *order, int *child_fd)
{
	struct iovec io = {order, sizeof *order};
	union control control;
	struct msghdr msg = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	const struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	if (n != sizeof *order || !head || head->cmsg_type != SCM_RIGHTS)
		return false;
	memcpy(child_fd, CMSG_DATA(head), sizeof *child_fd);
	return true;
}

/* As fork(2), but the child is our parent's. There is one thread here and nothing is done behind a fork, so the C library need not know. */
static pid_t fork_sibling(void)
{
	long pid = syscall(SYS_clone, CLONE_PARENT, NULL, NULL, NULL, NULL);

	return pid < 0 ? (pid_t)-errno : (pid_t)pid;
}

static void order_fill(struct master *m, const struct order *order, int child_fd, pid_t parent)
{
	struct child c = {.master = m, .role = ROLE_STORE, .serial = order->serial, .slot = order->slot};
	struct answer answer;
	struct why why = {""};

	if (standing_refresh(&why) != OK)
		log_line(LOG_WARNING, "each store worker makes its own rules: %s", why.text);
	answer.pid = fork_sibling();
	if (answer.pid == 0) {
		close(m->nursery.fd);
		spawn_spare(&c, child_fd, parent);
	}
	close(child_fd);
	(void)send(m->nursery.fd, &answer, sizeof answer,
		   MSG_NOSIGNAL); /* where master has gone, the next order says so */
}

/* What a worker does as root before it is its owner's: directories of owners are made, looked at and given to them. */
static const uint64_t needed = 1ULL << CAP_SETUID | 1ULL << CAP_SETGID | 1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE |
			       1ULL << CAP_SYS_RESOURCE;

static enum err set_up(struct master *m, pid_t parent, struct why *why)
{
	struct confinement common;

	spawn_standing(m, &common);
	if (standing_make(&common, why) != OK)
		return ERR_TEMP;
	if (privs_limit(needed, why) != OK)
		return ERR_TEMP;
	enum err err = confine_finish(ROLE_MASTER, parent, why);

	return err == OK ? syscalls_restrict_nursery(why) : err;
}

static _Noreturn void nursery_run(struct master *m, int fd, pid_t parent)
{
	struct why why = {""};
	struct order order = {0};
	int child_fd;

	m->nursery = (struct nursery){.fd = fd, .is_self = true};
	if (spawn_let_go(m, fd, &why) != OK || set_up(m, parent, &why) != OK) {
		tell(LOG_ERR, "cannot start the nursery: %s", why.text);
		_exit(EX_OSERR);
	}
	pages_prepare();
	while (order_take(fd, &order, &child_fd))
		order_fill(m, &order, child_fd, parent);
	_exit(EX_OK);
}

/* --- in master -------------------------------------------------------------------------------------------------- */

enum err nursery_open(struct master *m, struct why *why)
{
	int fds[2];
	pid_t parent = getpid();

	if (m->nursery.pid > 0)
		return OK;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return fail_errno(why, ERR_TEMP, "socketpair");
	pid_t pid = fork_quietly();

	if (pid == 0)
		nursery_run(m, fds[1], parent);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return fail_errno(why, ERR_TEMP, "fork");
	}
	m->nursery = (struct nursery){.pid = pid, .fd = fds[0]};
	m->running++;
	return OK;
}

void nursery_close(struct master *m)
{
	if (m->nursery.fd >= 0)
		close(m->nursery.fd);
	m->nursery.fd = -1;
}

bool nursery_ends(const struct master *m)
{
	return m->nursery.pid > 0 && m->nursery.fd < 0;
}

static enum err order_send(int fd, struct order order, int child_fd, struct why *why)
{
	struct iovec io = {&order, sizeof order};
	union control control = {
		.head = {.cmsg_len = CMSG_LEN(sizeof child_fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct msghdr msg = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

	memcpy(CMSG_DATA(&control.head), &child_fd, sizeof child_fd);
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof order
		       ? OK
		       : fail_errno(why, ERR_TEMP, "ask the nursery");
}

static enum err answer_take(int fd, pid_t *pid, struct why *why)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct answer answer;
	int n;

	do
		n = poll(&p, 1, ANSWER_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return fail(why, ERR_TEMP, "the nursery does not answer");
	if (recv(fd, &answer, sizeof answer, MSG_DONTWAIT) != sizeof answer)
		return fail(why, ERR_TEMP, "the nursery has ended");
	*pid = answer.pid;
	errno = -answer.pid;
	return answer.pid > 0 ? OK : fail_errno(why, ERR_TEMP, "fork");
}

/* Whatever it has forked meanwhile sees the end of its channel. */
enum err nursery_fork(struct master *m, const struct child *c, int child_fd, pid_t *pid, struct why *why)
{
	struct order order = {.serial = c->serial, .slot = c->slot};

	if (m->nursery.fd < 0)
		return fail(why, ERR_TEMP, "there is no nursery");
	if (order_send(m->nursery.fd, order, child_fd, why) == OK && answer_take(m->nursery.fd, pid, why) == OK) {
		m->nursery.has_forked = true;
		return OK;
	}
	nursery_close(m);
	(void)kill(m->nursery.pid, SIGKILL);
	return ERR_TEMP;
}

void nursery_ended(struct master *m, int status)
{
	nursery_close(m);
	m->nursery.pid = 0;
	m->running--;
	if (WIFSIGNALED(status))
		log_line(LOG_ERR, "the nursery was ended by signal %d", WTERMSIG(status));
	if (m->stopping)
		externals_leave(m);
}
