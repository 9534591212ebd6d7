/* master/spawn.c - see spawn.h
 *
 * What happens in the child before its role begins, in this order: the loop of master is let go, shared pages are mapped,
 * rights and user are dropped (confine.c), all descriptors but its own are closed, system calls are filtered. A failure
 * at any step ends the process with a line in the log. */
#include "master/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "master/backends.h"
#include "master/child.h"
#include "master/confine.h"
#include "master/databases.h"
#include "master/fork.h"
#include "master/nursery.h"
#include "master/spawn_env.h"
#include "master/spool.h"
#include "master/tell.h"

static int (*const role_main[ROLE_COUNT])(const struct role_env *) = {
	[ROLE_FRONT] = front_main, [ROLE_AUTH] = auth_main,       [ROLE_HASH] = hash_main,
	[ROLE_RELAY] = relay_main, [ROLE_LOCKER] = locker_main,   [ROLE_ACCESS] = access_main,
	[ROLE_STATE] = state_main, [ROLE_BACKEND] = backend_main, [ROLE_OPENER] = opener_main,
	[ROLE_STORE] = store_main,
};

/* Ends the child: it cannot be made what it must be. */
static _Noreturn void give_up(const struct child *c, const struct why *why)
{
	tell(LOG_ERR, "cannot start %s: %s", child_name(c), why->text);
	_exit(EX_OSERR);
}

/* The end of a child is that of its channel, so that a commit under way is finished and answered. */
static void loop_leave(struct master *m)
{
	fork_leave(m->loop, m->signal, SIGNALS_WATCHED);
	m->loop = NULL;
}

/* The directory of a file of AUTH, or NULL. */
static const char *sasl_dir(const struct conf *cf, const char *file, char out[static PATH_MAX])
{
	const char *path = cf->gsasl.enable ? file : NULL, *slash = path ? strrchr(path, '/') : NULL;
	size_t n = slash && slash > path ? (size_t)(slash - path) : 1;

	return slash && slice_cstr((struct slice){path, n}, out, PATH_MAX) ? out : NULL;
}

/* In a directory at the top (/etc, /var) there is more than secrets for us. */
static bool is_at_top(const char *dir)
{
	char real[PATH_MAX];

	return dir && (!realpath(dir, real) || !strchr(real + 1, '/'));
}

/* A process of store or opener may go where mail can lie (confine.c), and here. */
static void mail_dirs(const struct child *c, const struct role_env *env, struct confinement *out)
{
	static char mail[PATH_MAX]; /* of this process */
	const struct conf *cf = c->master->cf;

	out->dirs[1] = mail[0] || pattern_dir(&cf->mailbox, mail) ? mail : NULL;
	if (c->role == ROLE_OPENER) {
		out->stays = true;
		out->dirs[0] = env->caches;
		return;
	}
	out->dirs[0] = env->index_dir;
	out->dirs[2] = env->journal_dir;
	out->dirs[3] = env->uidl_dir;
	out->look = cf->mandatory_locking.lock_directory;
	out->locks = cf->mandatory_locking.enable ? out->look : NULL;
}

/* In /etc there is more than auth is to see, so it reads there what group shadow may; elsewhere password files that only root may
 * read. */
static void auth_dirs(const struct master *m, struct confinement *out)
{
	static char cram[PATH_MAX], keytab[PATH_MAX]; /* of this process */
	const struct conf *cf = m->cf;
	bool system = conf_list_has(&cf->auth.authorization, "system");

	out->dirs[0] = cf->virtdomain_dir;
	out->dirs[1] = system ? CONF_ETC : NULL;
	out->dirs[2] = system ? CONF_EXTRAUSERS : NULL;
	out->dirs[3] = sasl_dir(cf, cf->gsasl.cram_passwd, cram);
	out->dirs[4] = sasl_dir(cf, cf->gsasl.keytab.path, keytab);
	if (!m->privileged)
		return;
	if (system) {
		out->privs.in_group = m->shadow != 0;
		out->privs.group = m->shadow;
	} else if (!is_at_top(out->dirs[3]) && !is_at_top(out->dirs[4])) {
		out->privs.keep = 1ULL << CAP_DAC_READ_SEARCH;
	}
}

static struct identity identity_of(const struct child *c)
{
	const struct master *m = c->master;

	if (!m->privileged)
		return m->self;
	return c->role == ROLE_STORE                            ? c->owner
	       : c->role == ROLE_FRONT || c->role == ROLE_RELAY ? m->front
	       : c->role == ROLE_LOCKER                         ? m->locker
								: m->auth;
}

