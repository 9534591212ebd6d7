/* auth/record.c - what records of all modules have in common, see module.h */
#include "auth/module.h"

bool quota_read(struct slice text, uint64_t *out)
{
	static const struct {
		char letter;
		unsigned shift;
	} units[] = {{'K', 10}, {'M', 20}, {'G', 30}, {'T', 40}};
	unsigned shift = 0;
	uint64_t n;

	text = slice_trim(text);
	if (text.n == 0 || slice_eq_nocase(text, SLICE("none"))) {
		*out = UINT64_MAX;
		return true;
	}
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if ((text.p[text.n - 1] & ~0x20) == units[i].letter)
			shift = units[i].shift;
	text.n -= shift > 0;
	if (!slice_u64(text, &n) || n > UINT64_MAX >> shift)
		return false;
	*out = n << shift;
	return true;
}

enum err record_mailbox(struct record *r, const char *pattern, struct conf_var var, struct why *why)
{
	struct buf b = BUF(r->mailbox_text);
	enum err err = conf_expand(&b, slice_str(pattern), &var, 1, NULL, why);

	r->mailbox = buf_slice(&b);
	if (err == OK && (b.full || r->mailbox.n > URL_MOST))
		err = fail(why, ERR_PERM, "%s: the mailbox has too long a name", r->place);
	return err;
}
