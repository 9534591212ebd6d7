/* store/mbox.c - the mbox driver: all mail in one file. See mbox.h */
#include "store/mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MBOX_RULES = WIRE_HIDE_UIDL | WIRE_HIDE_STATUS | WIRE_UNQUOTE };

/* A deliverer is at its first message, and its From_ line is not whole: procmail writes the F, and a second later the rest. What it comes
 * to, the scan sees, under the mailbox lock. */
static bool is_begun(struct slice octets)
{
	static const struct slice from = {"From ", 5};
	size_t n = octets.n < from.n ? octets.n : from.n;

	return octets.n <= MBOX_FROM_MOST && slice_find(octets, '\n') == octets.n &&
	       slice_starts(octets, (struct slice){from.p, n});
}

static enum err mbox_detect(int fd, bool *is, struct why *why)
{
	char text[MBOX_FROM_MOST + 1];
	struct stat st;

	*is = false;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return OK;
	ssize_t got = pread(fd, text, sizeof text, 0);

	if (got < 0)
		return fail_errno(why, storage_err(errno), "read the mailbox");
	struct slice all = {text, (size_t)got}, rest = all, line = slice_take(&rest, '\n');

	*is = is_begun(all) || mbox_is_from(line);
	if (*is || line.n == 0 || line.p[line.n - 1] != '\r')
		return OK;
	if (mbox_is_from((struct slice){line.p, line.n - 1}))
		(void)fail(why, ERR_PERM, "its lines end in CRLF, which no mbox has; dos2unix helps");
	return OK;
}

static enum err stamp(const struct maildrop *md, struct stamp stamp[STAMPS], struct why *why)
{
	return mbox_stamp(md->fd, md->rules, stamp, why);
}

/* ---- where a message is ---- */

/* The file was rewritten under the session: where its messages are now. Kept until that ends, since a client that walks through its mail
 * asks once for each. One at a time in a process. */
static struct {
	uint64_t key; /* of the maildrop */
	struct scan now;
	uint32_t hint; /* where the last one was found, or behind it */
} moved;

static enum err scan_moved(const struct maildrop *md, int fd, const struct stamp now[STAMPS], struct why *why)
{
	struct scan known = {0}, found = {0};

	if (moved.key == md->key && memcmp(moved.now.stamp, now, sizeof moved.now.stamp) == 0)
		return OK;
	enum err err = index_load(&md->index, &known, why);

	if (err == OK)
		err = mbox_find(fd, md->rules, &known, false, &found, NULL, why);
	scan_done(&known);
	if (err != OK) {
		scan_done(&found);
		return err;
	}
	scan_done(&moved.now);
	moved.key = md->key;
	moved.now = found;
	moved.hint = 0;
	return OK;
}

/* The same octets; one whose headers were rewritten is the same message, but not what was listed. */
static bool is_the_same(const struct message *m, uint32_t i)
{
	const struct listing_rec *r = &moved.now.rec[i];

	return moved.now.entry[i].id == m->entry.id && r->crc == m->rec.crc && r->raw == m->rec.raw &&
	       uidl_same(r, &m->rec);
}

static enum err find_moved(const struct maildrop *md, const struct message *m, struct body *b,
			   const struct stamp now[STAMPS], struct why *why)
{
	enum err err = scan_moved(md, b->fd, now, why);
	uint32_t n = moved.now.count;

	for (uint32_t k = 0; err == OK && k < n; k++) {
		uint32_t i = (uint32_t)(((uint64_t)moved.hint + k) % n);

		if (!is_the_same(m, i))
			continue;
		moved.hint = i + 1;
		b->at = moved.now.rec[i].pos;
		return OK;
	}
	return err != OK ? err : fail(why, ERR_TEMP, "a message has been removed or changed by another program");
}

static bool is_at(int fd, uint64_t at, const struct listing_rec *r)
{
	static char piece[64 * 1024];
	uint32_t crc = 0;

	for (uint64_t done = 0; done < r->raw;) {
		size_t want = r->raw - done < sizeof piece ? (size_t)(r->raw - done) : sizeof piece;
		ssize_t got = pread(fd, piece, want, (off_t)(at + done));

		if (got <= 0)
			return false;
		crc = listing_crc(crc, (struct slice){piece, (size_t)got});
		done += (uint64_t)got;
	}
	return crc == r->crc;
}

/* Whether a message ends at `end`: the file does, or an empty line and a From_ line follow. A last line without its end may have got
 * it since. */
static bool is_end(int fd, uint64_t end)
{
	char text[3] = "\n"; /* what is before `end` may be any */
	ssize_t got = end > 0 ? pread(fd, text, sizeof text, (off_t)(end - 1)) : -1;
	uint64_t empty = end + (text[0] != '\n');

	if (got < 1)
		return false;
	if ((uint64_t)got < sizeof text)
		return got == 1 || text[1] == '\n';
	return text[1] == '\n' && mbox_text_begins(fd, empty + 1);
}

/* Behind an empty line, somebody is appending the next message: its From_ line is not whole yet. */
static bool is_begun_at(int fd, uint64_t at)
{
	char text[MBOX_FROM_MOST + 1];
	ssize_t got = pread(fd, text, sizeof text, (off_t)at);

	return got > 0 && is_begun((struct slice){text, (size_t)got});
}

/* It can be sent from there. No lock keeps others from appending meanwhile. */
static bool has_octets(int fd, const struct listing_rec *rec, const struct scan_entry *e)
{
	uint64_t end = rec->pos + rec->raw;

	return mbox_text_begins(fd, (uint64_t)e->at) && is_at(fd, rec->pos, rec) &&
	       (is_end(fd, end) || is_begun_at(fd, end + 1));
}

bool mbox_is_at(int fd, const struct listing_rec *rec, const struct scan_entry *e)
{
	return mbox_text_begins(fd, (uint64_t)e->at) && is_at(fd, rec->pos, rec) && is_end(fd, rec->pos + rec->raw);
}

/* By its place where the file is as it was; by its place and checksum where it may have grown; else by what it is. */
static enum err mbox_body(const struct maildrop *md, const struct message *m, struct body *out, struct why *why)
{
	struct stamp now[STAMPS];
	enum err err;

	*out = (struct body){.at = m->rec.pos, .octets = m->rec.raw, .same = true};
	out->fd = openat(md->parent, md->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (out->fd < 0)
		return fail_errno(why, storage_err(errno), "open the mailbox");
	err = mbox_stamp(out->fd, md->rules, now, why);
	if (err == OK && memcmp(now, md->index.stamp, sizeof now) != 0 && !has_octets(out->fd, &m->rec, &m->entry))
		err = find_moved(md, m, out, now, why);
	if (err == OK)
		return OK;
	close(out->fd);
	out->fd = -1;
	return err;
}

static void forget_moved(const struct maildrop *md)
{
	if (moved.key == md->key)
		scan_done(&moved.now);
}

const struct store_driver mbox_driver = {
	.name = "mbox",
	.wire_rules = MBOX_RULES,
	.in_one_file = true,
	.detect = mbox_detect,
	.stamp = stamp,
	.scan = mbox_scan,
	.body = mbox_body,
	.commit = mbox_commit,
	.close = forget_moved,
};
