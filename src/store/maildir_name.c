/* store/maildir_name.c - see maildir_name.h */
#include "store/maildir_name.h"

#include <string.h>

/* Digits at the front of text; what does not fit is the greatest number. */
uint64_t maildir_name_number(struct slice text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(text.p[i] - '0'), &n))
			return UINT64_MAX;
	return n;
}

/* The number behind a letter of the unique part, as in M12345P678Q9; 0 where it is not there. */
static uint64_t number_behind(struct slice text, char letter)
{
	for (size_t i = 0; i + 1 < text.n; i++)
		if (text.p[i] == letter && text.p[i + 1] >= '0' && text.p[i + 1] <= '9')
			return maildir_name_number((struct slice){text.p + i + 1, text.n - i - 1});
	return 0;
}

static bool is_all(struct slice text, const char *set)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\0' || !strchr(set, text.p[i]))
			return false;
	return true;
}

/* ,S= stored octets, ,W= wire octets, ,u= and ,a= Mailutils' UID and attributes. */
static bool take_field(struct maildir_name *n, struct slice field)
{
	if (field.n < 2 || field.p[1] != '=')
		return false;
	struct slice value = {field.p + 2, field.n - 2};

	if (field.p[0] == 'a')
		return is_all(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	if (value.n == 0 || !is_all(value, "0123456789"))
		return false;
	if (field.p[0] == 'S')
		n->stored = maildir_name_number(value);
	if (field.p[0] == 'W')
		n->wire = maildir_name_number(value);
	return field.p[0] == 'S' || field.p[0] == 'W' || field.p[0] == 'u';
}

static void put(struct maildir_name *n, struct slice text)
{
	if (text.n > 0)
		memcpy(n->stable + n->stable_len, text.p, text.n);
	n->stable_len = (uint16_t)(n->stable_len + text.n);
}

void maildir_name_parse(struct maildir_name *n, struct slice name)
{
	if (name.n > NAME_OCTETS)
		name.n = NAME_OCTETS;
	const char *flags = name.n > 0 ? memmem(name.p, name.n, ":2,", 3) : NULL;
	struct slice rest = {name.p, flags ? (size_t)(flags - name.p) : name.n};
	struct slice unique = rest;

	n->stored = n->wire = CLAIM_NONE;
	n->stable_len = 0;
	n->number = maildir_name_number(rest);
	slice_take(&unique, '.');
	unique = slice_take(&unique, '.');
	n->m = number_behind(unique, 'M');
	n->q = number_behind(unique, 'Q');
	bool more = slice_find(rest, ',') < rest.n;

	put(n, slice_take(&rest, ','));
	while (more) {
		more = slice_find(rest, ',') < rest.n;
		struct slice field = slice_take(&rest, ',');

		if (take_field(n, field))
			continue;
		put(n, SLICE(","));
		put(n, field);
	}
}
