/* store/mh_marks.c - the MH driver: deletion marks of other programs. See store/marks.h */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store/marks.h"
#include "store/mh.h"

/* A file that is not as it was scanned is left alone. */
static enum err clear(const struct maildrop *md, const struct scan *s, uint32_t i, struct why *why)
{
	char name[NAME_OCTETS + 1];
	struct stat st;
	enum err err = OK;

	(void)slice_cstr(scan_name(s, i), name, sizeof name);
	int fd = openat(md->fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? OK : fail_errno(why, storage_err(errno), "open message %s", name);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && mh_file(&st) == s->entry[i].at)
		err = marks_clear(fd, 0, s->rec[i].raw, why);
	if (err == OK && fsync(fd) < 0)
		err = fail_errno(why, storage_err(errno), "fsync message %s", name);
	close(fd);
	return err;
}

enum err mh_unmark(const struct maildrop *md, const struct scan *s, struct why *why)
{
	int lock = -1;
	enum err err = mh_lock(md, F_WRLCK, &lock, why);

	for (uint32_t i = 0; i < s->count && err == OK; scan_pass(i), i++)
		if (s->rec[i].flags & MESSAGE_MARKED)
			err = clear(md, s, i, why);
	if (lock >= 0)
		close(lock);
	return err;
}
