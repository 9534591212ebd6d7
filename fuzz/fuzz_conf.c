/* fuzz/fuzz_conf.c - configuration files, --set, templates and specifications, from any octets
 *
 * What is read and printed is read as the same again. Nothing is looked up in a network: servers and access lists, whose
 * addresses may be names, are left out before statements are applied. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/apply.h"
#include "conf/expand.h"

enum { ARENA_MOST = 16 << 20 };

/* The statements of a text as tree_dump prints them; NULL: there was a mistake in them. */
static char *dump(struct slice text, FILE *err)
{
	struct report report = {.f = err, .program = "fuzz"};
	struct arena *arena = arena_new(ARENA_MOST);
	struct tree t;
	char *out = NULL;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	if (!arena || !f)
		abort();
	tree_init(&t, arena, &report);
	tree_parse(&t, &t.first, NULL, text);
	tree_dump(f, t.first);
	fclose(f);
	arena_free(arena);
	if (report.errors + report.warnings > 0 || t.no_memory) {
		free(out);
		return NULL;
	}
	return out;
}

static void read_twice(struct slice text, FILE *err)
{
	char *once = dump(text, err), *twice = once ? dump(slice_str(once), err) : NULL;

	if (once) {
		must(twice);
		must(strcmp(once, twice) == 0);
	}
	free(once);
	free(twice);
}

static bool has_addresses(const struct node *n)
{
	return strcmp(n->keyword, "server") == 0 || strcmp(n->keyword, "acl") == 0;
}

static void read_and_apply(struct slice text, const char *setting, FILE *err)
{
	struct report report = {.f = err, .program = "fuzz"};
	struct arena *arena = arena_new(ARENA_MOST);
	struct conf *cf = conf_default();
	struct apply a = {.cf = cf, .report = &report};
	struct tree t;

	if (!arena || !cf)
		abort();
	tree_init(&t, arena, &report);
	tree_parse(&t, &t.first, "f", text);
	tree_set(&t, "pop3d", setting);
	for (struct node **n = &t.first; *n;)
		if (has_addresses(*n))
			*n = (*n)->next;
		else
			n = &(*n)->next;
	mark_secrets(t.first);
	tree_dump(err, t.first);
	if (!t.no_memory)
		apply_tree(&a, &t);
	conf_free(cf);
	arena_free(arena);
}

/* The languages within values. */
static void read_values(struct slice text)
{
	static const struct conf_var vars[] = {{"user", {"bob", 3}}};
	struct conf_debug debug = {{0}};
	char expanded[4096];
	struct buf out = BUF(expanded);
	uint64_t seconds;

	(void)conf_expand(&out, text, vars, 1, NULL, NULL);
	(void)expand_check(text, true, NULL);
	(void)conf_debug_spec(&debug, text, NULL);
	(void)time_parse(text, &seconds, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static FILE *err;
	struct slice text = {(const char *)data, n};

	if (!err && !(err = fopen("/dev/null", "w")))
		abort();
	read_values(text);
	if (slice_find(text, '\0') < text.n)
		return 0; /* such a file is refused before it is read */
	struct slice rest = text, line = slice_take(&rest, '\n');
	char *setting = strndup(line.p ? line.p : "", line.n);

	if (!setting)
		abort();
	read_twice(text, err);
	read_and_apply(text, setting, err);
	free(setting);
	return 0;
}
