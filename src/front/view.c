/* front/view.c - see scan.h */
#include "front/view.h"

#include <string.h>

#include "mail/wire.h"

/* What is kept of a record. */
struct entry {
	uint64_t raw, octets;
	uint32_t crc, lines;
};

static struct listing_rec record_at(struct slice bulk, uint32_t i)
{
	struct listing_rec r;

	memcpy(&r, bulk.p + i * sizeof r, sizeof r); /* bulk need not be aligned */
	return r;
}

/* Checks the records of a small listing; false: they are no listing of so many octets. */
static bool is_whole(const struct msg_scan *m, struct slice bulk, uint32_t *stride)
{
	uint64_t octets = 0;

	*stride = 0;
	if (bulk.n != m->count * sizeof(struct listing_rec))
		return false;
	for (uint32_t i = 0; i < m->count; i++) {
		struct listing_rec r = record_at(bulk, i);

		if (!listing_is_sane(&r))
			return false;
		octets += r.octets;
		if (r.uidl_len + 1U > *stride)
			*stride = r.uidl_len + 1U;
	}
	return octets == m->octets;
}

static enum err keep_small(struct view *v, struct arena *a, const struct msg_scan *m, struct slice bulk,
			   struct why *why)
{
	if (!is_whole(m, bulk, &v->stride))
		return fail(why, ERR_PERM, "a scan listing whose records are broken");
	v->entries = arena_zero(a, m->count * sizeof *v->entries + (size_t)m->count * v->stride);
	if (!v->entries)
		return fail(why, ERR_TEMP, "no memory for a scan listing");
	v->uidls = (char *)(v->entries + m->count);
	for (uint32_t i = 0; i < m->count; i++) {
		struct listing_rec r = record_at(bulk, i);
		char *uidl = v->uidls + (size_t)i * v->stride;

		v->entries[i] = (struct entry){.raw = r.raw, .octets = r.octets, .crc = r.crc, .lines = r.lines};
		uidl[0] = (char)r.uidl_len;
		memcpy(uidl + 1, r.uidl, r.uidl_len);
	}
	return OK;
}

static enum err keep_file(struct view *v, struct msg *m, const struct msg_scan *ms, struct why *why)
{
	enum err err = file_open(&v->file, msg_take_fd(m, 0), why);

	if (err != OK)
		return err;
	uint64_t octets = file_octets(&v->file);

	v->records = (struct listing_place){ms->records_at, ms->block, ms->block_octets};
	if (m->bulk.n == 0 && ms->count > 0 && listing_place_is_sane(&v->records) &&
	    listing_at(&v->records, ms->count - 1) + sizeof(struct listing_rec) <= octets)
		return OK;
	file_close(&v->file);
	return fail(why, ERR_PERM, "a scan listing whose file is too short");
}

enum err view_open(struct view *v, struct arena *a, struct msg *m, struct why *why)
{
	const struct msg_scan *ms = m->payload;

	*v = (struct view){
		.count = ms->count, .rules = ms->rules, .octets = ms->octets, .due = ms->due, .file = FILE_ABSENT};
	if (ms->rules & ~(uint32_t)WIRE_RULES || ms->octets > INT64_MAX)
		return fail(why, ERR_PERM, "a scan listing with unknown rules or totals");
	if (m->nfds > 0)
		return keep_file(v, m, ms, why);
	/* Neither records nor a file: each window of it is asked for. */
	return m->bulk.n == 0 && ms->count > 0 ? OK : keep_small(v, a, ms, m->bulk, why);
}

void view_close(struct view *v, struct window *w)
{
	if (w->of == v)
		w->of = NULL;
	file_close(&v->file);
}

static bool is_in_window(const struct view *v, const struct window *w, uint32_t msgno)
{
	return w->of == v && msgno >= w->first && msgno - w->first < w->n;
}

static bool goes_on(const struct view *v, const struct window *w, uint32_t msgno)
{
	return w->of == v && w->n > 0 && msgno == w->first + w->n;
}

