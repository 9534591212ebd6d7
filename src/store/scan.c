/* store/scan.c - see scan.h */
#include "store/scan.h"

#include <string.h>

#include "store/stamp.h"
#include "store/uidl.h"

enum { CAP_FIRST = 64, CAP_MUCH = 16 * 1024, NAMES_FIRST = 4096, NAMES_MUCH = 1024 * 1024 };

/* Twice as much, or a quarter more of much; 0: it cannot be. */
static uint32_t more(uint32_t cap, uint32_t first, uint32_t much)
{
	uint32_t bigger = cap == 0 ? first : cap < much ? cap * 2 : cap + cap / 4;

	return bigger > cap ? bigger : 0;
}

/* Rooms move when they grow. */
static void point(struct scan *s)
{
	s->rec = (void *)s->room[SCAN_RECS].p;
	s->entry = (void *)s->room[SCAN_ENTRIES].p;
	s->names = s->room[SCAN_NAMES].p;
}

void scan_collect(struct scan *s)
{
	s->collected = true;
}

bool scan_ready(struct scan *s)
{
	for (int i = 0; i < SCAN_ROOMS; i++)
		if (!room_flush(&s->room[i]))
			return false;
	point(s);
	return true;
}

/* Room for one more of each; a failure leaves what there was. */
static bool grow(struct scan *s)
{
	uint32_t cap = more(s->cap, CAP_FIRST, CAP_MUCH);

	if (cap == 0 || !room_grow(&s->room[SCAN_RECS], cap * sizeof *s->rec) ||
	    !room_grow(&s->room[SCAN_ENTRIES], cap * sizeof *s->entry))
		return false;
	s->cap = cap;
	return true;
}

static bool grow_names(struct scan *s)
{
	uint32_t cap = more(s->names_cap, NAMES_FIRST, NAMES_MUCH);

	if (cap == 0 || !room_grow(&s->room[SCAN_NAMES], cap))
		return false;
	s->names_cap = cap;
	return true;
}

void scan_pass(uint32_t i)
{
	room_pass(i);
}

/* There is room for it. */
static bool put(struct scan *s, const struct listing_rec *r, const struct scan_entry *e, struct slice name)
{
	if (s->collected) {
		s->rec = NULL;
		s->entry = NULL;
		s->names = NULL;
		return room_append(&s->room[SCAN_RECS], s->count * sizeof *r, r, sizeof *r) &&
		       room_append(&s->room[SCAN_ENTRIES], s->count * sizeof *e, e, sizeof *e) &&
		       room_append(&s->room[SCAN_NAMES], s->names_len, name.p, name.n);
	}
	point(s);
	s->rec[s->count] = *r;
	s->entry[s->count] = *e;
	if (name.n > 0)
		memcpy(s->names + s->names_len, name.p, name.n);
	return true;
}

enum err scan_add(struct scan *s, const struct listing_rec *r, const struct scan_entry *e, struct slice name,
		  struct why *why)
{
	struct scan_entry entry = *e;

	entry.name_at = s->names_len;
	entry.name_len = (uint16_t)name.n;
	if (name.n > NAME_OCTETS || (s->count == s->cap && !grow(s)) ||
	    (name.n > s->names_cap - s->names_len && !grow_names(s)) || !put(s, r, &entry, name))
		return fail(why, ERR_TEMP, "no memory for a scan listing of %u messages", s->count);
	s->names_len += (uint32_t)name.n;
	s->name_most = s->name_most > name.n ? s->name_most : (uint16_t)name.n;
	s->octets += r->octets;
	s->specials += (r->flags & UIDL_SPECIAL) != 0;
	s->stamps_read |= (r->flags & STAMP_READ) != 0;
	s->marked += (r->flags & MESSAGE_MARKED) != 0;
	scan_pass(s->count++);
	return OK;
}

struct slice scan_name(const struct scan *s, uint32_t i)
{
	uint16_t n = s->entry[i].name_len;

	return n > 0 ? (struct slice){s->names + s->entry[i].name_at, n} : (struct slice){0};
}

bool scan_copy(const struct scan *s, uint32_t i, uint32_t n, struct listing_rec *rec, struct scan_entry *entry,
	       char *names)
{
	if (!room_read(&s->room[SCAN_RECS], i * sizeof *rec, rec, n * sizeof *rec) ||
	    !room_read(&s->room[SCAN_ENTRIES], i * sizeof *entry, entry, n * sizeof *entry))
		return false;
	size_t octets = n > 0 ? entry[n - 1].name_at + entry[n - 1].name_len - entry[0].name_at : 0;

	return octets == 0 || room_read(&s->room[SCAN_NAMES], entry[0].name_at, names, octets);
}

static uint64_t mix(uint64_t h)
{
	h *= 0x9E3779B97F4A7C15u;
	return h ^ h >> 29;
}

static uint64_t hash_name(struct slice name, uint64_t file)
{
	uint64_t h = mix(file ^ name.n), word = 0;

	for (; name.n >= sizeof word; name = (struct slice){name.p + sizeof word, name.n - sizeof word}) {
		memcpy(&word, name.p, sizeof word);
		h = mix(h ^ word);
	}
	word = 0;
	if (name.n > 0)
		memcpy(&word, name.p, name.n);
	return mix(mix(h ^ word));
}

void scan_note(uint64_t notes[static NOTES_OF_DIR], struct slice name, uint64_t file)
{
	notes[NOTE_COUNT]++;
	notes[NOTE_SUM] += hash_name(name, file);
}

void scan_done(struct scan *s)
{
	for (int i = 0; i < SCAN_ROOMS; i++)
		room_done(&s->room[i]);
	*s = (struct scan){0};
}
