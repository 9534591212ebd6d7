/* store/dotmail.c - the dotmail driver: all mail in one file, each message before a line that is a dot. See dotmail.h */
#include "store/dotmail.h"

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
static enum err dotmail_detect(int fd, int accuracy, bool *is, struct why *why)
{
	struct onefile_head head;
	enum err err = onefile_head(fd, &head, why);
	bool mbox = false;

	*is = false;
	if (err != OK || !head.is || accuracy == ACCURACY_FAST)
		return err;
	*is = head.n == 0 || is_header((struct slice){head.text, head.n < NAME_MOST ? head.n : NAME_MOST});
	if (!*is || head.n == 0 || accuracy == ACCURACY_MINIMAL || dotmail_format.begins(fd, head.octets))
		return OK;
	err = mbox_has_from(fd, &mbox, why);
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
	.grow = onefile_grow,
	.body = onefile_body,
	.commit = onefile_commit,
	.unmark = onefile_unmark,
	.deliver = onefile_deliver,
	.find_delivered = onefile_find_delivered,
	.close = onefile_forget,
};
