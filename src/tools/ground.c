/* tools/ground.c - from the caller, mostly root, to the owner of some mail. See popctl.h */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/paths.h"
#include "tools/popctl.h"

/* Of a mailbox in a spool the group is mail's: it is the user's own that counts. */
static gid_t group_of(const struct stat *st)
{
	const struct passwd *pw = getpwuid(st->st_uid);

	return pw ? pw->pw_gid : st->st_gid;
}

static enum err find_owner(const char *path, struct identity *owner, struct why *why)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return fail_errno(why, ERR_PERM, "%s", path);
	if (st.st_uid == 0)
		return fail(why, ERR_PERM, "%s belongs to root, whose mail is not served", path);
	if (geteuid() != 0 && st.st_uid != geteuid())
		return fail(why, ERR_PERM, "%s belongs to uid %u", path, (unsigned)st.st_uid);
	*owner = (struct identity){st.st_uid, group_of(&st)};
	return OK;
}

static enum err make_ready(struct ground *g, const struct identity *owner, struct why *why)
{
	struct paths paths;
	enum err err = paths_open(&paths, g->cf, why);

	if (err != OK)
		return err;
	g->session_fd = paths_session_file(&paths, owner->uid, why);
	if (g->session_fd < 0 || !paths_uidl_dir(&paths, owner, g->uidl_dir, why))
		err = ERR_TEMP;
	if (!paths_index_dir(&paths, owner, g->index_dir, NULL))
		g->index_dir[0] = '\0';
	if (!paths_journal_dir(&paths, owner, g->journal_dir, NULL))
		g->journal_dir[0] = '\0';
	paths_close(&paths);
	return err;
}

enum err ground_enter(struct ground *g, const char *path, struct why *why)
{
	struct privs privs = {.change = geteuid() == 0};
	enum err err = find_owner(path, &privs.id, why);

	if (err == OK)
		err = make_ready(g, &privs.id, why);
	return err == OK ? privs_drop(&privs, why) : err;
}
