/* master/confine.c - see confine.h */
#include "master/confine.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/backends.h"
#include "master/landlock.h"
#include "master/standing.h"
#include "master/syscalls.h"

enum {
	PROCESSES_MOST = 1024
}; /* of programs of access lists, and what they start; threads of libraries, and of an owner's workers */

/* A name ends with * where the beginning is enough. */
static const char *const system_dirs[] = {"bin", "boot", "dev", "etc", "lib*", "proc", "run", "sbin", "sys", "usr"};

bool confine_is_system(const char *name)
{
	for (size_t i = 0; i < sizeof system_dirs / sizeof *system_dirs; i++) {
		size_t n = strlen(system_dirs[i]);
		bool prefix = system_dirs[i][n - 1] == '*';

		if (prefix ? strncmp(name, system_dirs[i], n - 1) == 0 : strcmp(name, system_dirs[i]) == 0)
			return true;
	}
	return false;
}

/* Where a link at the top leads to the system's directories (or to /), it is one of them. */
static bool leads_to_system(const char *path)
{
	char real[PATH_MAX];

	if (!realpath(path, real) || strcmp(real, "/") == 0)
		return true;
	return !strchr(real + 1, '/') && confine_is_system(real + 1);
}

/* Mail may lie anywhere but in the system's own directories. */
static enum err allow_mail(const struct landlock *l, enum landlock_right right, struct why *why)
{
	DIR *top = opendir("/");
	const struct dirent *e;
	enum err err = OK;

	if (!top)
		return fail_errno(why, ERR_TEMP, "list /");
	while (err == OK && (e = readdir(top))) {
		char path[sizeof e->d_name + 1];

		if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_LNK && e->d_type != DT_UNKNOWN) ||
		    confine_is_system(e->d_name))
			continue;
		(void)snprintf(path, sizeof path, "/%s", e->d_name);
		if (!leads_to_system(path))
			err = landlock_allow(l, path, right, why);
	}
	closedir(top);
	return err;
}

/* What any program takes for granted: what is installed, what the kernel tells, somewhere to put a file. Not: mail, homes, /var. */
static const struct {
	const char *path;
	enum landlock_right right;
} for_programs[] = {
	{"/bin", LANDLOCK_RUN},         {"/etc", LANDLOCK_RUN},      {"/lib", LANDLOCK_RUN},
	{"/lib32", LANDLOCK_RUN},       {"/lib64", LANDLOCK_RUN},    {"/libx32", LANDLOCK_RUN},
	{"/opt", LANDLOCK_RUN},         {"/sbin", LANDLOCK_RUN},     {"/usr", LANDLOCK_RUN},
	{"/proc", LANDLOCK_LOOK},       {"/run", LANDLOCK_LOOK},     {"/sys", LANDLOCK_LOOK},
	{"/dev/full", LANDLOCK_USE},    {"/dev/null", LANDLOCK_USE}, {"/dev/random", LANDLOCK_USE},
	{"/dev/urandom", LANDLOCK_USE}, {"/dev/zero", LANDLOCK_USE}, {"/tmp", LANDLOCK_MAIL},
};

/* The directories that programs lie in, with all beneath. */
static enum err allow_list(const struct landlock *l, const struct conf_acl *acl, struct why *why)
{
	char real[PATH_MAX];
	enum err err = OK;

	for (size_t i = 0; err == OK && i < acl->n; i++)
		if (acl->rule[i].words > 0 && acl->rule[i].action != ACL_WRAPPERS &&
		    realpath(acl->rule[i].word[0], real))
			err = landlock_allow(l, dirname(real), LANDLOCK_RUN, why);
	return err;
}

/* Tables of TCP wrappers, where they are not in /etc, and files that they name. */
static enum err allow_tables(const struct landlock *l, const struct conf_acl *acl, struct why *why)
{
	char real[PATH_MAX];
	enum err err = OK;

	for (size_t i = WRAPPERS_ALLOW; err == OK && acl->n > 0 && i <= WRAPPERS_DENY; i++)
		if (realpath(acl->rule[0].word[i], real))
			err = landlock_allow(l, dirname(real), LANDLOCK_LOOK, why);
	return err;
}

static enum err allow_programs(const struct landlock *l, const struct conf *cf, struct why *why)
{
	enum err err = allow_list(l, &cf->acl, why);

