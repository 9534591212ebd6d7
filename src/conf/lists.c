/* conf/lists.c - values that are lists, or texts with parts: checks, maps, chains, times, flags (kinds.h) */
#include <string.h>

#include "conf/kinds.h"
#include "conf/safety.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

struct slice word_take(struct slice *text)
{
	while (text->n > 0 && is_blank(text->p[0])) {
		text->p++;
		text->n--;
	}
	struct slice word = {text->p, 0};

	while (word.n < text->n && !is_blank(text->p[word.n]))
		word.n++;
	text->p += word.n;
	text->n -= word.n;
	return word;
}

void *array_room(struct arena *arena, void *old, size_t n, size_t octets)
{
	if (n > 0 && (n & (n - 1)) != 0)
		return old;
	char *more = arena_zero(arena, (n > 0 ? n * 2 : 1) * octets);

	if (more && n > 0)
		memcpy(more, old, n * octets);
	return more;
}

bool conf_list_has(const struct conf_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->item[i], name) == 0)
			return true;
	return false;
}

enum err each_text(struct setting *s, char sep, enum err (*fn)(struct setting *s, struct slice text, struct why *why),
		   struct why *why)
{
	enum err err = OK;

	for (const struct value *v = s->values; v && err == OK; v = v->next) {
		bool list = !v->text;

		for (const struct value *i = list ? v->item : v; i && err == OK; i = list ? i->next : NULL) {
			struct slice rest = slice_str(i->text);

			if (!i->text)
				return fail(why, ERR_PERM, "expected string value");
			do
				err = fn(s, slice_take(&rest, sep), why);
			while (err == OK && rest.n > 0);
		}
	}
	return err;
}

/* Blanks separate too: defaults in the table are written so. */
static enum err checks_add(struct setting *s, struct slice text, struct why *why)
{
	struct conf_checks *checks = s->member;
	enum err err = OK;
	struct slice word = word_take(&text);

	do
		err = safety_word(word, &checks->bits, why);
	while (err == OK && (word = word_take(&text)).n > 0);
	return err;
}

enum err checks_parse(struct setting *s, struct why *why)
{
	struct conf_checks before = *(struct conf_checks *)s->member;
	enum err err = each_text(s, '\0', checks_add, why);

	if (err != OK)
		*(struct conf_checks *)s->member = before;
	return err;
}

static enum err pair_add(struct setting *s, struct slice text, struct why *why)
{
	static const char *const fields[] = {"name", "passwd", "uid",     "gid",  "gecos",
					     "dir",  "shell",  "mailbox", "quota"};
	struct conf_map *map = s->member;
	struct slice value = text;
	struct slice name = slice_take(&value, '=');
	bool known = false;

	if (name.n == text.n || name.n == 0)
		return fail(why, ERR_PERM, "error near %.*s: Parse error", (int)(text.n < 64 ? text.n : 64), text.p);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		known |= slice_eq(slice_str(fields[i]), name);
	if (!known) /* Mailutils takes any name */
		report_warning(s->report, s->at, "no user record has a field `%.*s'", (int)(name.n < 64 ? name.n : 64),
			       name.p);
	struct conf_pair pair = {arena_str(s->arena, name), arena_str(s->arena, value)};

	if (!pair.name || !pair.value)
		return fail(why, ERR_TEMP, "not enough memory");
	for (size_t i = 0; i < map->n; i++) {
		if (strcmp(map->pair[i].name, pair.name) == 0) {
			map->pair[i] = pair;
			return OK;
		}
	}
	struct conf_pair *more = array_room(s->arena, map->pair, map->n, sizeof *more);

	if (!more)
		return fail(why, ERR_TEMP, "not enough memory");
	more[map->n] = pair;
	*map = (struct conf_map){more, map->n + 1};
	return OK;
}

/* A map that is given stands instead of the one before. */
enum err map_parse(struct setting *s, struct why *why)
{
	struct conf_map before = *(struct conf_map *)s->member;

	*(struct conf_map *)s->member = (struct conf_map){0};
	enum err err = each_text(s, ':', pair_add, why);

	if (err != OK)
		*(struct conf_map *)s->member = before;
	return err;
}

static enum err module_add(struct setting *s, struct slice name, struct why *why)
{
	struct conf_list *chain = s->member;
	const struct module *m = module_find(name);

	if (slice_eq(name, SLICE("clear"))) {
		chain->n = 0;
		return OK;
	}
	if (!m) {
		s->unknown_module = true;
		return fail(why, ERR_PERM, "no such module: %.*s", (int)(name.n < 64 ? name.n : 64), name.p);
	}
	const char **more = array_room(s->arena, chain->item, chain->n, sizeof *more);

	if (!more)
		return fail(why, ERR_TEMP, "not enough memory");
	more[chain->n] = m->alias_of ? m->alias_of : m->name;
	chain->item = more;
	chain->n++;
	return OK;
}

static void place_keep(struct setting *s, const char **file, unsigned *line)
{
	*file = s->at && s->at->file ? arena_str(s->arena, slice_str(s->at->file)) : NULL;
	*line = s->at ? s->at->from.line : 0;
}

enum err file_parse(struct setting *s, struct why *why)
{
	struct conf_file *f = s->member;
	const struct value *v = s->values;

	if (!v || v->next || !v->text)
		return fail(why, ERR_PERM, "expected string value");
	if (v->text[0] != '/')
		return fail(why, ERR_PERM, "Invalid argument");
	const char *path = arena_str(s->arena, slice_str(v->text));

	if (!path)
		return fail(why, ERR_TEMP, "not enough memory");
	f->path = path;
	place_keep(s, &f->file, &f->line);
	return OK;
}

