/* store/shift.c - see shift.h */
#include "store/shift.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "mail/listing.h"

enum {
	MARK = JOURNAL_MARK,
	AROUND = 4096, /* octets before and behind the data that tell whether this is the right file */
};

/* A process does one thing at a time. */
static struct journal journal;

struct shift {
	const struct cut_file *f;
	struct journal *j;
	char mark[MARK];
};

/* ---- the file ---- */

static enum err read_all(int fd, char *p, size_t n, uint64_t at, struct why *why)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = TEMP_FAILURE_RETRY(pread(fd, p + done, n - done, (off_t)(at + done)));

		if (got < 0)
			return fail_errno(why, ERR_TEMP, "read");
		if (got == 0)
			return fail(why, ERR_TEMP, "it has been cut off by another program");
		done += (size_t)got;
	}
	return OK;
}

static enum err write_all(int fd, const char *p, size_t n, uint64_t at, struct why *why)
{
	for (size_t done = 0; done < n;) {
		ssize_t put = TEMP_FAILURE_RETRY(pwrite(fd, p + done, n - done, (off_t)(at + done)));

		if (put < 0)
			return fail_errno(why, ERR_TEMP, "write in place");
		done += (size_t)put;
	}
	return TEMP_FAILURE_RETRY(fdatasync(fd)) < 0 ? fail_errno(why, ERR_TEMP, "fdatasync") : OK;
}

static enum err size_get(int fd, uint64_t *octets, struct why *why)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno(why, ERR_TEMP, "stat");
	*octets = (uint64_t)st.st_size;
	return OK;
}

/* Checksums of what lies before the data of a record, and behind it. */
static enum err around(int fd, const struct journal_record *r, uint32_t *before, uint32_t *behind, struct why *why)
{
	static char text[AROUND];
	uint64_t end = r->at + r->octets;
	size_t n = r->at < AROUND ? (size_t)r->at : AROUND;
	enum err err = read_all(fd, text, n, r->at - n, why);

	*before = listing_crc(0, (struct slice){text, n});
	n = r->next - end < AROUND ? (size_t)(r->next - end) : AROUND;
	if (err == OK)
		err = read_all(fd, text, n, end, why);
	*behind = listing_crc(0, (struct slice){text, n});
	return err;
}

/* ---- one record after the other ---- */

/* Fills the data with what stays of the file behind r->next, which goes forward. */
static enum err gather(struct shift *s, uint64_t octets, struct why *why)
{
	struct journal *j = s->j;
	struct journal_record *r = &j->slot.rec;
	uint32_t room = j->head.window - MARK;
	enum err err = OK;

	while (err == OK && r->octets < room && r->next < octets) {
		struct cut cut = {octets, octets};

		if (r->cut < j->head.cuts)
			err = journal_cut(j, r->cut, &cut, why);
		if (err != OK)
			break;
		uint64_t stays = cut.from - r->next;
		size_t n = stays < room - r->octets ? (size_t)stays : room - r->octets;

		err = read_all(s->f->fd, j->slot.data + r->octets, n, r->next, why);
		r->octets += (uint32_t)n;
		r->next += n;
		if (r->next == cut.from && r->cut < j->head.cuts) {
			r->next = cut.to;
			r->cut++;
		}
	}
	return err;
}

/* Behind the last data, as much as there is room for in what will be cut off. */
static void put_mark(struct shift *s)
{
	struct journal_record *r = &s->j->slot.rec;
	uint64_t room = r->next - r->at - r->octets;

	r->mark = room < MARK ? (uint32_t)room : MARK;
	memcpy(s->j->slot.data + r->octets, s->mark, r->mark);
	r->octets += r->mark;
}

/* The record behind the last one, whose data is in the file. Not written yet. */
static enum err record_next(struct shift *s, struct why *why)
{
	struct journal_record *r = &s->j->slot.rec;
	uint32_t mark = r->mark, data = r->truncate ? 0 : r->octets - mark;
	uint64_t octets = 0;
	enum err err = size_get(s->f->fd, &octets, why);

	*r = (struct journal_record){.seq = r->seq + 1, .at = r->at + data, .next = r->next, .cut = r->cut};
	if (err == OK)
		err = gather(s, octets, why);
	if (err == OK && r->next > octets)
		err = fail(why, ERR_TEMP, "it has been cut off by another program");
	if (err != OK)
		return err;
	if (r->octets == 0 && mark > 0) { /* there is no more, and the mark is durable */
		r->truncate = 1;
		r->octets = r->mark = mark;
		memcpy(s->j->slot.data, s->mark, mark);
		return OK;
	}
	if (r->next == octets)
		put_mark(s);
	return around(s->f->fd, r, &r->before_crc, &r->behind_crc, why);
}

/* Step 6, unless others have appended meanwhile: then there is more to move. */
static enum err truncate_by(const struct shift *s, bool *done, struct why *why)
{
	const struct journal_record *r = &s->j->slot.rec;
	uint64_t octets = 0;
	enum err err = size_get(s->f->fd, &octets, why);