	if (err == OK)
		err = allow_tables(l, &cf->tcp_wrappers.list, why);

	for (size_t i = 0; err == OK && i < cf->nservers; i++)
		err = allow_list(l, &cf->servers[i].acl, why);
	for (size_t i = 0; err == OK && i < sizeof for_programs / sizeof *for_programs; i++)
		err = landlock_allow(l, for_programs[i].path, for_programs[i].right, why);
	return err;
}

/* What a library takes for granted, and sockets of servers and of name services. Not: mail, homes, what other services keep. */
static const struct {
	const char *path;
	enum landlock_right right;
} for_libraries[] = {
	{"/bin", LANDLOCK_RUN},         {"/etc", LANDLOCK_RUN},      {"/lib", LANDLOCK_RUN},
	{"/lib32", LANDLOCK_RUN},       {"/lib64", LANDLOCK_RUN},    {"/opt", LANDLOCK_RUN},
	{"/usr", LANDLOCK_RUN},         {"/proc", LANDLOCK_LOOK},    {"/run", LANDLOCK_LOOK},
	{"/sys", LANDLOCK_LOOK},        {"/dev/null", LANDLOCK_USE}, {"/dev/random", LANDLOCK_USE},
	{"/dev/urandom", LANDLOCK_USE},
};

struct allowing {
	const struct landlock *l;
	enum err err;
	struct why *why;
};

/* A file that a block names is read with what lies beside it: a key has its certificate there, a dictionary others. */
static void allow_named(void *arg, const char *path)
{
	struct allowing *a = arg;
	struct stat st;
	char real[PATH_MAX];

	if (a->err == OK && realpath(path, real) && stat(real, &st) == 0 && strcmp(real, "/") != 0)
		a->err = landlock_allow(a->l, S_ISDIR(st.st_mode) ? real : dirname(real), LANDLOCK_LOOK, a->why);
}

/* A data base in a file has its journal beside it. */
static enum err allow_database(const struct landlock *l, const struct conf *cf, struct why *why)
{
	char real[PATH_MAX];
	const char *path = cf->sql.db;

	if (!path || path[0] != '/' || !realpath(path, real))
		return OK;
	return landlock_allow(l, dirname(real), LANDLOCK_SPOOL, why);
}

/* Where modules and libraries are looked for: the run path of the program, which may lie anywhere. */
static enum err allow_run_path(const struct landlock *l, struct why *why)
{
	void *self = dlopen(NULL, RTLD_LAZY);
	Dl_serinfo size, *info = NULL;
	enum err err = OK;

	if (self && dlinfo(self, RTLD_DI_SERINFOSIZE, &size) == 0)
		info = calloc(1, size.dls_size);
	if (info && dlinfo(self, RTLD_DI_SERINFOSIZE, info) == 0 && dlinfo(self, RTLD_DI_SERINFO, info) == 0)
		for (unsigned i = 0; err == OK && i < info->dls_cnt; i++)
			if (info->dls_serpath[i].dls_name[0] == '/')
				err = landlock_allow(l, info->dls_serpath[i].dls_name, LANDLOCK_RUN, why);
	free(info);
	if (self)
		dlclose(self);
	return err;
}

static enum err allow_backend(const struct landlock *l, const struct confinement *c, struct why *why)
{
	struct allowing named = {l, OK, why};
	enum err err = OK;

	for (size_t i = 0; err == OK && i < sizeof for_libraries / sizeof *for_libraries; i++)
		err = landlock_allow(l, for_libraries[i].path, for_libraries[i].right, why);
	if (err == OK)
		err = allow_run_path(l, why);
	if (err != OK)
		return err;
	conf_backend_paths(c->backend, c->module, allow_named, &named);
	if (named.err == OK && strcmp(c->module, "sql") == 0)
		return allow_database(l, c->backend, why);
	return named.err;
}

enum err confine_rules(const struct confinement *c, const struct landlock *l, struct why *why)
{
	enum landlock_right right = c->role == ROLE_STORE    ? LANDLOCK_MAIL
				    : c->role == ROLE_LOCKER ? LANDLOCK_SPOOL
				    : c->role == ROLE_STATE  ? LANDLOCK_USE
							     : LANDLOCK_LOOK;
	bool mail = c->role == ROLE_STORE || c->role == ROLE_OPENER;
	enum err err = mail && l->fd >= 0 ? allow_mail(l, right, why) : OK;

