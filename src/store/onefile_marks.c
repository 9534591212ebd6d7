/* store/onefile_marks.c - deletion marks of other programs in a mailbox that is one file. See onefile.h and marks.h */
#include <errno.h>
#include <unistd.h>

#include "store/marks.h"
#include "store/onefile.h"

enum err onefile_unmark(const struct maildrop *md, const struct scan *s, struct why *why)
{
	enum err err = OK;

	for (uint32_t i = 0; i < s->count && err == OK; scan_pass(i), i++)
		if (s->rec[i].flags & MESSAGE_MARKED &&
		    onefile_is_at(md->fd, md->driver->in_one_file, &s->rec[i], &s->entry[i]))
			err = marks_clear(md->fd, s->rec[i].pos, s->rec[i].raw, why);
	if (err == OK && fsync(md->fd) < 0)
		err = fail_errno(why, storage_err(errno), "fsync the mailbox");
	return err;
}
