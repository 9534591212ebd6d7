/* master/apop.c - see apop.h */
#include "master/apop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/secrets.h"
#include "master/child.h"
#include "master/fork.h"
#include "master/master.h"
#include "master/tell.h"

enum {
	LOCK_WAIT_MS = 5000, /* while somebody writes */
	READ_S = 20,         /* whatever it waits for, auth is answered then */
};

static enum err name_read(const struct conf *cf, struct dbm_name *out, struct why *why)
{
	uid_t owner = cf->apop_database_owner.given ? cf->apop_database_owner.uid : geteuid();
	struct why reason = {""};

	if (dbm_name_read(slice_str(cf->apop_database_file), cf->apop_database_safety.bits, owner, out, &reason) != OK)
		return fail(why, ERR_PERM, "apop-database-file: %s", reason.text);
	return out->path[0] == '/'
		       ? OK
		       : fail(why, ERR_PERM, "apop-database-file: %s: expected an absolute path", out->path);
}

int apop_lint(const struct conf *cf)
{
	struct dbm_name name;
	struct why why;

	if (name_read(cf, &name, &why) == OK)
		return EX_OK;
	tell(LOG_ERR, "%s", why.text);
	return EX_CONFIG;
}

/* --- in the process that reads --- */

static enum err add(void *draft, struct slice name, struct slice secret, struct why *why)
{
	return secrets_add(draft, name, secret, why);
}

static enum err read_all(struct dbm *db, int fd, const struct file_stamp *stamp, struct why *why)
{
	struct secrets_draft draft = {0};
	uint64_t odd;
	enum err err = dbm_walk(db, add, &draft, &odd, why);

	if (err == OK)
		err = secrets_write(&draft, fd, stamp, why);
	if (err == OK && odd > 0)
		log_line(LOG_WARNING, "APOP file: %llu records are not used: they are no text",
			 (unsigned long long)odd);
	secrets_discard(&draft);
	return err;
}

/* fd -1: only whether it can be read. */
static enum err database_read(const struct dbm_name *name, int fd)
{
	static const struct rlimit none = {0, 0};
	struct dbm_how how = {.use = DBM_READ, .wait_ms = LOCK_WAIT_MS};
	struct file_stamp stamp;
	struct why why = {""};
	struct dbm *db = NULL;
	sigset_t alarms;

	/* Secrets are nothing for a core file, nor for who may trace us. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return ERR_TEMP;
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	(void)signal(SIGALRM, SIG_DFL);
	(void)sigprocmask(SIG_UNBLOCK, &alarms, NULL);
	(void)alarm(READ_S);
	(void)file_stamp(name->path, &stamp);
	enum err err = dbm_open(&db, name, &how, &why);

	if (err == OK && fd >= 0)
		err = read_all(db, fd, &stamp, &why);
	dbm_close(db);
	if (err != OK)
		log_line(LOG_ERR, "APOP file %s fails safety check: %s", name->path,
			 strncmp(why.text, name->path, strlen(name->path)) == 0 ? why.text + strlen(name->path) + 2
										: why.text);
	return err;
}

/* --- in master --- */

static enum err reader_result(int status)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) >= ERR_COUNT)
		return ERR_TEMP;
	return WEXITSTATUS(status) == ERR_IN_USE ? ERR_TEMP : (enum err)WEXITSTATUS(status);
}

/* Waits for it. */
static bool can_be_read(const struct dbm_name *name)
{
	int status = -1;
	pid_t pid = fork_quietly(), got;

	if (pid == 0)
		_exit((int)database_read(name, -1));
	do
		got = pid > 0 ? waitpid(pid, &status, 0) : -1;
	while (got < 0 && errno == EINTR && pid > 0);
	return got == pid && got > 0 && reader_result(status) == OK;
}

static bool is_default(const struct dbm_name *name)
{
	return strcmp(name->path, "/etc/apop.db") == 0;
}

/* Our name, as a domain. */
static void host_find(char host[static 65])
{
	if (gethostname(host, 64) < 0)
		host[0] = '\0';
	host[64] = '\0';
	for (char *c = host; *c; c++)
		if (!((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') || *c == '-' ||
		      *c == '.'))
			*c = '-';
	if (!host[0])
		memcpy(host, "localhost", sizeof "localhost");
}

enum err apop_prepare(struct apop *a, const struct conf *cf, struct why *why)
{
	enum err err = name_read(cf, &a->name, why);

	a->on = false;
	a->fd = -1;
	if (err != OK)
		return err;
	if (dbm_is_there(&a->name))
		a->on = can_be_read(&a->name);
	else if (!is_default(&a->name))
		log_line(LOG_WARNING, "APOP file %s: there is none; APOP is not offered", a->name.path);
	if (a->on)
		host_find(a->host);
	return OK;
}

static void answer(struct master *m, enum err err, int fd)
{
	struct msg_secrets message = {.err = (uint32_t)err};
	struct chan_out out = {.payload = &message, .fds = {fd}, .nfds = err == OK};

	for (unsigned i = 0; i < m->pool[ROLE_AUTH].n; i++)
		if (child_runs(&m->pool[ROLE_AUTH].child[i]))
			(void)chan_send(&m->pool[ROLE_AUTH].child[i].chan, MSG_SECRETS,
					&out); /* one that ends has nobody to tell */
}

static void let_go(struct apop *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	a->pid = 0;
}

void apop_read(struct master *m)
{
	struct apop *a = &m->apop;

	if (a->pid > 0)
		return;
	a->fd = memfd_create("pop3d secrets", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	a->pid = a->fd >= 0 ? fork_quietly() : -1;
	if (a->pid == 0) {
		fork_leave(m->loop, m->signal, SIGNALS_WATCHED);
		_exit((int)database_read(&a->name, a->fd));
	}
	if (a->pid > 0)
		return;
	log_line(LOG_ERR, "APOP file %s: cannot start the process that reads it: %s", a->name.path, strerror(errno));
	let_go(a);
	answer(m, ERR_TEMP, -1);
}

void apop_ended(struct master *m, int status)
{
	struct apop *a = &m->apop;

	if (WIFSIGNALED(status))
		log_line(LOG_ERR, "APOP file %s: the process that reads it was ended by signal %d", a->name.path,
			 WTERMSIG(status));
	answer(m, reader_result(status), a->fd);
	let_go(a);
}
