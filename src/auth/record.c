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

/* The directory that a + or = at the beginning of a name stands for. */
static enum err put_folder(struct buf *b, const struct record *r, const char *folder, struct why *why)
{
	if (folder[0] != '/') {
		if (r->home.n == 0)
			return fail(why, ERR_PERM, "%s: no home, in which folder `%s' would be", r->place, folder);
		buf_put(b, r->home);
		buf_char(b, '/');
	}
	buf_str(b, folder);
	buf_char(b, '/');
	return OK;
}

enum err record_mailbox(struct record *r, const struct conf_mailbox *m, struct conf_var var, struct why *why)
{
	struct buf b = BUF(r->mailbox_text);
	bool in_folder = conf_mailbox_in_folder(m);
	enum err err = in_folder ? put_folder(&b, r, m->folder, why) : OK;

	if (err == OK)
		err = conf_expand(&b, slice_str(m->pattern + in_folder), &var, 1, NULL, why);
	r->mailbox = buf_slice(&b);
	if (err == OK && (b.full || r->mailbox.n > URL_MOST))
		err = fail(why, ERR_PERM, "%s: the mailbox has too long a name", r->place);
	return err;
}
