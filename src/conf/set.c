/* conf/set.c - --set PATH=VALUE (tree.h)
 *
 *	PATH  = [ sep ] component { sep component }
 *	sep   = "." or, where PATH begins with another punctuation character, that; repeated ones are one
 *	component = keyword [ "=" tag ]; `\' takes the next character as it is, '"' and "'" all up to the next one
 *
 * The last `=' outside of quotes is before the value. A `\' in front of all makes the rest one component. Blocks that are
 * there are used, with the same tag where one is given; others are made. */
#include <string.h>

#include "conf/lex.h"
#include "conf/tree.h"

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

/* Octets of a quoted text with its quotes, or of `\' and what follows; 1 for any other character. */
static size_t unit_octets(struct slice text)
{
	if (text.p[0] == '\\')
		return text.n > 1 ? 2 : 1;
	if (!is_quote(text.p[0]))
		return 1;
	size_t n = 1 + slice_find((struct slice){text.p + 1, text.n - 1}, text.p[0]);

	return n < text.n ? n + 1 : text.n;
}

static void drop(struct slice *text, size_t n)
{
	text->p += n;
	text->n -= n;
}

/* Position of the last `c` outside of quotes and not escaped, or of the first; text.n: there is none. */
static size_t find_outside(struct slice text, char c, bool last)
{
	size_t found = text.n;

	for (size_t i = 0; i < text.n; i += unit_octets((struct slice){text.p + i, text.n - i})) {
		if (text.p[i] == c && (last || found == text.n))
			found = i;
	}
	return found;
}

/* A copy without quotes and escaping backslashes. */
static char *plain(struct tree *t, struct slice text)
{
	char *s = arena_zero(t->arena, text.n + 1), *to = s;

	if (!s)
		t->no_memory = true;
	while (s && text.n > 0) {
		size_t n = unit_octets(text);
		bool quoted = n > 1 && is_quote(text.p[0]), escaped = n == 2 && text.p[0] == '\\';
		size_t end = n - (quoted && text.p[n - 1] == text.p[0]);

		for (size_t i = quoted || escaped; i < end; i++)
			*to++ = text.p[i];
		drop(&text, n);
	}
	return s;
}

static struct value *value_new(struct tree *t, struct slice text)
{
	struct value *v = arena_zero(t->arena, sizeof *v);
	bool quoted = text.n > 1 && is_quote(text.p[0]) && unit_octets(text) == text.n;

	if (v)
		v->text = quoted ? plain(t, text) : arena_str(t->arena, text);
	if (!v || !v->text)
		t->no_memory = true;
	return v;
}

/* "(a, b)" is a list, anything else one value; an empty text is none. */
static struct value *value_parse(struct tree *t, struct slice text)
{
	struct value *list, **end;

	if (text.n == 0)
		return NULL;
	if (text.n < 3 || text.p[0] != '(' || text.p[text.n - 1] != ')')
		return value_new(t, text);
	list = arena_zero(t->arena, sizeof *list);
	if (!list) {
		t->no_memory = true;
		return NULL;
	}
	end = &list->item;
	for (text = (struct slice){text.p + 1, text.n - 2}; text.n > 0 && !t->no_memory;) {
		size_t n = find_outside(text, ',', false);

		*end = value_new(t, slice_trim((struct slice){text.p, n}));
		if (*end)
			end = &(*end)->next;
		drop(&text, n < text.n ? n + 1 : n);
	}
	return list;
}

/* Behind the last statement of the list: a new one with this keyword and label. */
static struct node *node_add(struct tree *t, struct node **list, struct slice keyword, struct value *values)
{
	struct node *n = arena_zero(t->arena, sizeof *n);

	if (!n) {
		t->no_memory = true;
		return NULL;
	}
	n->keyword = plain(t, keyword);
	n->values = values;
	if (t->no_memory)
		return NULL;
	*node_end(list) = n;
	return n;
}

/* The last block of the list that has this keyword and label; made where there is none. */
static struct node *block_enter(struct tree *t, struct node **list, struct slice component)
{
	size_t eq = find_outside(component, '=', false);
	struct slice keyword = {component.p, eq}, tag = {component.p + eq, component.n - eq};
	struct node *found = NULL;
	struct value *label = NULL;

	if (tag.n > 0) {
		drop(&tag, 1);
		label = arena_zero(t->arena, sizeof *label);
		if (label)
			label->text = plain(t, tag);
		t->no_memory |= !label;
	}
	for (struct node *n = *list; n && !t->no_memory; n = n->next) {
		const char *has = node_text(n);
		bool same = label ? has && strcmp(has, label->text) == 0 : !n->values;

		if (n->block && same && slice_eq(slice_str(n->keyword), keyword))
			found = n;
	}
	if (!found && !t->no_memory) {
		found = node_add(t, list, keyword, label);
		if (found)
			found->block = true;
	}
	return found;
}

static bool is_program(struct slice component)
{
	return slice_starts(component, SLICE("program="));
}

/* Walks from block to block; what is left is the keyword. */
static void set_at(struct tree *t, const char *program, struct slice path, char sep, struct value *values)
{
	struct node **list = &t->first;
	unsigned depth = 0;

	while (!t->no_memory) {
		size_t n = sep ? find_outside(path, sep, false) : path.n;
		struct slice component = {path.p, n};

		drop(&path, n);
		while (sep && path.n > 0 && path.p[0] == sep)
			drop(&path, 1);
		if (path.n == 0) {
			node_add(t, list, component, values);
			return;
		}
		if (depth == 0 && is_program(component)) {
			drop(&component, sizeof "program=" - 1);
			if (!slice_eq(slice_str(plain(t, component)), slice_str(program)))
				return; /* of another program */
			continue;
		}
		if (++depth > NESTING_MOST) {
			report_error(t->report, NULL, "--set: blocks are nested too deeply");
			return;
		}
		struct node *block = block_enter(t, list, component);

		if (!block)
			return;
		list = &block->child;
	}
}

static bool is_separator(char c)
{
	return c && strchr("!#$%&*+,-./:;<>?@^|~", c);
}

void tree_set(struct tree *t, const char *program, const char *setting)
{
	struct slice text = slice_str(setting);
	size_t eq = find_outside(text, '=', true);
	struct slice path = {text.p, eq}, value = {text.p + eq, text.n - eq};
	char sep = '.';

	if (path.n == 0 || value.n == 0)
		return; /* as Mailutils: nothing is said */
	drop(&value, 1);
	if (path.p[0] == '\\') {
		drop(&path, 1);
		sep = '\0';
	} else if (is_separator(path.p[0])) {
		sep = path.p[0];
	}
	while (sep && path.n > 0 && path.p[0] == sep)
		drop(&path, 1);
	while (sep && path.n > 0 && path.p[path.n - 1] == sep)
		path.n--;
	if (path.n > 0)
		set_at(t, program, path, sep, value_parse(t, value));
}
