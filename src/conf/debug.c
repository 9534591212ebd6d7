/* conf/debug.c - debugging specifications (kinds.h)
 *
 *	SPEC = item { ";" item }
 *	item = "!" CATEGORY | CATEGORY [ "." lev { "," lev } ]
 *	lev  = [ "!" ] ( LEVEL | "=" LEVEL | LEVEL "-" LEVEL )
 *
 * LEVEL alone is all from error up to it. What is not understood is told and left out: a misspelt category must not keep
 * a server from starting. */
#include <string.h>

#include "conf/kinds.h"

const char *const conf_debug_category[CONF_DEBUG_CATEGORIES] = {
	"address",   "attribute", "auth",     "body",   "config",  "envelope", "filter",  "folder",
	"header",    "iterator",  "list",     "locker", "mailbox", "mailer",   "message", "mime",
	"mimetypes", "mailcap",   "property", "remote", "stream",  "ticket",   "url",     "wicket",
	"assoc",     "acl",       "server",   "tls",    "app",     "imap4d",   "pop3d",
};

enum { EVERY_LEVEL = (1 << DEBUG_LEVELS) - 1 };

static int level_find(struct slice name, struct why *why)
{
	struct slice digits = {name.p, name.n};
	uint32_t n;

	if (slice_eq(name, SLICE("error")))
		return DEBUG_ERROR;
	if (slice_eq(name, SLICE("prot")))
		return DEBUG_PROT;
	if (slice_starts(name, SLICE("trace"))) {
		digits.p += 5;
		digits.n -= 5;
		if (slice_u32(digits, &n)) {
			if (n <= 9 && digits.n == 1)
				return DEBUG_TRACE0 + (int)n;
			fail(why, ERR_PERM, "invalid level: %.*s", (int)(name.n < 64 ? name.n : 64), name.p);
			return -1;
		}
	}
	fail(why, ERR_PERM, "unknown level `%.*s'", (int)(name.n < 64 ? name.n : 64), name.p);
	return -1;
}

/* The bits of the levels from..to. */
static uint16_t level_bits(int from, int to)
{
	uint16_t bits = 0;

	for (int i = from; i <= to; i++)
		bits |= (uint16_t)(1U << i);
	return bits;
}

static enum err level_apply(uint16_t *levels, struct slice text, struct why *why)
{
	bool off = slice_starts(text, SLICE("!"));

	if (off)
		slice_take(&text, '!');
	struct slice last = text;
	struct slice first = slice_take(&last, '-');
	bool range = first.n < text.n, only = slice_starts(first, SLICE("="));

	if (only)
		slice_take(&first, '=');
	int from = level_find(first, why);
	int to = range ? level_find(last, why) : from;

	if (from < 0 || to < 0)
		return ERR_PERM;
	uint16_t bits = range ? level_bits(from < to ? from : to, from < to ? to : from)
			      : level_bits(only ? from : DEBUG_ERROR, from);

	*levels = off ? *levels & (uint16_t)~bits : *levels | bits;
	return OK;
}

static enum err levels_apply(uint16_t *levels, bool off, bool some, struct slice list, struct why *why)
{
	enum err err = OK, one;

	if (!some)
		*levels = off ? 0 : EVERY_LEVEL;
	while (some && list.n > 0) {
		one = level_apply(levels, slice_trim(slice_take(&list, ',')), why);
		err = err == OK ? one : err;
	}
	return err;
}

/* All that is right is applied; `why` has the first that is not. */
static enum err item_apply(struct conf_debug *d, struct slice item, struct why *why)
{
	bool off = slice_starts(item, SLICE("!"));
	enum err err = OK;
	bool known = false;

	if (off)
		slice_take(&item, '!');
	struct slice list = item;
	struct slice category = slice_trim(slice_take(&list, '.'));
	bool all = slice_eq(category, SLICE("all")), some = slice_find(item, '.') < item.n;

	for (size_t i = 0; i < CONF_DEBUG_CATEGORIES; i++) {
		if (all || slice_eq(category, slice_str(conf_debug_category[i]))) {
			known = true;
			err = levels_apply(&d->levels[i], off, some, list, why);
		}
	}
	if (!known)
		return fail(why, ERR_PERM, "unknown category: %.*s", (int)(category.n < 64 ? category.n : 64),
			    category.p);
	return err;
}

enum err conf_debug_spec(struct conf_debug *d, struct slice spec, struct why *why)
{
	struct why ignored;
	enum err err = OK, one;

	while (spec.n > 0) {
		struct slice item = slice_trim(slice_take(&spec, ';'));

		if (item.n == 0)
			continue;
		one = item_apply(d, item, err == OK ? why : &ignored);
		err = err == OK ? one : err;
	}
	return err;
}

enum err debug_parse(struct setting *s, struct why *why)
{
	struct why unknown;

	if (s->values->next || !s->values->text)
		return fail(why, ERR_PERM, "expected string value");
	if (conf_debug_spec(s->member, slice_str(s->values->text), &unknown) != OK)
		report_warning(s->report, s->at, "%s", unknown.text);
	return OK;
}
