/* master/standing.c - see standing.h */
#include "master/standing.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/landlock.h"

/* Of a directory: which one it is; of / also what is in it. */
struct mark {
	dev_t dev;
	ino_t ino;
	struct timespec changed;
};

enum { MARKS = 4 };

static struct {
	struct confinement common;
	struct landlock rules;
	struct mark mark[MARKS];
	int mounts; /* says, once, that something was mounted; -1: nothing is known about that */
	int theirs; /* the same for the process that is forked next */
} standing = {.rules.fd = -1, .mounts = -1, .theirs = -1};

static int mounts_open(void)
{
	return open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
}

static struct mark mark_of(const char *path, bool with_time)
{
	struct stat st;

	if (!path || stat(path, &st) < 0)
		return (struct mark){0};
	return (struct mark){st.st_dev, st.st_ino, with_time ? st.st_ctim : (struct timespec){0}};
}

/* Directories of owners are made and looked at by whoever forks workers, so these need none. */
static void marks_take(struct mark mark[static MARKS])
{
	const struct confinement *c = &standing.common;
	const char *paths[MARKS] = {"/", c->dirs[1], c->locks, c->look};

	for (size_t i = 0; i < MARKS; i++)
		mark[i] = mark_of(paths[i], i == 0);
}

static bool is_same(const struct mark *a, const struct mark *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool is_fresh(int mounts)
{
	struct pollfd p = {.fd = mounts, .events = POLLPRI};
	struct mark now[MARKS];

	if (mounts < 0 || poll(&p, 1, 0) != 0)
		return false;
	marks_take(now);
	for (size_t i = 0; i < MARKS; i++)
		if (!is_same(&now[i], &standing.mark[i]))
			return false;
	return true;
}

/* One of the directories at the top that confine.c allows, or in one. */
static bool is_beneath_mail(const char *path)
{
	char real[PATH_MAX];

	if (!realpath(path, real) || real[1] == '.' || real[1] == '\0')
		return false;
	char *slash = strchr(real + 1, '/');

	if (slash)
		*slash = '\0';
	return !confine_is_system(real + 1);
}

static bool can_stand(void)
{
	const struct confinement *c = &standing.common;

	for (size_t i = 0; i < CONFINE_DIRS_MOST; i++)
		if (i != 1 && c->dirs[i] && !is_beneath_mail(c->dirs[i]))
			return false;
	return standing.mounts >= 0;
}

static enum err rules_make(struct why *why)
{
	enum err err;

	landlock_done(&standing.rules);
	if (!can_stand())
		return OK;
	marks_take(standing.mark);
	(void)poll(&(struct pollfd){.fd = standing.mounts, .events = POLLPRI}, 1,
		   0); /* what was before, is no change */
	if ((err = landlock_init(&standing.rules, false, why)) == OK && standing.rules.fd >= 0)
		err = confine_rules(&standing.common, &standing.rules, why);
	if (err != OK)
		landlock_done(&standing.rules);
	return err;
}

enum err standing_make(const struct confinement *common, struct why *why)
{
	standing.common = *common;
	standing.mounts = mounts_open();
	return rules_make(why);
}

enum err standing_refresh(struct why *why)
{
	enum err err = OK;

	if (standing.theirs >= 0)
		close(standing.theirs);
	standing.theirs =
		standing.mounts >= 0 ? mounts_open() : -1; /* before the rules are looked at: no change is missed */
	if (standing.rules.fd >= 0 && !is_fresh(standing.mounts))
		err = rules_make(why);
	return err;
}

struct landlock standing_rules(void)
{
	return is_fresh(standing.theirs) ? standing.rules : (struct landlock){.fd = -1};
}
