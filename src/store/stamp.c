/* store/stamp.c - see stamp.h */
#include "store/stamp.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { DAY_S = 24 * 60 * 60 }; /* what clocks and time zones may be apart */

size_t stamp_line(char line[static STAMP_LINE], uint32_t stamp, bool crlf)
{
	return (size_t)snprintf(line, STAMP_LINE, "%s %u%s\n", STAMP_NAME, stamp, crlf ? "\r" : "");
}

uint32_t stamp_now(void)
{
	int64_t s = clock_wall_ns() / 1000000000;

	return s < 1 ? 1 : s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
}

uint32_t stamp_parse(struct slice value)
{
	uint64_t n = 0;

	value = slice_trim((struct slice){value.p, value.n - (value.n > 0 && value.p[value.n - 1] == '\r')});
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return 0;
		n = n * 10 + (uint64_t)(value.p[i] - '0');
		n = n < UINT32_MAX ? n : UINT32_MAX;
	}
	return (uint32_t)n;
}

/* One that goes on in another line is no number. The first one counts. */
void stamp_find(struct listing_rec *r, struct slice message)
{
	while (message.n > 0) {
		struct slice line = slice_take(&message, '\n');

		if (line.n == 0 || (line.n == 1 && line.p[0] == '\r'))
			return;
		if (!slice_starts_nocase(line, SLICE(STAMP_NAME)))
			continue;
		bool goes_on = message.n > 0 && (message.p[0] == ' ' || message.p[0] == '\t');

		r->flags |= STAMP_READ;
		r->stamp = goes_on ? 0
				   : stamp_parse((struct slice){line.p + sizeof STAMP_NAME - 1,
								line.n - (sizeof STAMP_NAME - 1)});
		return;
	}
}

void stamp_keep(struct listing_rec *r, const struct listing_rec *old)
{
	bool read = r->flags & STAMP_READ, foreign = read && (r->stamp == 0 || old->flags & STAMP_FOREIGN);

	r->flags &= ~(uint32_t)STAMP_FLAGS;
	if (!read || foreign)
		r->stamp = old->stamp;
	if (read)
		r->flags |= foreign ? STAMP_FOREIGN : STAMP_HEADER;
}

void stamp_came(struct listing_rec *r, uint64_t came)
{
	if (r->flags & STAMP_READ && came <= stamp_now() && (uint64_t)r->stamp + DAY_S < came)
		r->stamp = 0;
}

void stamp_decide(struct listing_rec *r, bool known, uint32_t now)
{
	if (!(r->flags & STAMP_READ))
		return;
	r->flags &= ~(uint32_t)STAMP_READ;
	if (known || r->stamp == 0 || (r->stamp > now && r->stamp - now > DAY_S)) {
		r->stamp = 0;
		r->flags |= STAMP_FOREIGN;
	} else {
		r->flags |= STAMP_HEADER;
	}
}

uint64_t stamp_ends(const struct stamp_setup *setup, uint32_t stamp)
{
	return stamp == 0 || setup->days == UINT32_MAX || !setup->deletes ? UINT64_MAX
									  : stamp + (uint64_t)setup->days * DAY_S;
}
