/* master/backends.c - see backends.h */
#include "master/backends.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/load.h"
#include "base/log.h"
#include "master/child.h"
#include "master/fork.h"

enum { TRY_S = 20 }; /* for a module to be loaded and opened */

static unsigned each(const struct conf *cf)
{
	return cf->single_process || cf->mode == MODE_INETD ? 1 : cf->auth.backend_processes;
}

unsigned backends_count(const struct conf *cf)
{
	const struct conf_backend *list[CONF_BACKENDS_MOST];

	return (unsigned)conf_backends(cf, list) * each(cf);
}

void backends_settle(struct master *m)
{
	const struct conf_backend *list[CONF_BACKENDS_MOST];
	struct pool *pool = &m->pool[ROLE_BACKEND];

	(void)conf_backends(m->cf, list);
	for (unsigned i = 0; i < pool->n; i++) {
		pool->child[i].module_at = i / each(m->cf);
		pool->child[i].number = i % each(m->cf);
		pool->child[i].module = list[i / each(m->cf)]->module;
	}
}

bool backends_meet(const struct child *a, const struct child *b)
{
	const struct child *back = a->role == ROLE_BACKEND ? a : b, *auth = back == a ? b : a;
	unsigned auths = auth->master->pool[ROLE_AUTH].n;

	if (back->role != ROLE_BACKEND)
		return true;
	return each(auth->master->cf) < auths || back->number % auths == auth->slot;
}

/* One that has ended meanwhile is nobody's serial any more. */
enum err backends_on_stuck(struct chan *c, struct msg *m, struct why *why)
{
	const struct child *auth = c->owner;
	const struct msg_stuck *stuck = m->payload;
	const struct pool *pool = &auth->master->pool[ROLE_BACKEND];

	(void)why;
	for (unsigned i = 0; i < pool->n; i++)
		if (child_runs(&pool->child[i]) && pool->child[i].serial == stuck->serial)
			child_kill(&pool->child[i], "it does not answer");
	return OK;
}

/* --- whether a module can be used ---------------------------------------------------------------------------------- */

static _Noreturn void try_module(const struct master *m, const struct conf_backend *what, int out)
{
	struct backend_loaded b;
	struct confinement con;
	struct why why = {""};
	pid_t parent = getppid();

	(void)alarm(TRY_S);
	backends_confine(m, what->module, &con);
	enum err err = confine(&con, &why);

	if (err == OK)
		err = confine_finish(con.free ? ROLE_MASTER : ROLE_BACKEND, parent, &why);
	if (err == OK)
		err = backend_load(&b, what, m->cf, &why);
	if (err == OK)
		backend_unload(&b);
	else if (write(out, why.text, strlen(why.text)) < 0)
		_exit(EXIT_FAILURE);
	_exit(err == OK ? EXIT_SUCCESS : EXIT_FAILURE);
}

static enum err outcome(pid_t pid, int in, struct why *reason)
{
	int status = -1;
	pid_t got;
	ssize_t n;

	do
		n = read(in, reason->text, sizeof reason->text - 1);
	while (n < 0 && errno == EINTR);
	reason->text[n > 0 ? n : 0] = '\0';
	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got == pid && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
		return OK;
	if (!reason->text[0])
		(void)fail(reason, ERR_PERM, "it cannot be loaded: its process ended with %s %d",
			   WIFSIGNALED(status) ? "signal" : "status",
			   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return ERR_PERM;
}

static enum err check_one(const struct master *m, const struct conf_backend *what, struct why *why)
{
	struct why reason = {""};
	char place[sizeof why->text];
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail_errno(why, ERR_TEMP, "pipe");
	pid_t pid = fork_quietly();

	if (pid == 0) {
		close(fds[0]);
		try_module(m, what, fds[1]);
	}
	close(fds[1]);
	enum err err = pid > 0 ? outcome(pid, fds[0], &reason) : fail_errno(&reason, ERR_TEMP, "fork");

	close(fds[0]);
	return err == OK
		       ? OK
		       : fail(why, err, "%smodule %s: %s", conf_backend_place(m->cf, what->module, place, sizeof place),
			      what->module, reason.text);
}

enum err backends_check(const struct master *m, struct why *why)
{
	const struct conf_backend *list[CONF_BACKENDS_MOST];
	size_t n = conf_backends(m->cf, list);
	enum err err = OK;

	for (size_t i = 0; err == OK && i < n; i++)
		err = check_one(m, list[i], why);
	return err;
}

/* --- what it may do -------------------------------------------------------------------------------------------------- */

void backends_confine(const struct master *m, const char *module, struct confinement *out)
{
	*out = (struct confinement){.role = ROLE_BACKEND,
				    .privs = {.change = m->privileged, .id = m->privileged ? m->auth : m->self},
				    .backend = m->cf,
				    .module = module};
	/* What a stack of PAM needs, nobody but its modules knows: to read shadow, to become a user, to run programs. */
	out->free = strcmp(module, "pam") == 0;
	if (out->free)
		out->privs = (struct privs){.id = m->self};
}
