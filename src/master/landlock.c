/* master/landlock.c - see landlock.h */
#include "master/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What came after the headers of Linux 6.1. */
#define RIGHT_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define RIGHT_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP (1ULL << 0)     /* ABI 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)

struct ruleset {
	uint64_t fs, net, scoped;
};

/* What each version of the kernel's interface brought: the rights it handles, and how much of a struct
 * ruleset it takes. */
static const struct {
	int abi;
	struct ruleset handled;
	size_t size;
} versions[] = {
	{1, {.fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1}, sizeof(uint64_t)},
	{2, {.fs = LANDLOCK_ACCESS_FS_REFER}, sizeof(uint64_t)},
	{3, {.fs = RIGHT_TRUNCATE}, sizeof(uint64_t)},
	{4, {.net = NET_BIND_TCP | NET_CONNECT_TCP}, 2 * sizeof(uint64_t)},
	{5, {.fs = RIGHT_IOCTL_DEV}, 2 * sizeof(uint64_t)},
	{6, {.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL}, 3 * sizeof(uint64_t)},
};

static const uint64_t rights[] = {
	[LANDLOCK_LOOK] = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	[LANDLOCK_RUN] = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE,
	[LANDLOCK_USE] =
		LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL_DEV,
	[LANDLOCK_SPOOL] = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
			   LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | RIGHT_TRUNCATE,
	[LANDLOCK_MAIL] = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
			  LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
			  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER | RIGHT_TRUNCATE,
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

enum err landlock_init(struct landlock *l, bool connects, struct why *why)
{
	struct ruleset all = {0};
	size_t size = 0;
	int abi = landlock_abi();

	*l = (struct landlock){.fd = -1};
	if (abi == 0)
		return OK;
	for (size_t i = 0; i < sizeof versions / sizeof *versions && versions[i].abi <= abi; i++) {
		all.fs |= versions[i].handled.fs;
		all.net |= versions[i].handled.net;
		all.scoped |= versions[i].handled.scoped;
		size = versions[i].size;
	}
	if (connects)
		all.net &= ~NET_CONNECT_TCP;
	l->handled = all.fs;
	l->fd = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
	return l->fd < 0 ? fail_errno(why, ERR_TEMP, "create Landlock rules") : OK;
}

enum err landlock_allow(const struct landlock *l, const char *path, enum landlock_right right, struct why *why)
{
	enum err err = OK;
	int dir = l->fd >= 0 ? open(path, O_PATH | O_CLOEXEC | (right == LANDLOCK_USE ? 0 : O_DIRECTORY)) : -1;

	if (l->fd < 0)
		return OK;
	if (dir < 0)
		return errno == ENOENT ? OK : fail_errno(why, ERR_TEMP, "open %s for a Landlock rule", path);
	struct landlock_path_beneath_attr rule = {.allowed_access = rights[right] & l->handled, .parent_fd = dir};

	if (syscall(SYS_landlock_add_rule, l->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		err = fail_errno(why, ERR_TEMP, "add a Landlock rule for %s", path);
	close(dir);
	return err;
}

enum err landlock_enforce(const struct landlock *l, struct why *why)
{
	if (l->fd >= 0 && syscall(SYS_landlock_restrict_self, l->fd, 0) < 0)
		return fail_errno(why, ERR_TEMP, "enforce Landlock rules");
	return OK;
}

void landlock_done(struct landlock *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