void spawn_confinement(const struct child *c, const struct role_env *env, struct confinement *out)
{
	const struct master *m = c->master;

	if (c->role == ROLE_BACKEND) {
		backends_confine(m, c->module, out);
		return;
	}
	*out = (struct confinement){.role = c->role, .privs = {.change = m->privileged, .id = identity_of(c)}};
	if (c->role == ROLE_STORE || c->role == ROLE_OPENER)
		mail_dirs(c, env, out);
	if (c->role == ROLE_ACCESS)
		out->programs = m->cf;
	if (c->role == ROLE_STATE)
		databases_confine(env, out);
	if (c->role == ROLE_AUTH)
		auth_dirs(m, out);
	if (!m->privileged)
		return;
	if (c->role == ROLE_FRONT || c->role == ROLE_HASH || c->role == ROLE_RELAY)
		out->root = m->paths.empty;
	if (c->role == ROLE_LOCKER) {
		out->root = out->dirs[0] = m->spool;
		out->privs.keep = 1ULL << CAP_CHOWN; /* new mailboxes are their owners' */
	}
}

void spawn_standing(struct master *m, struct confinement *out)
{
	const struct child any = {.master = m, .role = ROLE_STORE};
	struct role_env env = {0};

	spawn_dirs_above(m, &env.index_dir, &env.journal_dir, &env.uidl_dir);
	spawn_confinement(&any, &env, out);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes all descriptors but these; -1 among them are none. */
static enum err close_but(int *keep, size_t n, struct why *why)
{
	unsigned next = 0;

	qsort(keep, n, sizeof *keep, by_number);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < 0 || (unsigned)keep[i] < next)
			continue;
		if ((unsigned)keep[i] > next && close_range(next, (unsigned)keep[i] - 1, 0) < 0)
			return fail_errno(why, ERR_TEMP, "close descriptors");
		next = (unsigned)keep[i] + 1;
	}
	return close_range(next, ~0U, 0) < 0 ? fail_errno(why, ERR_TEMP, "close descriptors") : OK;
}

/* A daemon's children never see the terminal that it was started from; in inetd mode standard input and output are the
 * client, whom only the relay may see. Standard error stays where lines for the log go. */
static enum err terminal_leave(const struct child *c, int null, struct why *why)
{
	const struct master *m = c->master;
	int last = !m->cf->foreground ? STDERR_FILENO : m->is_inetd && c->role != ROLE_RELAY ? STDOUT_FILENO : -1;

	for (int fd = STDIN_FILENO; fd <= last; fd++)
		if (dup2(null, fd) < 0)
			return fail_errno(why, ERR_TEMP, "leave the terminal");
	return OK;
}

static enum err descriptors_leave(const struct child *c, const struct role_env *env, struct why *why)
{
	const struct master *m = c->master;
	size_t n = 0, listeners = m->listeners.n, certs = m->certs.n;
	int few[] = {STDIN_FILENO,    STDOUT_FILENO,   STDERR_FILENO,  log_current()->fd, env->master_fd,
		     env->session_fd, env->state_lock, env->confirmed, env->client,       env->kerberos_fd};
	enum { FEW = sizeof few / sizeof *few };

	if (c->role != ROLE_FRONT)
		return close_but(few, FEW, why);
	int *keep = calloc(FEW + SLOTS_MOST + listeners + certs, sizeof *keep);

	if (!keep)
		return fail(why, ERR_TEMP, "no memory");
	for (; n < FEW; n++)
		keep[n] = few[n];
	for (size_t i = 0; i < SLOTS_MOST; i++)
		keep[n++] = env->wake[i];
	for (size_t i = 0; i < listeners; i++)
		keep[n++] = env->listeners[i];
	for (size_t i = 0; i < certs; i++)
		keep[n++] = env->certs[i];
	enum err err = close_but(keep, n, why);

	free(keep);
	return err;
}

/* What master's environment says (services are given secrets that way) is for no role; the time zone stays. */
static void environment_leave(void)
{
	char **keep = environ;

	for (char **e = environ; *e; e++)
		if (strncmp(*e, "TZ=", 3) == 0)
			*keep++ = *e;
		else
			explicit_bzero(*e, strlen(*e));
	*keep = NULL;
}

static void name_set(const char *role)
{
	char name[16];

	(void)snprintf(name, sizeof name, "pop3d-%s", role);
	(void)prctl(PR_SET_NAME, name, 0, 0, 0); /* for ps; no harm without */
}

/* What is master's alone: its loop, its environment, the secrets of modules but this one. */
static void master_leave(struct master *m, const char *module)
{
	loop_leave(m);
	environment_leave();
	conf_wipe_secrets(m->cf, module);
}

static struct role_env env_empty(const struct child *c, int master_fd)
{
	struct role_env env = {.conf = c->master->cf,
			       .serial = c->serial,
			       .slot = c->slot,
			       .master_fd = master_fd,
			       .session_fd = -1,
			       .state_lock = -1,
			       .confirmed = -1,
			       .client = -1,
			       .kerberos_fd = -1};

