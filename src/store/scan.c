/* store/scan.c - see scan.h */
#include "store/scan.h"

#include <string.h>

#include "store/stamp.h"
#include "store/uidl.h"

enum { CAP_FIRST = 64, CAP_MUCH = 16 * 1024, NAMES_FIRST = 4096, NAMES_MUCH = 1024 * 1024, SHED_EACH = 4096 };

/* Twice as much, or a quarter more of much; 0: it cannot be. */
static uint32_t more(uint32_t cap, uint32_t first, uint32_t much)
{
	uint32_t bigger = cap == 0 ? first : cap < much ? cap * 2 : cap + cap / 4;

	return bigger > cap ? bigger : 0;
}

/* What the next messages will be written to. */
static void make_ready(const struct scan *s)
{
	room_ready(&s->room[SCAN_RECS], s->count * sizeof *s->rec, SHED_EACH * sizeof *s->rec);
	room_ready(&s->room[SCAN_ENTRIES], s->count * sizeof *s->entry, SHED_EACH * sizeof *s->entry);
}

/* Room for one more of each; a failure leaves what there was. */
static bool grow(struct scan *s)
{
	uint32_t cap = more(s->cap, CAP_FIRST, CAP_MUCH);

	if (cap == 0 || !room_grow(&s->room[SCAN_RECS], cap * sizeof *s->rec))
		return false;
	s->rec = (void *)s->room[SCAN_RECS].p;
	if (!room_grow(&s->room[SCAN_ENTRIES], cap * sizeof *s->entry))
		return false;
	s->entry = (void *)s->room[SCAN_ENTRIES].p;
	s->cap = cap;
	make_ready(s);
	return true;
}

static bool grow_names(struct scan *s)
{
	uint32_t cap = more(s->names_cap, NAMES_FIRST, NAMES_MUCH);

	if (cap == 0 || !room_grow(&s->room[SCAN_NAMES], cap))
		return false;
	s->names = s->room[SCAN_NAMES].p;
	s->names_cap = cap;
	return true;
}

void scan_pass(uint32_t i)
{
	room_pass(i);
}

enum err scan_add(struct scan *s, const struct listing_rec *r, const struct scan_entry *e, struct slice name,
		  struct why *why)
{
	if (name.n > NAME_OCTETS || (s->count == s->cap && !grow(s)) ||
	    (name.n > s->names_cap - s->names_len && !grow_names(s)))
		return fail(why, ERR_TEMP, "no memory for a scan listing of %u messages", s->count);
	s->rec[s->count] = *r;
	s->entry[s->count] = *e;
	s->entry[s->count].name_at = s->names_len;
	s->entry[s->count].name_len = (uint16_t)name.n;
	if (name.n > 0)
		memcpy(s->names + s->names_len, name.p, name.n);
	s->names_len += (uint32_t)name.n;
	s->name_most = s->name_most > name.n ? s->name_most : (uint16_t)name.n;
	s->octets += r->octets;
	s->specials += (r->flags & UIDL_SPECIAL) != 0;
	s->stamps_read |= (r->flags & STAMP_READ) != 0;
	s->marked += (r->flags & MESSAGE_MARKED) != 0;
	scan_pass(s->count++);
	if (s->count % SHED_EACH == 0)
		make_ready(s);
	return OK;
}

struct slice scan_name(const struct scan *s, uint32_t i)
{
	uint16_t n = s->entry[i].name_len;

	return n > 0 ? (struct slice){s->names + s->entry[i].name_at, n} : (struct slice){0};
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
