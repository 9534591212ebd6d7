/* store/dotmail.c - the dotmail driver: all mail in one file, each message before a line that is a dot. See dotmail.h */
#include "store/dotmail.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/mbox.h"

enum { DOTMAIL_RULES = WIRE_HIDE_UIDL | WIRE_HIDE_STATUS | WIRE_UNDOT, NAME_MOST = 256 };

/* A header's first line: a name, a colon. */
static bool is_header(struct slice text)
{
	size_t colon = slice_find(text, ':');

	for (size_t i = 0; i < colon; i++)
		if (text.p[i] <= 0x20 || text.p[i] >= 0x7F)
			return false;
	return colon > 0 && colon < text.n;
}

/* What does not end with a dot may still be one, whose last message has no end; unless it is an mbox without a beginning. */
static enum err dotmail_detect(int fd, bool *is, struct why *why)
{
	char text[NAME_MOST];
	bool mbox = false;
	struct stat st;

	*is = false;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return OK;
	ssize_t got = pread(fd, text, sizeof text, 0);

	if (got < 0)
		return fail_errno(why, storage_err(errno), "read the mailbox");
	*is = got == 0 || is_header((struct slice){text, (size_t)got});
	if (!*is || got == 0 || dotmail_format.begins(fd, (uint64_t)st.st_size))
		return OK;
	enum err err = mbox_has_from(fd, &mbox, why);

	*is = err == OK && !mbox;
	return err;
}

const struct store_driver dotmail_driver = {
	.name = "dotmail",
	.wire_rules = DOTMAIL_RULES,
	.in_one_file = &dotmail_format,
	.detect = dotmail_detect,
	.stamp = onefile_stamps,
	.scan = onefile_scan,
	.body = onefile_body,
	.commit = onefile_commit,
	.close = onefile_forget,
};