	if (c->programs && l->fd >= 0)
		err = allow_programs(l, c->programs, why);
	if (c->backend && l->fd >= 0)
		err = allow_backend(l, c, why);
	for (size_t i = 0; err == OK && i < CONFINE_DIRS_MOST; i++)
		if (c->dirs[i])
			err = landlock_allow(l, c->dirs[i], right, why);
	if (err == OK && c->locks)
		err = landlock_allow(l, c->locks, LANDLOCK_SPOOL, why);
	if (err == OK && c->look)
		err = landlock_allow(l, c->look, LANDLOCK_LOOK, why);
	return err;
}

static enum err root_enter(const char *root, struct why *why)
{
	if (root && chroot(root) < 0)
		return fail_errno(why, ERR_TEMP, "make %s the root directory", root);
	return chdir("/") < 0 ? fail_errno(why, ERR_TEMP, "go to /") : OK;
}

/* Passwords and mail in memory never become a file; no role starts processes but access, none has threads but store, and no library but those of backends.
 * Their user is ours where we are root (else the limit would count processes that are none of ours); an owner of mail may have others: where they are too
 * many, store does without threads. */
static enum err limits_set(const struct confinement *c, struct why *why)
{
	static const struct rlimit none = {0, 0}, some = {PROCESSES_MOST, PROCESSES_MOST};
	bool is_many = c->role == ROLE_ACCESS || c->role == ROLE_BACKEND, limits = !is_many || c->privs.change;
	const struct rlimit *most = is_many || c->role == ROLE_STORE ? &some : &none;

	if (setrlimit(RLIMIT_CORE, &none) < 0 || (limits && setrlimit(RLIMIT_NPROC, most) < 0))
		return fail_errno(why, ERR_TEMP, "set limits");
	return OK;
}

/* Those that stand for all of the role, or its own. The caller lets go of them, after an error too. */
static enum err rules_get(const struct confinement *c, struct landlock *l, struct why *why)
{
	*l = c->role == ROLE_STORE ? standing_rules() : (struct landlock){.fd = -1};
	if (l->fd >= 0)
		return OK;
	enum err err = landlock_init(l, c->role == ROLE_ACCESS || c->role == ROLE_BACKEND, why);

	return err == OK ? confine_rules(c, l, why) : err;
}

/* Nobody but root may signal it or look into it; what it may see of files it never may as root (syscalls.c). */
static enum err privs_of_opener(const struct confinement *c, struct why *why)
{
	const struct identity *id = &c->privs.id;

	if (setgroups(0, NULL) < 0)
		return fail_errno(why, ERR_TEMP, "set the supplementary groups");
	(void)setfsgid(id->gid);
	(void)setfsuid(id->uid);
	if ((uid_t)setfsuid((uid_t)-1) != id->uid || (gid_t)setfsgid((gid_t)-1) != id->gid)
		return fail(why, ERR_TEMP, "the user in the file system did not change");
	return privs_limit(1ULL << CAP_SETUID | 1ULL << CAP_SETGID, why);
}

enum err confine(const struct confinement *c, struct why *why)
{
	struct landlock l;
	enum err err;

	if ((err = limits_set(c, why)) != OK)
		return err;
	if (c->free)
		return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? fail_errno(why, ERR_TEMP, "be no dump") : OK;
	if ((err = rules_get(c, &l, why)) != OK) {
		landlock_done(&l);
		return err;
	}
	struct privs privs = c->privs;

	/* A capability is only for a process that is kept to one directory, by Landlock or by a root directory of its own. */
	if ((l.fd < 0 && !c->root) || c->dirs[1])
		privs.keep = 0;
	if ((err = root_enter(c->root, why)) == OK &&
	    (err = c->stays && c->privs.change ? privs_of_opener(c, why) : privs_drop(&privs, why)) == OK)
		err = landlock_enforce(&l, why);
	landlock_done(&l);
	return err;
}

enum err confine_finish(enum role role, pid_t parent, struct why *why)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return fail_errno(why, ERR_TEMP, "end with the parent process");
	if (getppid() != parent)
		return fail(why, ERR_TEMP, "the parent process has gone");
	return role == ROLE_MASTER ? OK : syscalls_restrict(role, why);
}
