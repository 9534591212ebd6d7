/* store/uidl_format.c - see uidl_format.h */
#include "store/uidl_format.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/uidl.h"
#include "store/uidl_header.h"

bool uidl_format_is_computed(const struct maildrop_setup *setup)
{
	return !setup->uidl_format || strcmp(setup->uidl_format, "auto") == 0;
}

const char *uidl_format_pattern(const char *format, const char *pattern)
{
	static const char *const same[][2] = {{"courier", "UID%u-%v"}, {"cyrus", "%v.%u"}, {"basename", "%f"}};

	if (strcmp(format, "dovecot") == 0)
		return pattern;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		if (strcmp(format, same[i][0]) == 0)
			return same[i][1];
	return NULL;
}

bool uidl_is_sane(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < 0x21 || text.p[i] > 0x7E)
			return false;
	return text.n >= 1 && text.n <= UIDL_MOST;
}

/* GUIDs are Dovecot's: the file's name where there is one, else %m. */
enum err uidl_facts_of(const struct maildrop *md, const struct scan *scan, uint32_t i, struct uidl_facts *facts,
		       struct why *why)
{
	static char digits[33];
	struct slice head;

	facts->name = facts->guid = uidl_base_name(scan_name(scan, i));
	facts->md5 = (struct slice){0};
	if (facts->name.n > 0)
		return OK;
	enum err err = uidl_header_read(md, scan, i, &head, why);

	if (err == OK && uidl_header_md5(head, UIDL_MD5_DOVECOT, digits))
		facts->md5 = facts->guid = slice_str(digits);
	return err;
}

static enum err put_pattern(const struct maildrop *md, const struct scan *now, uint32_t i, const char *pattern,
			    struct uidl_numbers *numbers, struct buf *out, struct why *why)
{
	struct uidl_facts facts = {.number = numbers->next, .validity = numbers->validity};
	bool numbered;
	enum err err = OK;

	if (!uidl_pattern_is(slice_str(pattern), &numbered))
		return OK;
	if (numbered && numbers->next == 0) {
		numbers->validity = facts.validity = (uint64_t)(clock_wall_ns() / 1000000000);
		numbers->next = facts.number = 1;
	}
	if (strpbrk(pattern, "mfg"))
		err = uidl_facts_of(md, now, i, &facts, why);
	if (err != OK || !uidl_pattern_put(out, slice_str(pattern), &facts))
		buf_rewind(out, 0);
	numbers->next += numbered;
	return err;
}

/* Mailutils' form, with our hash for its MD5. A header X-UIDL that is right counts before that. */
static void put_mailutils(const struct listing_rec *r, struct uidl_numbers *numbers, struct buf *out)
{
	if (uidl_is_mailutils(listing_uidl(r)) || r->uidl_len != UIDL_DIGITS)
		return;
	if (numbers->next == 0)
		*numbers = (struct uidl_numbers){(uint64_t)(clock_wall_ns() / 1000000000), 1};
	buf_put(out, listing_uidl(r));
	buf_char(out, '.');
	buf_u64(out, numbers->validity);
	buf_char(out, '.');
	buf_u64(out, numbers->next++);
}

static enum err put_md5(const struct maildrop *md, const struct scan *now, uint32_t i, struct buf *out, struct why *why)
{
	char digits[33];
	struct slice head;
	enum err err = uidl_header_read(md, now, i, &head, why);

	if (err == OK && uidl_header_md5(head, UIDL_MD5_POPA3D, digits))
		buf_str(out, digits);
	return err;
}

enum err uidl_format_name(const struct maildrop *md, struct scan *now, uint32_t i, struct uidl_numbers *numbers,
			  struct why *why)
{
	const struct maildrop_setup *setup = md->setup;
	char text[UIDL_MOST + 1];
	struct buf out = BUF(text);
	enum err err = OK;

	if (uidl_format_is_computed(setup))
		return OK;
	const char *pattern = uidl_format_pattern(setup->uidl_format, setup->uidl_pattern);

	if (pattern)
		err = put_pattern(md, now, i, pattern, numbers, &out, why);
	else if (strcmp(setup->uidl_format, "mailutils") == 0)
		put_mailutils(&now->rec[i], numbers, &out);
	else
		err = put_md5(md, now, i, &out, why);
	if (err == OK && !out.full && uidl_is_sane(buf_slice(&out)))
		uidl_set(&now->rec[i], buf_slice(&out));
	return err;
}
