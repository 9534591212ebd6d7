/* auth/record.c - what records of all modules have in common, see module.h */
#include "auth/module.h"

enum err record_mailbox(struct record *r, const char *pattern, struct conf_var var, struct why *why)
{
	struct buf b = BUF(r->mailbox_text);
	enum err err = conf_expand(&b, slice_str(pattern), &var, 1, NULL, why);

	r->mailbox = buf_slice(&b);
	if (err == OK && (b.full || r->mailbox.n > URL_MOST))
		err = fail(why, ERR_PERM, "%s: the mailbox has too long a name", r->place);
	return err;
}
