/* master/daemon.c - see daemon.h */
#include "master/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

/* Ends the process that the operator started, when the daemon has told its outcome or died. */
static _Noreturn void wait_for_outcome(int fd)
{
	unsigned char status = EX_SOFTWARE;
	ssize_t n;

	do
		n = read(fd, &status, sizeof status);
	while (n < 0 && errno == EINTR);
	if (n != sizeof status)
		(void)fputs("pop3d: the daemon ended while it was starting\n", stderr);
	_exit(status);
}

enum err daemon_detach(struct daemon *d, struct why *why)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail_errno(why, ERR_TEMP, "pipe");
	pid_t pid = fork();

	if (pid < 0)
		return fail_errno(why, ERR_TEMP, "fork");
	if (pid > 0) {
		close(fds[1]);
		wait_for_outcome(fds[0]);
	}
	close(fds[0]);
	d->report = fds[1];
	if (setsid() < 0)
		return fail_errno(why, ERR_TEMP, "start a session");
	/* The leader of the session ends, so that its other members can never get a terminal again. */
	pid = fork();
	if (pid < 0)
		return fail_errno(why, ERR_TEMP, "fork");
	if (pid > 0)
		_exit(0);
	if (chdir("/") < 0)
		return fail_errno(why, ERR_TEMP, "go to /");
	return OK;
}

void daemon_silence(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

void daemon_started(struct daemon *d, int status)
{
	unsigned char octet = (unsigned char)status;

	if (d->report < 0)
		return;
	ssize_t n = write(d->report, &octet, sizeof octet);

	(void)n; /* whoever waited has gone: nobody to tell */
	close(d->report);
	d->report = -1;
	daemon_silence();
}
