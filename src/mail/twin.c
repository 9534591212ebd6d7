/* mail/twin.c - see twin.h */
#include "mail/twin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mail/dotlock.h"

static const char acl_name[] = "system.posix_acl_access";

enum { MODE_BITS = 07777 };

struct twin_name {
	char text[DOTLOCK_NAME_MOST + sizeof "..new"];
};

static enum err name_twin(struct twin_name *out, const char *name, struct why *why)
{
	size_t n = strlen(name);

	if (n > DOTLOCK_NAME_MOST)
		return fail(why, ERR_PERM, "its name is too long for another one beside it");
	(void)snprintf(out->text, sizeof out->text, ".%s.new", name);
	return OK;
}

static bool has_no_acl(int error)
{
	return error == ENODATA || error == EOPNOTSUPP;
}

static enum err like_acl(struct twin_like *like, ssize_t n, struct why *why)
{
	if (n < 0 && !has_no_acl(errno))
		return fail_errno(why, ERR_PERM, "read its ACL");
	like->acl_octets = n < 0 ? 0 : (size_t)n;
	return OK;
}

enum err twin_like_file(struct twin_like *like, int fd, struct why *why)
{
	if (fstat(fd, &like->st) < 0)
		return fail_errno(why, ERR_TEMP, "stat");
	return like_acl(like, fgetxattr(fd, acl_name, like->acl, sizeof like->acl), why);
}

enum err twin_like_name(struct twin_like *like, const char *name, struct why *why)
{
	if (lstat(name, &like->st) < 0)
		return fail_errno(why, ERR_TEMP, "stat");
	return like_acl(like, lgetxattr(name, acl_name, like->acl, sizeof like->acl), why);
}

/* What the directory's default ACL gave it goes, too. */
static int set_acl(int fd, const struct twin_like *like)
{
	if (like->acl_octets > 0)
		return fsetxattr(fd, acl_name, like->acl, like->acl_octets, 0);
	return fremovexattr(fd, acl_name) < 0 && !has_no_acl(errno) ? -1 : 0;
}

/* The owner comes last: who is not root gives up his rights with it. */
static enum err set_alike(int fd, const struct twin_like *like, struct why *why)
{
	const struct stat *want = &like->st;
	struct stat st;

	if (set_acl(fd, like) < 0 || fchmod(fd, want->st_mode & MODE_BITS) < 0 || fstat(fd, &st) < 0 ||
	    ((st.st_uid != want->st_uid || st.st_gid != want->st_gid) && fchown(fd, want->st_uid, want->st_gid) < 0) ||
	    fstat(fd, &st) < 0)
		return fail_errno(why, ERR_PERM, "keep its owner, mode and ACL");
	if (st.st_uid != want->st_uid || st.st_gid != want->st_gid || st.st_mode != want->st_mode)
		return fail(why, ERR_PERM, "its owner and mode cannot be kept");
	return OK;
}

/* A copy that was not finished: nobody but the holder of the lock makes one. */
static bool remove_leftover(int dir, const char *twin)
{
	struct stat st;

	return fstatat(dir, twin, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && unlinkat(dir, twin, 0) == 0;
}

static int directory_open(int dir)
{
	return openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* dir may be O_PATH */
}

static int create(int dir, const char *twin)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, twin, flags, S_IRUSR | S_IWUSR);

	if (fd < 0 && errno == EEXIST && remove_leftover(dir, twin))
		fd = openat(dir, twin, flags, S_IRUSR | S_IWUSR);
	return fd;
}

enum err twin_new(int dir, const char *name, const struct twin_like *like, int *fd, struct why *why)
{
	struct twin_name twin;
	enum err err = name_twin(&twin, name, why);

	*fd = err == OK ? create(dir, twin.text) : -1;
	if (err != OK)
		return err;
	if (*fd < 0)
		return fail_errno(why, ERR_PERM, "make a new one beside it");
	int opened = directory_open(dir); /* one that cannot be made durable is of no use */

	err = opened < 0 ? fail_errno(why, ERR_PERM, "open the directory") : set_alike(*fd, like, why);
	if (opened >= 0)
		close(opened);
	if (err == OK)
		return OK;
	close(*fd);
	*fd = -1;
	twin_abandon(dir, name);
	return err;
}

enum err twin_replace(int dir, const char *name, struct why *why)
{
	struct twin_name twin;
	enum err err = name_twin(&twin, name, why);

	if (err == OK && renameat(dir, twin.text, dir, name) < 0)
		err = fail_errno(why, ERR_TEMP, "put the new one in its place");
	return err == OK ? directory_sync(dir, why) : err;
}

void twin_abandon(int dir, const char *name)
{
	struct twin_name twin;

	if (name_twin(&twin, name, NULL) == OK)
		(void)unlinkat(dir, twin.text, 0); /* what stays is removed before the next */
}

enum err directory_sync(int dir, struct why *why)
{
	int fd = directory_open(dir);
	enum err err = fd >= 0 && fsync(fd) == 0 ? OK : fail_errno(why, ERR_TEMP, "make a directory durable");

	if (fd >= 0)
		close(fd);
	return err;
}
