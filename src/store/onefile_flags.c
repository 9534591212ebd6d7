/* store/onefile_flags.c - numbers of the messages of a mailbox in one file: X-UID, and X-IMAPbase in the first of them. See onefile.h */
#include "store/flags.h"
#include "store/onefile.h"

bool onefile_has_numbers(const struct scan *now)
{
	return now->count > 0 && now->entry[0].at == 0;
}

/* The number that the message has or gets; *offends: it has another one. */
static uint32_t choose(struct onefile_numbers *n, const struct header_seen *seen, bool *offends)
{
	bool keeps = seen->uid > n->last && seen->uid < n->next;

	*offends = *offends || (seen->uid != 0 && !keeps);
	n->last = keeps ? seen->uid : n->next++;
	return n->last;
}

/* Since when there are numbers, as the first message of the file says, whether that goes or not. */
static struct header_base read_base(int fd, const struct scan *now)
{
	struct header_seen seen;

	if (!header_look(&seen, fd, now->rec[0].pos, now->rec[0].raw) || seen.base.validity == 0 ||
	    seen.base.next == 0 || seen.base.next > UINT32_MAX - now->count)
		return (struct header_base){.next = 1};
	return seen.base;
}

void onefile_numbers_begin(struct onefile_numbers *n, int fd, const struct scan *now, const uint8_t *goes, uint32_t end)
{
	const struct header_base was = read_base(fd, now);
	bool offends = was.validity == 0;
	struct header_seen seen;

	*n = (struct onefile_numbers){.next = was.next};
	for (uint32_t i = 0; i < end; i++, scan_pass(i))
		if (!(goes[i / 8] >> i % 8 & 1) && header_look(&seen, fd, now->rec[i].pos, now->rec[i].raw))
			(void)choose(n, &seen, &offends);
	n->base = (struct header_base){was.validity, n->next};
	if (offends)
		n->base.validity = stamp_now() != was.validity ? stamp_now() : was.validity + 1;
	n->next = was.next;
	n->last = 0;
	n->first = true;
}

void onefile_number(struct onefile_numbers *n, int fd, const struct listing_rec *r, uint32_t *uid,
		    struct header_base *base)
{
	struct header_seen seen;
	bool offends = false;

	if (!header_look(&seen, fd, r->pos, r->raw))
		return;
	*uid = choose(n, &seen, &offends);
	if (n->first)
		*base = n->base;
	n->first = false;
}
