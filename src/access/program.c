/* access/program.c - see program.h */
#include "access/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/wrappers.h"
#include "base/log.h"
#include "base/signals.h"
#include "conf/acl.h"

enum {
	WORDS_OCTETS = 8192, /* of all words, expanded */
	WORDS_MOST = 64,     /* as acl_parse.c allows */
	LINES_MOST = 20,     /* of one program that are logged */
	READ_OCTETS = 4096,
	READS_LAST = 16, /* what the pipe holds when the program has ended */
	FILES_MOST = 1024,
	EXEC_FAILED = 127,
	PLACE_MOST = 256,
};

/* The words, expanded, as execve(2) wants them. */
struct words {
	char text[WORDS_OCTETS], *argv[WORDS_MOST + 1];
};

static enum err words_expand(struct words *w, const struct conf_acl_rule *r, const struct address *client,
			     struct why *why)
{
	struct buf b = BUF(w->text);
	size_t n = 0;

	for (; n < r->words && n < WORDS_MOST; n++) {
		w->argv[n] = b.p + b.len;
		if (acl_expand(&b, r, r->word[n], client, why) != OK)
			return ERR_PERM;
		buf_char(&b, '\0');
	}
	w->argv[n] = NULL;
	return b.full ? fail(why, ERR_PERM, "its words are too long") : OK;
}

/* ---- what it says ---- */

static void line_log(struct program *p)
{
	char place[PLACE_MOST], text[4 * PROGRAM_LINE_MOST];
	struct buf b = BUF(text);

	if (p->octets == 0)
		return;
	if (p->lines < LINES_MOST) {
		log_escape(&b, (struct slice){p->line, p->octets});
		log_line(LOG_NOTICE, "%s: %s: %.*s", acl_place(p->rule, place, sizeof place), p->rule->word[0],
			 (int)b.len, b.p);
	} else if (p->lines == LINES_MOST) {
		log_line(LOG_NOTICE, "%s: %s: says more, which is not logged", acl_place(p->rule, place, sizeof place),
			 p->rule->word[0]);
	}
	p->lines += p->lines <= LINES_MOST;
	p->octets = 0;
}

static void octets_take(struct program *p, const char *octets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (octets[i] == '\n' || p->octets == sizeof p->line)
			line_log(p);
		if (octets[i] != '\n')
			p->line[p->octets++] = octets[i];
	}
}

/* False: there is nothing to read, now or for ever. */
static bool said_read(struct program *p)
{
	char octets[READ_OCTETS];
	ssize_t n = read(p->said.fd, octets, sizeof octets);

	if (n > 0)
		octets_take(p, octets, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		ev_io_stop(p->loop, &p->said);
	return n > 0;
}

static void on_said(struct ev_loop *loop, ev_io *w, int revents)
{
	struct program *p = w->data;

	(void)loop;
	(void)revents;
	log_session(p->log_id);
	(void)said_read(p);
	log_session(0);
}

/* ---- the child ---- */

/* Without setsid and setpgid nobody leaves the group, so that its end is everybody's. */
static bool group_close(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	return filter && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsid), 0) == 0 &&
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setpgid), 0) == 0 && seccomp_load(filter) == 0;
}

static bool descriptors_set(int null, int err_fd)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return false;
	if (files.rlim_cur > FILES_MOST)
		files.rlim_cur = FILES_MOST; /* what select(2) can do */
	return setrlimit(RLIMIT_NOFILE, &files) == 0 && dup2(null, STDIN_FILENO) >= 0 &&
	       dup2(null, STDOUT_FILENO) >= 0 && dup2(err_fd, STDERR_FILENO) >= 0 &&
	       close_range(STDERR_FILENO + 1, ~0U, 0) == 0;
}

/* What it is to do. */
struct task {
	char *const *argv;
	const struct conf_acl_rule *rule;
	const struct msg_ask *ask;
	struct program_said *told;
};

/* Commands of the tables are started from here: they get what programs get. */
static _Noreturn void wrappers_run(const struct task *t, char *const env[])
{
	(void)clearenv();
	for (; *env; env++)
		(void)putenv(*env);
	t->told->allowed = wrappers_allow(t->rule, &t->ask->client, &t->ask->here);
	_exit(t->told->allowed ? EXIT_SUCCESS : EXIT_FAILURE);
}

