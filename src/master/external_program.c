/* master/external_program.c - see external_program.h */
#include "master/external_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/signals.h"
#include "master/fork.h"
#include "master/master.h"

enum {
	ARGS_MOST = 6,
	NOT_A_FILE = 120, /* our own status: the mailbox is none */
	NOT_RUN = 127,
	FILES_MOST = 1024, /* descriptors, as programs expect them */
};

/* ---- how it is called ---- */

struct call {
	char expire[32], retry[32];
	const char *argv[ARGS_MOST];
};

static void call_fill(struct call *c, const struct conf_locking *conf, const char *path, bool unlock)
{
	size_t n = 0;

	(void)snprintf(c->expire, sizeof c->expire, "-f%llu", (unsigned long long)conf->expire_timeout.n);
	(void)snprintf(c->retry, sizeof c->retry, "-r%u", (unsigned)conf->retry_count);
	c->argv[n++] = conf->external_locker;
	if (unlock)
		c->argv[n++] = "-u";
	if (conf->expire_timeout.n > 0)
		c->argv[n++] = c->expire;
	if (conf->retry_count > 0)
		c->argv[n++] = c->retry;
	c->argv[n++] = path;
	c->argv[n] = NULL;
}

/* ---- in the child ---- */

/* The log stays until it becomes the program. */
static bool descriptors_leave(void)
{
	const struct rlimit none = {0, 0}, files = {FILES_MOST, FILES_MOST};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	return setrlimit(RLIMIT_CORE, &none) == 0 && setrlimit(RLIMIT_NOFILE, &files) == 0 && null >= 0 &&
	       dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0 &&
	       close_range(STDERR_FILENO + 1, ~0U, 0) == 0;
}

/* A name in the spool that belongs to the owner: nobody but root and group mail can put another one there. */
static bool is_in_spool(const struct externals *x, const char *path, uid_t owner)
{
	size_t n = strlen(x->spool);
	struct stat st;

	return n > 0 && strncmp(path, x->spool, n) == 0 && path[n] == '/' && path[n + 1] &&
	       !strchr(path + n + 1, '/') && lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == owner;
}

static enum err become(const struct master *m, struct identity owner, const char *path, struct why *why)
{
	struct privs privs = {.change = m->privileged, .id = owner};

	if (m->privileged && is_in_spool(&m->externals, path, owner.uid)) {
		privs.id.gid = m->externals.group;
		privs.in_group = owner.gid != 0 && owner.gid != privs.id.gid;
		privs.group = owner.gid;
	}
	return privs_drop(&privs, why);
}

/* Where somebody else's file is meant, it is not we who lock it. */
static bool is_mailbox(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}

static _Noreturn void child_run(const struct master *m, struct identity owner, const char *path, bool unlock)
{
	static char search[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char *env[] = {search, NULL};
	struct why why = {""};
	struct call call = {.argv = {NULL}};

	call_fill(&call, &m->cf->locking, path, unlock);
	if (setpgid(0, 0) < 0 || chdir("/") < 0 || become(m, owner, path, &why) != OK) {
		log_line(LOG_ERR, "cannot run the external locker as uid %u: %s", (unsigned)owner.uid, why.text);
		_exit(NOT_RUN);
	}
	if (!unlock && !is_mailbox(path)) /* one that has gone is let go of all the same */
		_exit(NOT_A_FILE);
	if (!descriptors_leave())
		_exit(NOT_RUN);
	umask(022); /* deliverers of other users read what is in a lock */
	signals_restore();
	environ = env;
	execvp(call.argv[0], (char *const *)call.argv);
	_exit(NOT_RUN);
}

pid_t external_program_start(const struct master *m, struct identity owner, const char *path, bool unlock,
			     struct why *why)
{
	pid_t pid = fork_quietly();

	if (pid == 0)
		child_run(m, owner, path, unlock);
	if (pid < 0)
		(void)fail_errno(why, ERR_TEMP, "External locker failed: fork");
	else
		(void)setpgid(pid, pid); /* whoever of both is first; it fails when the program runs already */
	return pid;
}

/* ---- what came of it ---- */

static const struct {
	int status;
	enum err err;
	const char *reason, *more;
} results[] = {
	{0, OK, "", NULL},
	{2, ERR_TEMP, "Lock not held on file", NULL},
	{3, ERR_IN_USE, "Conflict with previous locker", NULL},
	{4, ERR_PERM, "Operation not permitted", NULL},
	{NOT_A_FILE, ERR_PERM, "File check failed", "it is no regular file that its owner may read"},
	{NOT_RUN, ERR_TEMP, "External locker failed", "it could not be run"},
};

enum err external_program_result(const struct conf_locking *conf, int status, bool *not_locked, struct why *why)
{
	const char *program = conf->external_locker;

	*not_locked = WIFEXITED(status) && WEXITSTATUS(status) == 2;
	if (WIFSIGNALED(status))
		return fail(why, ERR_TEMP, "External locker failed: %s was ended by signal %d", program,
			    WTERMSIG(status));
	for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
		if (WEXITSTATUS(status) != results[i].status)
			continue;
		if (results[i].err == OK)
			return OK;
		return results[i].more
			       ? fail(why, results[i].err, "%s: %s: %s", results[i].reason, program, results[i].more)
			       : fail(why, results[i].err, "%s", results[i].reason);
	}
	return fail(why, ERR_TEMP, "External locker failed: %s ended with status %d", program, WEXITSTATUS(status));
}
