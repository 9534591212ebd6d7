/* store/mbox.c - the mbox driver: all mail in one file, each message behind a From_ line. See mbox.h */
#include "store/mbox.h"

#include <assert.h>
#include <unistd.h>

enum { MBOX_RULES = WIRE_HIDE_UIDL | WIRE_HIDE_STATUS | WIRE_UNQUOTE };

static_assert(sizeof((struct onefile_head *)0)->text > MBOX_FROM_MOST + 1, "a From_ line, and its end");

static enum err mbox_detect(int fd, int accuracy, bool *is, struct why *why)
{
	struct onefile_head head;
	enum err err = onefile_head(fd, &head, why);
	struct slice all = {head.text, head.n}, rest = all, line = slice_take(&rest, '\n');

	*is = false;
	if (err != OK || !head.is)
		return err;
	*is = accuracy == ACCURACY_FAST || mbox_is_from_begun(all) || mbox_is_from(line);
	return *is || accuracy == ACCURACY_MINIMAL ? OK : mbox_has_from(fd, is, why);
}

/* By its From_ line, which the deliverer has written. */
static uint64_t mbox_came(const struct maildrop *md, const struct listing_rec *r, const struct scan_entry *e)
{
	char text[MBOX_FROM_MOST + 2];
	uint64_t at = (uint64_t)e->at, n = r->pos > at ? r->pos - at : 0;
	ssize_t got = n <= sizeof text ? pread(md->fd, text, n, (off_t)at) : -1;
	struct slice rest = {text, got > 0 ? (size_t)got : 0};

	return mbox_from_date(slice_take(&rest, '\n'));
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
	.unmark = onefile_unmark,
	.came = mbox_came,
	.deliver = onefile_deliver,
	.find_delivered = onefile_find_delivered,
	.close = onefile_forget,
};
