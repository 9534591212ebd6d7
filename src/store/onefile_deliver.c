/* store/onefile_deliver.c - bulletins appended to a mailbox in one file. See onefile.h, delivery.h
 *
 * All that is to be appended lies in the file of what is due before the first octet of it is in the mailbox. Whoever finds that file compares: the
 * mailbox has all of it behind its old end, or a part, which is taken away again, or none. Of a part that a power cut has left, some is
 * zeros. Where another program has written the mailbox anew since, messages are looked for by what they are. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/cut.h"
#include "store/delivery.h"
#include "store/onefile.h"

static char piece[64 * 1024], other[64 * 1024]; /* a process does one thing at a time */

/* ---- what is to be appended ---- */

static void put_due(void *due, struct slice octets)
{
	due_put(due, octets);
}

static enum err write_due(const struct maildrop *md, const struct delivery *d, const struct stat *st, struct why *why)
{
	const struct onefile_format *f = md->driver->in_one_file;
	const struct bulletin_form form = {.lines = f->lines,
					   .rules = md->rules,
					   .from_line = f->lines == DIGEST_QUOTED,
					   .end = f->end,
					   .put = put_due,
					   .arg = d->due};
	enum err err = due_begin(d->due, why);

	if (err != OK)
		return err;
	due_put(d->due, f->gap(md->fd, (uint64_t)st->st_size));
	for (uint32_t k = 0; err == OK && k < d->count; k++) {
		uint64_t key;

		err = bulletin_write(d->from, d->which[k], &form, &key, why);
		if (err == OK && !due_add(d->due, d->from->id[d->which[k]], key))
			err = fail(why, ERR_TEMP, "no memory to deliver bulletins");
	}
	if (err != OK) {
		due_remove(d->due);
		return err;
	}
	return due_end(d->due, st->st_dev, st->st_ino, (uint64_t)st->st_size, why);
}

/* Where others may append, too. */
static bool append(int fd, const char *p, size_t n)
{
	while (n > 0) {
		struct iovec v = {.iov_base = (void *)p, .iov_len = n};
		ssize_t put = pwritev2(fd, &v, 1, 0, RWF_APPEND);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		p += put;
		n -= (size_t)put;
	}
	return true;
}

static enum err append_due(const struct maildrop *md, const struct due *due, struct why *why)
{
	for (uint64_t at = 0; at < due->end.text;) {
		uint64_t left = due->end.text - at;
		ssize_t got = pread(due->fd, piece, left < sizeof piece ? (size_t)left : sizeof piece, (off_t)at);

		if (got <= 0)
			return fail_errno(why, ERR_TEMP, "read what is due");
		if (!append(md->fd, piece, (size_t)got))
			return fail_errno(why, storage_err(errno), "append to the mailbox");
		at += (uint64_t)got;
	}
	return fsync(md->fd) < 0 ? fail_errno(why, storage_err(errno), "fsync the mailbox") : OK;
}

/* Of the text that is due, so many octets are behind the old end: */
struct part {
	uint64_t same;
	uint64_t ours; /* the same, where zeros count for what a power cut has not let through */
};

static enum err compare(const struct maildrop *md, const struct due *due, struct part *p, struct why *why)
{
	*p = (struct part){0};
	while (p->ours < due->end.text) {
		uint64_t left = due->end.text - p->ours, from = p->ours;
		size_t want = left < sizeof piece ? (size_t)left : sizeof piece;
		ssize_t has = pread(due->fd, piece, want, (off_t)from);
		ssize_t got = pread(md->fd, other, want, (off_t)(due->end.at + from));

		if (has != (ssize_t)want || got < 0)
			return fail_errno(why, ERR_TEMP, "compare the mailbox with what is due");
		for (size_t k = 0; k < (size_t)got && (piece[k] == other[k] || other[k] == '\0'); k++) {
			p->same += p->same == p->ours && piece[k] == other[k];
			p->ours++;
		}
		if (p->ours < from + want)
			break;
	}
	return OK;
}

static enum err truncate_to(const struct maildrop *md, uint64_t octets, struct why *why)
{
	if (ftruncate(md->fd, (off_t)octets) < 0 || fsync(md->fd) < 0)
		return fail_errno(why, storage_err(errno), "take back what was appended");
	return OK;
}

