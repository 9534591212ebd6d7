/* store/scan.c - see scan.h */
#include "store/scan.h"

#include <stdlib.h>
#include <string.h>

enum { CAP_FIRST = 64, NAMES_FIRST = 4096 };

/* Room for one more of each; a failure leaves what there was. */
static bool grow(struct scan *s)
{
	uint32_t cap = s->cap ? s->cap * 2 : CAP_FIRST;
	struct listing_rec *rec = cap > s->cap ? realloc(s->rec, cap * sizeof *rec) : NULL;

	if (!rec)
		return false;
	s->rec = rec;
	struct scan_entry *entry = realloc(s->entry, cap * sizeof *entry);

	if (!entry)
		return false;
	s->entry = entry;
	s->cap = cap;
	return true;
}

static bool grow_names(struct scan *s)
{
	uint32_t cap = s->names_cap ? s->names_cap * 2 : NAMES_FIRST;
	char *names = cap > s->names_cap ? realloc(s->names, cap) : NULL;

	if (!names)
		return false;
	s->names = names;
	s->names_cap = cap;
	return true;
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
	s->octets += r->octets;
	s->count++;
	return OK;
}

struct slice scan_name(const struct scan *s, uint32_t i)
{
	return (struct slice){s->names + s->entry[i].name_at, s->entry[i].name_len};
}

void scan_done(struct scan *s)
{
	free(s->rec);
	free(s->entry);
	free(s->names);
	*s = (struct scan){0};
}
