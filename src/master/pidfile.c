/* master/pidfile.c - see pidfile.h */
#include "master/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static bool path_is_good(const char *path)
{
	const char *slash = strrchr(path, '/');

	return path[0] == '/' && slash != path && slash[1] != '\0';
}

/* The number without a newline, as Mailutils writes it. */
static enum err number_write(int fd, const char *path, struct why *why)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%ld", (long)getpid());

	if (write(fd, text, (size_t)n) != n)
		return fail_errno(why, ERR_TEMP, "write pidfile `%s'", path);
	return OK;
}

enum err pidfile_write(struct pidfile *p, const char *path, struct why *why)
{
	*p = (struct pidfile){.fd = -1};
	if (!path_is_good(path))
		return fail(why, ERR_PERM, "%s: invalid name for a pidfile", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return fail_errno(why, ERR_TEMP, "cannot create pidfile `%s'", path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return fail_errno(why, ERR_TEMP, "cannot create pidfile `%s'", path);
	if (number_write(fd, path, why) != OK) {
		close(fd);
		(void)unlink(path); /* the first failure is the one that is told */
		return ERR_TEMP;
	}
	*p = (struct pidfile){.path = path, .fd = fd, .pid = getpid()};
	return OK;
}

static bool is_ours(const struct pidfile *p)
{
	struct stat there, ours;

	return lstat(p->path, &there) == 0 && fstat(p->fd, &ours) == 0 && there.st_dev == ours.st_dev &&
	       there.st_ino == ours.st_ino;
}

void pidfile_remove(struct pidfile *p)
{
	if (!p->path || p->pid != getpid())
		return;
	if (is_ours(p) && unlink(p->path) < 0)
		log_line(LOG_WARNING, "cannot remove pidfile `%s': %s", p->path, strerror(errno));
	close(p->fd);
	p->path = NULL;
}