	for (size_t i = 0; i < SLOTS_MOST; i++)
		env.wake[i] = -1;
	return env;
}

static enum err walls_make(const struct child *c, const struct role_env *env, pid_t parent, struct why *why)
{
	bool has_left = c->master->nursery.is_self; /* the terminal, before it was forked */
	int null = has_left ? -1 : open("/dev/null", O_RDWR | O_CLOEXEC);
	struct confinement con;

	spawn_confinement(c, env, &con);
	if (confine(&con, why) != OK || (!has_left && terminal_leave(c, null, why) != OK) ||
	    descriptors_leave(c, env, why) != OK)
		return ERR_TEMP;
	return confine_finish(con.free ? ROLE_MASTER : c->role, parent, why);
}

static bool is_of_session(enum role r)
{
	return r == ROLE_AUTH || r == ROLE_STORE || r == ROLE_STATE || r == ROLE_OPENER;
}

static _Noreturn void role_begin(struct child *c, int master_fd, pid_t parent)
{
	struct role_env env = env_empty(c, master_fd);
	struct why why = {""};

	name_set(child_name(c));
	if (is_of_session(c->role))
		fork_batch();
	if (spawn_env_fill(c, &env, &why) != OK || (c->role == ROLE_AUTH && auth_kerberos_load(&env, &why) != OK) ||
	    walls_make(c, &env, parent, &why) != OK)
		give_up(c, &why);
	tell_started();
	_exit(role_main[c->role](&env));
}

static _Noreturn void child_run(struct child *c, int master_fd, pid_t parent)
{
	master_leave(c->master, c->role == ROLE_BACKEND ? c->module : NULL);
	role_begin(c, master_fd, parent);
}

enum err spawn_let_go(struct master *m, int fd, struct why *why)
{
	int keep[PATHS_FDS + 7] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO,  log_current()->fd,
				   fd,           m->slots.rw,   m->confirmed[1]};
	struct child none = {.master = m, .role = ROLE_STORE};

	master_leave(m, NULL);
	name_set("nursery");
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	enum err err = terminal_leave(&none, null, why);

	return err == OK ? close_but(keep, 7 + paths_descriptors(&m->paths, keep + 7), why) : err;
}

/* Its channel is the only one that it listens to, and what it waits for is the first that comes over it. */
_Noreturn void spawn_spare(struct child *c, int master_fd, pid_t parent)
{
	struct pollfd p = {.fd = master_fd, .events = POLLIN};
	ssize_t n;

	name_set("spare");
	do
		n = poll(&p, 1, -1) < 0 ? -1 : read(master_fd, &c->owner, sizeof c->owner);
	while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n != sizeof c->owner)
		_exit(EX_OK);
	role_begin(c, master_fd, parent);
}

bool spawn_assign(struct child *c)
{
	return write(c->chan.in.fd, &c->owner, sizeof c->owner) == sizeof c->owner;
}

/* A page that its last owner has left. */
static enum err slot_clear(const struct child *c, struct why *why)
{
	static const char zeros[offsetof(struct store_slot, pad)];
	const struct region *slots = &c->master->slots;

	if (pwrite(slots->rw, zeros, sizeof zeros, (off_t)c->slot * STORE_SLOT_OCTETS) != sizeof zeros)
		return fail_errno(why, ERR_TEMP, "clear a page of shared memory");
	return OK;
}

enum err spawn_prepare(struct child *c, const struct chan_ops *ops, int *child_fd, struct why *why)
{
	struct master *m = c->master;
	int fds[2];

	if ((c->role == ROLE_STORE && slot_clear(c, why) != OK) || chan_pair(fds, why) != OK)
		return ERR_TEMP;
	c->serial = ++m->serial;
	chan_init(&c->chan, m->loop, fds[0], ROLE_MASTER, c->role, c->serial, ops, c);
	*child_fd = fds[1];
	return OK;
}

static void started(struct child *c, pid_t pid)
{
	c->pid = pid;
	c->ready = c->left = c->leaving = false;
	c->started_ms = clock_ms();
	c->master->running++;
	debug(TOPIC_SERVER, DEBUG_TRACE1, "started %s %ld", child_name(c), (long)pid);
}

enum err spawn(struct child *c, int child_fd, struct why *why)
{
	pid_t parent = getpid(), pid = fork_quietly();

	if (pid == 0)
		child_run(c, child_fd, parent);
	if (pid < 0)
		return fail_errno(why, ERR_TEMP, "fork");
	started(c, pid);
	return OK;
}

enum err spawn_in_nursery(struct child *c, int child_fd, struct why *why)
{
	pid_t pid;
	enum err err = nursery_fork(c->master, c, child_fd, &pid, why);

	if (err == OK)
		started(c, pid);
	return err;
}
