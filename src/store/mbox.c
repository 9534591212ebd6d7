/* store/mbox.c - the mbox driver: all mail in one file, each message behind a From_ line. See mbox.h */
#include "store/mbox.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MBOX_RULES = WIRE_HIDE_UIDL | WIRE_HIDE_STATUS | WIRE_UNQUOTE };

static enum err mbox_detect(int fd, bool *is, struct why *why)
{
	char text[MBOX_FROM_MOST + 2];
	struct stat st;

	*is = false;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return OK;
	ssize_t got = pread(fd, text, sizeof text, 0);

	if (got < 0)
		return fail_errno(why, storage_err(errno), "read the mailbox");
	struct slice all = {text, (size_t)got}, rest = all, line = slice_take(&rest, '\n');

	*is = mbox_is_from_begun(all) || mbox_is_from(line);
	return *is ? OK : mbox_has_from(fd, is, why);
}

const struct store_driver mbox_driver = {
	.name = "mbox",
	.wire_rules = MBOX_RULES,
	.in_one_file = &mbox_format,
	.detect = mbox_detect,
	.stamp = onefile_stamps,
	.scan = onefile_scan,
	.grow = onefile_grow,
	.body = onefile_body,
	.commit = onefile_commit,
	.close = onefile_forget,
};