static uint32_t records_from(const struct view *v, uint32_t msgno, uint32_t most)
{
	uint32_t left = v->count - msgno + 1;

	return left < most ? left : most;
}

static enum have window_read(const struct view *v, struct window *w, uint32_t msgno)
{
	if (v->file.kind == HANDOVER_NOT)
		return HAVE_LATER;
	uint32_t want = records_from(v, msgno, goes_on(v, w, msgno) ? AHEAD_RECORDS : WINDOW_RECORDS);
	uint32_t run = listing_run(&v->records, msgno - 1);
	ssize_t got = file_read(&v->file, listing_at(&v->records, msgno - 1), (char *)w->rec,
				(want < run ? want : run) * sizeof *w->rec);

	w->of = NULL;
	if (got < 0)
		return HAVE_LATER;
	if ((size_t)got < sizeof *w->rec)
		return got == 0 ? HAVE_BROKEN : HAVE_LATER;
	w->of = v;
	w->first = msgno;
	w->n = (uint32_t)((size_t)got / sizeof *w->rec);
	return HAVE;
}

enum have view_message(const struct view *v, struct window *w, uint32_t msgno, struct message *out)
{
	uint32_t i = msgno - 1;

	if (v->entries) {
		const struct entry *e = &v->entries[i];
		const char *uidl = v->uidls + (size_t)i * v->stride;

		*out = (struct message){0, e->raw, e->octets, e->crc, e->lines, {uidl + 1, (unsigned char)uidl[0]}};
		return HAVE;
	}
	enum have have = is_in_window(v, w, msgno) ? HAVE : window_read(v, w, msgno);

	if (have != HAVE)
		return have;
	const struct listing_rec *r = &w->rec[msgno - w->first];

	if (!listing_is_sane(r))
		return HAVE_BROKEN;
	*out = (struct message){r->pos, r->raw, r->octets, r->crc, r->lines, listing_uidl(r)};
	return HAVE;
}

uint32_t view_want(const struct view *v, uint32_t msgno)
{
	return records_from(v, msgno, WINDOW_RECORDS);
}

bool view_fill(const struct view *v, struct window *w, uint32_t msgno, struct slice records)
{
	uint32_t n = view_want(v, msgno);

	if (records.n != n * sizeof *w->rec)
		return false;
	memcpy(w->rec, records.p, records.n);
	w->of = v;
	w->first = msgno;
	w->n = n;
	return true;
}

bool view_is_deleted(const struct view *v, uint32_t msgno)
{
	uint32_t i = msgno - 1;

	return v->bits && v->bits[i / 8] >> i % 8 & 1;
}

size_t view_bits_octets(const struct view *v)
{
	return ((size_t)v->count + 7) / 8;
}

static bool make_bits(const struct view *v, struct arena *a, uint8_t **bits)
{
	if (!*bits)
		*bits = arena_zero(a, view_bits_octets(v));
	return *bits != NULL;
}

void view_note_whole(struct view *v, struct arena *a, uint32_t msgno)
{
	uint32_t i = msgno - 1;

	if (make_bits(v, a, &v->whole))
		v->whole[i / 8] = (uint8_t)(v->whole[i / 8] | 1U << i % 8);
}

bool view_settle(struct view *v, struct arena *a)
{
	if (!make_bits(v, a, &v->bits))
		return false;
	for (size_t i = 0; v->whole && i < view_bits_octets(v); i++) {
		v->deleted += (uint32_t)__builtin_popcount(v->whole[i] & ~v->bits[i]);
		v->bits[i] |= v->whole[i];
	}
	return true;
}

bool view_delete(struct view *v, struct arena *a, uint32_t msgno, uint64_t octets)
{
	uint32_t i = msgno - 1;

	if (!make_bits(v, a, &v->bits))
		return false;
	v->bits[i / 8] = (uint8_t)(v->bits[i / 8] | 1U << i % 8);
	v->deleted++;
	v->deleted_octets += octets;
	return true;
}

void view_undelete_all(struct view *v)
{
	if (v->bits)
		memset(v->bits, 0, view_bits_octets(v));
	v->deleted = 0;
	v->deleted_octets = 0;
}
