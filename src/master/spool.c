/* master/spool.c - see spool.h */
#include "master/spool.h"

#include <string.h>
#include <sys/stat.h>

#include "base/slice.h"

bool pattern_dir(const struct conf_mailbox *m, char dir[static PATH_MAX])
{
	const char *pattern = m->pattern;

	if (pattern && conf_mailbox_in_folder(m))
		return m->folder[0] == '/' && slice_cstr(slice_str(m->folder), dir, PATH_MAX);
	const char *path = pattern ? strchr(pattern, '/') : NULL, *ends = path == pattern ? "$" : "$;";
	struct slice fixed = {path, path ? strcspn(path, ends) : 0};
	bool parameters = path && path[fixed.n] == ';'; /* of a URL: all before them is a directory */

	while (!parameters && fixed.n > 1 && fixed.p[fixed.n - 1] != '/')
		fixed.n--;
	return fixed.n > 1 && slice_cstr(fixed, dir, PATH_MAX);
}

/* Schemes of mailboxes that are directories need nothing beside them. */
static bool is_of_files(const char *pattern)
{
	return strncmp(pattern, "maildir:", 8) != 0 && strncmp(pattern, "mh:", 3) != 0;
}

bool spool_find(const struct conf *cf, gid_t group, char dir[static PATH_MAX])
{
	const char *pattern = cf->mailbox.pattern;
	struct stat st;

	if (!pattern || conf_mailbox_in_folder(&cf->mailbox) || !is_of_files(pattern) ||
	    !pattern_dir(&cf->mailbox, dir))
		return false;
	const char *rest = strstr(pattern, dir) + strlen(dir);

	return !strpbrk(rest, "/;") && stat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_gid == group &&
	       (st.st_mode & S_IWGRP);
}