/* The part that is there goes, if nothing is behind it. */
static bool take_back(const struct maildrop *md, const struct due *due)
{
	struct stat st;
	struct part p;

	if (fstat(md->fd, &st) < 0 || compare(md, due, &p, NULL) != OK || (uint64_t)st.st_size != due->end.at + p.same)
		return false;
	return p.same == 0 || truncate_to(md, due->end.at, NULL) == OK;
}

enum err onefile_deliver(const struct maildrop *md, const struct delivery *d, struct why *why)
{
	struct stat st;

	if (fstat(md->fd, &st) < 0)
		return fail_errno(why, ERR_TEMP, "stat the mailbox");
	enum err err = write_due(md, d, &st, why);

	if (err != OK)
		return err;
	err = append_due(md, d->due, why);
	if (err != OK && take_back(md, d->due))
		due_remove(d->due);
	return err;
}

/* ---- an earlier one ---- */

/* By what messages are, in the whole mailbox: the second of two that are alike must be there twice. */
static enum err search(const struct maildrop *md, const struct due *due, bool in[], struct why *why)
{
	struct scan known = {0}, now = {0};
	enum err err = md->driver->scan(md, &known, &now, why);

	for (uint32_t k = 0; err == OK && k < due->end.count; k++) {
		uint32_t wanted = 1;

		for (uint32_t i = 0; i < k; i++)
			wanted += due->row[i].key == due->row[k].key;
		for (uint32_t i = 0; i < now.count && wanted > 0; i++, room_pass(i))
			wanted -= now.entry[i].id == due->row[k].key;
		in[k] = wanted == 0;
	}
	scan_done(&now);
	return err;
}

/* Others have appended behind a part of ours, which makes one message of both: it is cut out. That it is ours its first line tells; one that others
 * begin like ours is whole. With zeros in it, it is as long as what was written at once. */
static enum err cut_part(const struct maildrop *md, const struct due *due, const struct part *p, bool *cut,
			 struct why *why)
{
	bool torn = p->ours > p->same && (p->ours == due->end.text || p->ours % sizeof piece == 0);
	uint64_t same = p->same, end = torn ? p->ours : same;
	const struct onefile_format *f = md->driver->in_one_file;
	ssize_t n = pread(due->fd, piece, sizeof piece, 0);
	size_t gap = 0, line;

	while (n > 0 && gap < (size_t)n && (piece[gap] == '\n' || (piece[gap] == '.' && f->lines == DIGEST_DOTTED)))
		gap++;
	line = gap + slice_find((struct slice){piece + gap, n > 0 ? (size_t)n - gap : 0}, '\n') + 1;
	*cut = torn ||
	       (same > gap && (same >= line || (f->lines == DIGEST_QUOTED && !f->begins(md->fd, due->end.at + gap))));
	if (!*cut)
		return OK;
	const struct journal_place journal = {.dir = md->setup->journal_dir, .path = md->path};
	const struct cut_file file = {.fd = md->fd,
				      .spool = &md->spool,
				      .may_rename = md->lock.dotlock || md->lock.by,
				      .journal = journal.dir >= 0 ? &journal : NULL};

	return cut_apply(&file, &(struct cut){due->end.at, due->end.at + end}, 1, why);
}

enum err onefile_find_delivered(const struct maildrop *md, const struct due *due, bool in[], struct why *why)
{
	struct stat st;
	struct part p;
	bool cut = false;

	memset(in, 0, due->end.count * sizeof *in);
	if (md->fd < 0)
		return OK;
	if (fstat(md->fd, &st) < 0)
		return fail_errno(why, ERR_TEMP, "stat the mailbox");
	if (st.st_dev != due->end.dev || st.st_ino != due->end.ino || (uint64_t)st.st_size < due->end.at)
		return search(md, due, in, why);
	enum err err = compare(md, due, &p, why);

	if (err != OK)
		return err;
	if (p.same == due->end.text) {
		memset(in, 1, due->end.count * sizeof *in);
		return OK;
	}
	if (due->end.at + p.ours == (uint64_t)st.st_size)
		return p.ours == 0 ? OK : truncate_to(md, due->end.at, why);
	err = cut_part(md, due, &p, &cut, why);
	if (err == OK && cut) /* it may be another file by now */
		err = fail(why, ERR_IN_USE, "a part of a bulletin has been taken out of it");
	return err == OK ? search(md, due, in, why) : err;
}
