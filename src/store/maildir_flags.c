/* store/maildir_flags.c - the Maildir driver: names of messages as Mailutils gives them. See store/flags.h
 *
 *	UNIQUE[,FIELD=VALUE...],a=LETTERS,u=NUMBER:2,FLAGS
 *
 * Fields of others stay where they are, and so do letters and flags. */
#include <string.h>

#include "store/flags.h"
#include "store/maildir.h"

/* What a name consists of. */
struct parts {
	struct slice base, flags; /* before and behind ":2," */
	struct slice letters;     /* of ,a= */
	uint32_t uid;             /* of ,u=; 0: none */
};

/* A field that is ours to write again; false: another one, or none that is understood. */
static bool take(struct parts *p, struct slice field)
{
	if (field.n < 2 || field.p[1] != '=')
		return false;
	const struct slice value = {field.p + 2, field.n - 2};

	if (field.p[0] == 'a') {
		for (size_t i = 0; i < value.n; i++)
			if (flags_letter(value.p[i]) == 0)
				return false;
		p->letters = value;
		return true;
	}
	return field.p[0] == 'u' && slice_u32(value, &p->uid);
}

/* Appends the base without these fields to `b', which may be NULL. */
static void parse(struct parts *p, struct slice name, struct buf *b)
{
	const char *info = memmem(name.p, name.n, ":2,", 3);

	*p = (struct parts){.base = {name.p, info ? (size_t)(info - name.p) : name.n}};
	if (info)
		p->flags = (struct slice){info + 3, name.n - p->base.n - 3};
	struct slice rest = p->base;
	bool first = true;

	while (rest.n > 0) {
		struct slice field = slice_take(&rest, ',');

		if (!first && take(p, field))
			continue;
		if (b && !first)
			buf_char(b, ',');
		if (b)
			buf_put(b, field);
		first = false;
	}
}

uint32_t maildir_uid(struct slice name)
{
	struct parts p;

	parse(&p, name, NULL);
	return p.uid;
}

bool maildir_flagged_name(struct slice name, uint32_t uid, bool read, char to[NAME_OCTETS + 1])
{
	struct buf b = {.p = to, .cap = NAME_OCTETS};
	uint64_t letters = flags_letter('O');
	char text[FLAGS_LETTERS];
	struct parts p;
	size_t i = 0;

	parse(&p, name, &b);
	for (size_t k = 0; k < p.letters.n; k++)
		letters |= flags_letter(p.letters.p[k]);
	buf_str(&b, ",a=");
	buf_put(&b, (struct slice){text, flags_text(letters, text)});
	buf_str(&b, ",u=");
	buf_u64(&b, p.uid > 0 ? p.uid : uid);
	buf_str(&b, ":2,");
	read = read && (p.flags.n == 0 || !memchr(p.flags.p, 'S', p.flags.n));
	while (read && i < p.flags.n && p.flags.p[i] < 'S') /* in their order */
		buf_char(&b, p.flags.p[i++]);
	if (read)
		buf_char(&b, 'S');
	for (; i < p.flags.n; i++)
		buf_char(&b, p.flags.p[i]);
	to[b.len] = '\0';
	return !b.full;
}