	*done = octets == r->next;
	if (err != OK || !*done)
		return err;
	return TEMP_FAILURE_RETRY(ftruncate(s->f->fd, (off_t)r->at)) < 0 ? fail_errno(why, ERR_TEMP, "truncate") : OK;
}

/* From the last record, which is durable, to the end. */
static enum err run(struct shift *s, bool done, struct why *why)
{
	const struct journal_record *r = &s->j->slot.rec;
	enum err err = OK;

	while (err == OK && !done) {
		err = r->truncate ? truncate_by(s, &done, why)
				  : write_all(s->f->fd, s->j->slot.data, r->octets, r->at, why);
		if (err != OK || done)
			break;
		err = record_next(s, why);
		if (err == OK)
			err = journal_put(s->j, why);
		if (err == OK)
			err = journal_sync(s->j, why);
		if (err == OK)
			journal_progress(s->j);
	}
	if (err == OK && TEMP_FAILURE_RETRY(fsync(s->f->fd)) < 0) /* by whomever it was truncated */
		err = fail_errno(why, ERR_TEMP, "fsync");
	if (err == OK)
		return journal_remove(s->j, why);
	journal_close(s->j);
	return ERR_TEMP;
}

/* ---- begin ---- */

static enum err mark_new(struct shift *s, struct why *why)
{
	if (getrandom(s->mark, MARK, 0) != MARK)
		return fail_errno(why, ERR_TEMP, "random octets");
	for (size_t i = 0; i < MARK; i++)
		s->mark[i] = (char)(s->mark[i] | 0x80);
	return OK;
}

/* Step 2. */
static enum err begin(struct shift *s, const struct cut *cut, size_t n, bool spare, struct why *why)
{
	struct journal_record *r = &s->j->slot.rec;
	struct stat st;

	if (fstat(s->f->fd, &st) < 0)
		return fail_errno(why, ERR_TEMP, "stat");
	uint64_t behind = (uint64_t)st.st_size - cut->from;
	uint32_t most = s->f->journal->window > 0 ? s->f->journal->window : JOURNAL_WINDOW;
	uint32_t window = behind + MARK < most ? (uint32_t)behind + MARK : most;
	enum err err = journal_new(s->j, s->f->journal, &st, cut, n, window, spare, why);

	if (err != OK)
		return err;
	*r = (struct journal_record){.at = cut->from, .next = cut->from};
	err = record_next(s, why);
	if (err == OK)
		return journal_begin(s->j, why);
	journal_abandon(s->j);
	return err;
}

enum err shift_apply(const struct cut_file *f, const struct cut *cut, size_t n, struct why *why)
{
	struct shift s = {.f = f, .j = &journal};
	enum err err = mark_new(&s, why);

	if (err != OK)
		return err;
	err = spool_keep(f->spool, why);
	if (err != OK)
		return err;
	errno = 0;
	err = begin(&s, cut, n, false, why);
	if (err != OK && (errno == ENOSPC || errno == EDQUOT))
		err = begin(&s, cut, n, true, why);
	return err == OK ? run(&s, false, why) : err;
}

/* ---- again ---- */

/* Whether the file is the one of the journal, and *done: it has come to its end. ERR_PERM: it is not. */
static enum err check(const struct shift *s, bool *done, struct why *why)
{
	const struct journal_record *r = &s->j->slot.rec;
	uint32_t before = 0, behind = 0; /* compilers do not see that they are set */
	char there[MARK];
	struct stat st;

	*done = false;
	if (fstat(s->f->fd, &st) < 0)
		return fail_errno(why, ERR_TEMP, "stat");
	uint64_t octets = (uint64_t)st.st_size;

	if (!S_ISREG(st.st_mode) || st.st_ino != s->j->head.ino)
		return fail(why, ERR_PERM, "it is another file now");
	if (octets < (r->truncate ? r->at : r->next > s->j->head.octets ? r->next : s->j->head.octets))
		return fail(why, ERR_PERM, "it is shorter than it was");
	*done = r->truncate && octets < r->next;
	if (*done)
		return OK;
	enum err err = r->truncate ? read_all(s->f->fd, there, r->mark, r->at, why)
				   : around(s->f->fd, r, &before, &behind, why);

	if (err == OK && r->truncate)
		*done = memcmp(there, s->mark, r->mark) != 0;
	else if (err == OK && (before != r->before_crc || behind != r->behind_crc))
		err = fail(why, ERR_PERM, "it has been changed by another program since");
	return err;
}

enum err shift_replay(const struct cut_file *f, const char *name, struct why *why)
{
	struct shift s = {.f = f, .j = &journal};
	const struct journal_record *r = &journal.slot.rec;
	bool done;
	enum err err = journal_open(&journal, f->journal->dir, name, why);

	if (err != OK)
		return err;
	err = mark_new(&s, why);
	memcpy(s.mark, journal.slot.data + r->octets - r->mark, r->mark);
	if (err == OK)
		err = check(&s, &done, why);
	if (err != OK) {
		journal_close(&journal);
		return err;
	}
	if (journal_harden(&journal, why) != OK || spool_keep(f->spool, why) != OK) {
		journal_close(&journal);
		return ERR_TEMP;
	}
	return run(&s, done, why);
}