/* Repeated statements append; the first that is given stands instead of the default. */
enum err chain_parse(struct setting *s, struct why *why)
{
	struct conf_list *chain = s->member, before = *chain;

	if (s->values->next)
		return fail(why, ERR_PERM, "expected string value");
	if (!chain->given)
		chain->n = 0;
	chain->given = true;
	enum err err = each_text(s, ':', module_add, why);

	if (err == OK)
		place_keep(s, &chain->file, &chain->line);
	if (err != OK)
		*chain = before;
	return err;
}

/* What stands before the port of a server that is asked; false: that is no host. */
static bool host_take(struct slice *rest, struct slice *host)
{
	bool bracketed = slice_starts(*rest, SLICE("["));
	size_t n = slice_find(*rest, bracketed ? ']' : ':');

	*host = (struct slice){rest->p + bracketed, n - bracketed};
	if (bracketed && n == rest->n)
		return false;
	n += bracketed;
	*rest = (struct slice){rest->p + n, rest->n - n};
	for (size_t i = 0; i < host->n; i++)
		if (is_blank(host->p[i]) || host->p[i] == '/' || host->p[i] == '[' || host->p[i] == ']')
			return false;
	return host->n > 0 && host->n < 256 && (rest->n == 0 || rest->p[0] == ':');
}

static enum err server_add(struct setting *s, struct slice text, struct why *why)
{
	struct conf_list *list = s->member;
	struct slice rest = text, host;
	uint32_t port = 1;

	if (!host_take(&rest, &host))
		return fail(why, ERR_PERM, "no such host: %.*s", (int)(text.n < 64 ? text.n : 64), text.p);
	if (rest.n > 0 && (!slice_u32((struct slice){rest.p + 1, rest.n - 1}, &port) || port < 1 || port > UINT16_MAX))
		return fail(why, ERR_PERM, "no such port: %.*s", (int)(rest.n < 64 ? rest.n : 64), rest.p);
	const char **more = array_room(s->arena, list->item, list->n, sizeof *more);
	const char *copy = arena_str(s->arena, text);

	if (!more || !copy)
		return fail(why, ERR_TEMP, "not enough memory");
	more[list->n] = copy;
	list->item = more;
	list->n++;
	list->given = true;
	return OK;
}

/* Repeated statements append. */
enum err servers_parse(struct setting *s, struct why *why)
{
	struct conf_list before = *(struct conf_list *)s->member;
	enum err err =
		s->values->next ? fail(why, ERR_PERM, "expected string value") : each_text(s, '\0', server_add, why);

	if (err != OK)
		*(struct conf_list *)s->member = before;
	return err;
}

/* PETR and digits, of old: nothing but warnings. */
enum err lock_flags_parse(struct setting *s, struct why *why)
{
	static const struct {
		char flag;
		const char *warning;
	} flags[] = {
		{'P', "applying legacy flag P, use pid-check instead"},
		{'E', "ignoring legacy flag E, use type external instead"},
		{'R', "ignoring legacy flag R, use retry-count instead"},
		{'T', "ignoring legacy flag T, use expire-timeout instead"},
	};
	const char *text = s->values->next ? NULL : s->values->text;

	if (!text)
		return fail(why, ERR_PERM, "expected string value");
	for (; *text; text++) {
		const char *warning = NULL;

		for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
			if (flags[i].flag == *text)
				warning = flags[i].warning;
		if (*text == 'P')
			s->cf->locking.pid_check = true;
		if (warning)
			report_warning(s->report, s->at, "%s", warning);
		else
			report_warning(s->report, s->at, "invalid lock flag `%c'", *text);
	}
	return OK;
}

/* Any beginning of a unit's name, in any case; `m' is minutes. 0: it is none. */
static uint64_t unit_seconds(struct slice word)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {
		{"seconds", 1},  {"minutes", 60},   {"hours", 3600},
		{"days", 86400}, {"weeks", 604800}, {"months", (uint64_t)31 * 86400}, /* Mailutils: 31 weeks */
	};

	for (size_t i = 0; i < sizeof units / sizeof units[0] && word.n > 0; i++)
		if (word.n <= strlen(units[i].name) && slice_eq_nocase((struct slice){units[i].name, word.n}, word))
			return units[i].seconds;
	return 0;
}

static enum err bad_time(struct slice near, struct why *why)
{
	return fail(why, ERR_PERM, "invalid time specification near %.*s", (int)(near.n < 64 ? near.n : 64), near.p);
}

/* NUMBER [UNIT], or UNIT alone, again and again, with blanks between all of them. */
enum err time_parse(struct slice text, uint64_t *seconds, struct why *why)
{
	uint64_t sum = 0;

	for (struct slice word = word_take(&text); word.n > 0; word = word_take(&text)) {
		struct slice near = {word.p, word.n + text.n};
		size_t digits = 0;
		uint64_t n = 1, unit = 1, part;

		while (digits < word.n && word.p[digits] >= '0' && word.p[digits] <= '9')
			digits++;
		if (digits > 0) {
			near = (struct slice){near.p + digits, near.n - digits};
			if (digits < word.n)
				return bad_time(near, why);
			if (!slice_u64(word, &n))
				return fail(why, ERR_PERM, "Numerical result out of range");
			word = word_take(&text);
			near = (struct slice){word.p, word.n + text.n};
		}
		if (digits == 0 || word.n > 0)
			unit = unit_seconds(word);
		if (unit == 0)
			return bad_time(near, why);
		if (__builtin_mul_overflow(n, unit, &part) || __builtin_add_overflow(sum, part, &sum))
			return fail(why, ERR_PERM, "Numerical result out of range");
	}
	*seconds = sum;
	return OK;
}
