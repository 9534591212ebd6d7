/* master/databases.c - see databases.h */
#include "master/databases.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "dbm/dbm.h"
#include "master/landlock.h"

enum { MODE = 0660 };

/* What a default may be called: the manual and the program do not agree. */
static const char default_name[] = "/var/run/pop3-login", other_name[] = "/var/run/pop3-login.db";

static const char *stat_file(const struct conf *cf)
{
	bool other = strcmp(cf->stat_file, default_name) == 0 && access(default_name, F_OK) < 0 &&
		     access(other_name, F_OK) == 0;

	return other ? other_name : cf->stat_file;
}

/* The file that LMDB has beside a data base. False: its name would be too long. */
static bool beside(const struct dbm_name *name, char out[static PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s-lock", name->path);

	return n > 0 && n < PATH_MAX;
}

/* Makes a file of group mail, so that no other of ours and no older program is locked out. */
static enum err make(const struct dbm_name *name, struct why *why)
{
	struct dbm_how how = {.use = DBM_MAKE, .mode = MODE};
	struct dbm *db;
	char lock[PATH_MAX];
	gid_t mail;
	enum err err = dbm_open(&db, name, &how, why);

	if (err != OK)
		return err;
	dbm_close(db);
	if (geteuid() != 0 || !group_find("mail", &mail))
		return OK;
	if (lchown(name->path, 0, mail) < 0 || (beside(name, lock) && lchown(lock, 0, mail) < 0 && errno != ENOENT))
		return fail_errno(why, ERR_TEMP, "%s: give it to group mail", name->path);
	return OK;
}

/* NULL: it cannot be used. */
static const struct dbm_name *find(const char *text, struct dbm_name *name)
{
	struct why why = {""};
	struct event e;

	if (dbm_name_read(slice_str(text), DBM_CHECKS_SHARED, geteuid(), name, &why) == OK &&
	    (dbm_is_there(name) || make(name, &why) == OK))
		return name;
	event_new(&e, "database-not-made");
	event_word(&e, "file", text);
	event_kv(&e, "reason", slice_str(why.text));
	event_log(&e, LOG_ERR);
	return name->driver ? name : NULL; /* it may come later */
}

enum err databases_open(const struct master *m, struct role_env *env, struct why *why)
{
	static struct dbm_name logins, numbers; /* of this process */

	env->state_lock = paths_state_lock(&m->paths, why);
	if (env->state_lock < 0)
		return ERR_TEMP;
	if (m->cf->login_delay.n > 0)
		env->stat_file = find(stat_file(m->cf), &logins);
	if (conf_numbers_bulletins(m->cf))
		env->bulletin_db = find(m->cf->bulletin_db, &numbers);
	return OK;
}

/* The group that may write the file. */
static bool group_of(const struct dbm_name *name, gid_t *group)
{
	struct stat st;

	if (stat(name->path, &st) < 0 || (st.st_mode & (S_IRGRP | S_IWGRP)) != (S_IRGRP | S_IWGRP))
		return false;
	*group = st.st_gid;
	return st.st_gid != 0;
}

/* A file, and what lmdb has beside it. */
static void allow(const struct dbm_name *name, const char *dirs[static 2], char lock[static PATH_MAX])
{
	if (!name)
		return;
	dirs[0] = name->path;
	if (beside(name, lock))
		dirs[1] = lock;
}

void databases_confine(const struct role_env *env, struct confinement *out)
{
	static char lock[2][PATH_MAX]; /* of this process */
	gid_t group = 0, other = 0;
	bool in_group = env->stat_file && group_of(env->stat_file, &group);

	allow(env->stat_file, &out->dirs[0], lock[0]);
	allow(env->bulletin_db, &out->dirs[2], lock[1]);
	if (!out->privs.change || landlock_abi() == 0)
		return;
	if (env->bulletin_db && group_of(env->bulletin_db, &other) && in_group && other != group)
		log_line(LOG_ERR, "stat-file and bulletin-db belong to two groups: the latter cannot be used");
	out->privs.in_group = in_group || other != 0;
	out->privs.group = in_group ? group : other;
}