static _Noreturn void child_run(const struct task *t, int err_fd, pid_t parent)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char zone[PATH_MAX + sizeof "TZ="];
	const char *tz = getenv("TZ");
	char *env[] = {path, tz && snprintf(zone, sizeof zone, "TZ=%s", tz) < (int)sizeof zone ? zone : NULL, NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* It ends with us, and when we are gone already there is nobody whom it decides for. */
	if (t->argv[0] && setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent &&
	    null >= 0 && descriptors_set(null, err_fd) && group_close()) {
		umask(077);
		signals_restore();
		if (t->rule->action == ACL_WRAPPERS)
			wrappers_run(t, env);
		execve(t->argv[0], t->argv, env);
	}
	t->told->failed = errno != 0 ? errno : ECANCELED;
	_exit(EXEC_FAILED);
}

/* No signal may reach the child before it has let go of our handlers. */
static pid_t child_fork(const struct task *t, int err_fd)
{
	sigset_t all, before;
	pid_t parent = getpid();

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();

	if (pid == 0)
		child_run(t, err_fd, parent);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* ---- start and end ---- */

static void program_free(struct program *p)
{
	ev_io_stop(p->loop, &p->said);
	if (p->said.fd >= 0)
		close(p->said.fd);
	if (p->told)
		munmap(p->told, sizeof *p->told);
	p->told = NULL;
	p->said.fd = -1;
	p->pid = 0;
}

enum err program_start(struct program *p, struct ev_loop *loop, const struct conf_acl_rule *r,
		       const struct msg_ask *ask, struct why *why)
{
	struct words words;
	int fds[2];

	*p = (struct program){.loop = loop, .rule = r, .log_id = ask->log_id};
	ev_io_init(&p->said, on_said, -1, EV_READ);
	p->said.data = p;
	if (words_expand(&words, r, &ask->client, why) != OK)
		return ERR_PERM;
	/* cppcheck-suppress invalidFunctionArg ; -1 goes with MAP_ANONYMOUS */
	void *page = mmap(NULL, sizeof *p->told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return fail_errno(why, ERR_TEMP, "map memory");
	p->told = page;
	if (pipe2(fds, O_CLOEXEC) < 0) {
		enum err err = fail_errno(why, ERR_TEMP, "make a pipe");

		program_free(p);
		return err;
	}
	ev_io_set(&p->said, fds[0], EV_READ);
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK); /* our end alone */
	p->pid = child_fork(&(struct task){.argv = words.argv, .rule = r, .ask = ask, .told = p->told}, fds[1]);
	close(fds[1]);
	if (p->pid < 0) {
		enum err err = fail_errno(why, ERR_TEMP, "fork");

		program_free(p);
		return err;
	}
	(void)setpgid(p->pid, p->pid); /* whoever of both is first; it fails when the program runs already */
	ev_io_start(loop, &p->said);
	return OK;
}

void program_kill(const struct program *p)
{
	if (p->pid > 0)
		(void)kill(-p->pid, SIGKILL);
}

/* What to do, by what execve said. */
static const char *advice(int error)
{
	return error == ENOENT    ? "it, or the interpreter that its first line names, is not there"
	       : error == ENOEXEC ? "its first line must name its interpreter, as #!/bin/sh does"
	       : error == EACCES  ? "our user must be able to execute it, and its interpreter, which must lie in its "
				    "directory, or in /usr or another directory of the system"
				  : "nobody is let in by it";
}

static void failure_log(const struct program *p)
{
	char place[PLACE_MOST];

	log_line(LOG_ERR, "%s: cannot run %s as uid %u: %s: %s", acl_place(p->rule, place, sizeof place),
		 p->rule->word[0], (unsigned)getuid(), strerror(p->told->failed), advice(p->told->failed));
}

int program_end(struct program *p)
{
	int status = EXEC_FAILED << 8;

	program_kill(p); /* nobody else can have its number before it is taken away */
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	for (int i = 0; i < READS_LAST && ev_is_active(&p->said) && said_read(p); i++)
		continue;
	line_log(p);
	if (p->told->failed != 0)
		failure_log(p);
	if (p->rule->action == ACL_WRAPPERS && !p->told->allowed && status == 0)
		status = EXIT_FAILURE << 8; /* an option has put another program in its place */
	program_free(p);
	return status;
}
