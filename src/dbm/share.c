/* dbm/share.c - what is text (driver.h) */
#include "dbm/driver.h"

static bool is_text(struct slice text, size_t most)
{
	return text.n <= most && slice_find(text, '\0') == text.n;
}

bool dbm_is_key(struct slice text)
{
	return text.n > 0 && is_text(text, DBM_KEY_MOST);
}

bool dbm_is_value(struct slice text)
{
	return is_text(text, DBM_VALUE_MOST);
}

enum err dbm_take(const struct dbm *db, struct slice stored, struct buf *value, struct why *why)
{
	if (!dbm_is_value(stored))
		return fail(why, ERR_PERM, "%s: a record that is no text", db->name.path);
	buf_put(value, stored);
	return value->full ? fail(why, ERR_PERM, "%s: a value of %zu octets is too long", db->name.path, stored.n) : OK;
}
