/* store/onefile_scan.c - all messages of a mailbox in one file. See onefile.h
 *
 * A file that only grew is read from its old end. That it did is seen by samples: a program that put something else in the place of
 * what was there would have to leave all of them as they were. Where it still did, checksums tell when a message is sent
 * or deleted, so that never a wrong one is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/onefile.h"

/* ---- stamps ---- */

enum { SAMPLES = 4, SAMPLE = 256 };

/* A checksum of octets at the beginning, at the end and between, of a file of so many octets. */
static enum err sample(int fd, uint64_t size, uint32_t *crc, struct why *why)
{
	uint64_t last = size > SAMPLE ? size - SAMPLE : 0;

	*crc = 0;
	for (unsigned i = 0; i < SAMPLES; i++) {
		char text[SAMPLE];
		ssize_t got = pread(fd, text, size < SAMPLE ? size : SAMPLE, (off_t)(last / (SAMPLES - 1) * i));

		if (got < 0)
			return fail_errno(why, storage_err(errno), "read the mailbox");
		*crc = listing_crc(*crc, (struct slice){text, (size_t)got});
	}
	return OK;
}

/* The second one has what stat(2) does not know; the rules are in it because sizes depend on them. */
enum err onefile_stamp(int fd, uint32_t rules, struct stamp stamp[STAMPS], struct why *why)
{
	struct stat st = {0};
	uint32_t crc = 0;

	if (fd >= 0 && fstat(fd, &st) < 0)
		return fail_errno(why, ERR_TEMP, "stat the mailbox");
	enum err err = fd >= 0 ? sample(fd, (uint64_t)st.st_size, &crc, why) : OK;

	stamp[0] = storage_stamp(&st);
	stamp[1] = (struct stamp){.dev = crc, .ino = rules};
	return err;
}

bool onefile_has_grown(int fd, const struct stamp old[STAMPS], const struct stamp now[STAMPS])
{
	uint32_t crc;

	return old[0].dev == now[0].dev && old[0].ino == now[0].ino && old[0].size <= now[0].size &&
	       old[1].ino == now[1].ino && sample(fd, old[0].size, &crc, NULL) == OK && old[1].dev == crc;
}

/* ---- scanning ---- */

struct reading {
	struct text text;
	const struct onefile_format *format;
	struct known known;
	uint32_t rules;
};

/* Where to begin, with the first *kept known messages as they are: at the old end, if a From_ line begins there; else at the last message,
 * which may have been delivered in parts, or may have lacked the empty line behind it. */
static uint64_t begin_at(int fd, const struct onefile_format *f, const struct scan *known, const struct stamp *now,
			 uint32_t *kept)
{
	uint64_t end = known->stamp[0].size;

	*kept = known->count;
	if (known->count == 0)
		return 0;
	const struct listing_rec *last = &known->rec[known->count - 1];

	if (end == now->size ||
	    (last->pos + last->raw < end && f->begins(fd, end))) /* what separates is no part of it */
		return end;
	*kept = known->count - 1;
	if (f->begins(fd, (uint64_t)known->entry[*kept].at))
		return (uint64_t)known->entry[*kept].at;
	*kept = 0; /* its From_ line went on */
	return 0;
}

/* They stay what they are. */
static enum err keep(struct reading *r, uint32_t n, struct why *why)
{
	enum err err = OK;

	for (uint32_t i = 0; i < n && err == OK; i++)
		err = known_take(&r->known, i, &r->known.known->entry[i], (struct slice){0}, why);
	return err;
}

static enum err no_memory(struct why *why)
{
	return fail(why, ERR_TEMP, "no memory to read the mailbox");
}

enum err onefile_digest(struct text *t, const struct onefile_format *f, uint32_t rules, uint64_t pos, struct digest *m,
			struct why *why)
{
	struct slice piece;
	bool last = false;

	if (!digest_begin(m, rules, f->lines, pos))
		return no_memory(why);
	while (!last) {
		enum err err = f->piece(t, &piece, &last, why);

		if (err != OK)
			return err;
		digest_take(m, piece);
	}
	return digest_end(m) ? OK : no_memory(why);
}

/* What other programs keep for themselves in the first message is no mail: not shown, never touched. */
static enum err add(struct reading *r, const struct digest *m, uint64_t at, struct why *why)
{
	return m->internal && at == 0 ? OK : known_add(&r->known, m, (int64_t)at, (struct slice){0}, why);
}

/* Those that begin before `end`. */
static enum err read_until(struct reading *r, uint64_t end, struct why *why)
{
	enum err err = OK;

	while (err == OK) {
		struct digest m;
		uint64_t at, pos;
		bool is;

		err = r->format->next(&r->text, &at, &pos, &is, why);
		if (err != OK || !is || at >= end)
			break;
		err = onefile_digest(&r->text, r->format, r->rules, pos, &m, why);
		if (err == OK)
			err = add(r, &m, at, why);
	}
	return err;
}

static enum err add_part(struct reading *r, const struct onefile_part *p, struct why *why)
{
	enum err err = OK;

	for (uint32_t i = 0; i < p->count && err == OK; i++)
		err = add(r, &p->message[i].digest, p->message[i].at, why);
	if (err == OK && p->err != OK) {
		*why = p->why;
		return p->err;
	}
	if (err != OK || p->next >= p->end)
		return err;
	text_seek(&r->text, p->next);
	return read_until(r, p->end, why);
}

static enum err read_all(struct reading *r, struct why *why)
{
	struct onefile_ahead ahead = {r->text.fd, r->format, r->rules, r->text.at, r->text.end, NULL, 0, 0};
	const struct onefile_part *p;
	enum err err = OK;

	if (!onefile_ahead_begin(&ahead))
		return read_until(r, r->text.end, why);
	while (err == OK && (p = onefile_ahead_take(&ahead)) != NULL)
		err = add_part(r, p, why);
	onefile_ahead_end(&ahead);
	return err;
}

static bool is_right(void *fd, uint32_t now, const struct digest *m)
{
	(void)now;
	return digest_xuidl_is_right(m, *(const int *)fd);
}

enum err onefile_find(int fd, const struct onefile_format *f, uint32_t rules, const struct scan *known, bool grown,
		      struct scan *now, struct room *where, struct why *why)
{
	struct reading r = {.rules = rules, .format = f};
	uint32_t kept = 0;
	uint64_t at = 0;
	enum err err = onefile_stamp(fd, rules, now->stamp, why);

	if (err == OK && !known_init(&r.known, known, now))
		err = no_memory(why);
	if (err == OK && fd >= 0 && grown && onefile_has_grown(fd, known->stamp, now->stamp))
		at = begin_at(fd, f, known, now->stamp, &kept);
	if (err == OK)
		err = keep(&r, kept, why);
	if (err == OK && fd >= 0) {
		text_open(&r.text, fd, at, now->stamp[0].size);
		err = read_all(&r, why);
	}
	if (err == OK)
		err = known_end(&r.known, is_right, &fd, why);
	if (err == OK && where) {
		*where = r.known.where;
		r.known.where = (struct room){0};
	}
	known_done(&r.known);
	return err;
}

enum err onefile_scan(const struct maildrop *md, const struct scan *known, struct scan *now, struct why *why)
{
	return onefile_find(md->fd, md->driver->in_one_file, md->rules, known, true, now, NULL, why);
}
