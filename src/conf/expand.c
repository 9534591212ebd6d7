/* conf/expand.c - see expand.h
 *
 *	$name ${name}		the variable; nothing when it is unset
 *	${name:-word}		word when it is unset or empty; without the colon, here and below: only when unset
 *	${name:=word}		the same, and it keeps that value to the end of the template
 *	${name:?word}		fails with word when it is unset or empty
 *	${name:+word}		word when it is neither
 *	$(localpart ADDRESS)	what stands before the last @
 *	$(domainpart ADDRESS)	and behind it
 *	$(shell COMMAND)	what the shell's COMMAND writes, newlines as blanks; COMMAND itself is not expanded
 *
 * Words and addresses are expanded in turn. A `$' before anything else stands for itself. */
#include "conf/expand.h"

#include <string.h>

enum { DEPTH_MOST = 16, ASSIGNED_MOST = 8, WORD_OCTETS = 4096 };

struct expansion {
	const struct conf_var *vars;
	size_t nvars;
	struct conf_var assigned[ASSIGNED_MOST]; /* by := */
	size_t nassigned;
	char store[WORD_OCTETS]; /* their values */
	struct buf stored;
	const struct conf_shell *shell;
	bool checking;      /* only whether it can be done: nothing is run, and nothing is known to be unset */
	struct slice whole; /* for messages */
	struct why *why;
};

static enum err expand(struct expansion *x, struct buf *out, struct slice text, unsigned depth);

static enum err cannot(struct expansion *x, const char *reason, struct slice about)
{
	return fail(x->why, ERR_PERM, "cannot expand line `%.*s': %.*s%s%s", (int)(x->whole.n < 100 ? x->whole.n : 100),
		    x->whole.p, (int)(about.n < 60 ? about.n : 60), about.p ? about.p : "", about.n ? ": " : "",
		    reason);
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static size_t name_octets(struct slice text)
{
	size_t n = 0;

	while (n < text.n && is_name_char(text.p[n]))
		n++;
	return n;
}

/* Octets up to the bracket that closes the one before text; text.n when it is not closed. */
static size_t find_close(struct slice text, char open, char close)
{
	unsigned level = 1;

	for (size_t i = 0; i < text.n; i++) {
		level += text.p[i] == open;
		level -= text.p[i] == close;
		if (level == 0)
			return i;
	}
	return text.n;
}

static const struct conf_var *var_find(const struct expansion *x, struct slice name)
{
	for (size_t i = x->nassigned; i > 0; i--)
		if (slice_eq(slice_str(x->assigned[i - 1].name), name))
			return &x->assigned[i - 1];
	for (size_t i = 0; i < x->nvars; i++)
		if (slice_eq(slice_str(x->vars[i].name), name))
			return &x->vars[i];
	return NULL;
}

/* Expands word into `out`, and keeps the result under the name. */
static enum err assign(struct expansion *x, struct buf *out, struct slice name, struct slice word, unsigned depth)
{
	size_t before = out->len;
	enum err err = expand(x, out, word, depth + 1);
	size_t start = x->stored.len;

	if (err != OK || out->full)
		return err;
	buf_put(&x->stored, name);
	buf_char(&x->stored, '\0');
	buf_put(&x->stored, (struct slice){out->p + before, out->len - before});
	if (x->stored.full || x->nassigned == ASSIGNED_MOST)
		return cannot(x, "too many or too long assignments", name);
	x->assigned[x->nassigned++] =
		(struct conf_var){.name = x->stored.p + start,
				  .value = {x->stored.p + start + name.n + 1, x->stored.len - start - name.n - 1}};
	return OK;
}

/* ${name:?word} */
static enum err complain(struct expansion *x, struct slice name, struct slice word, unsigned depth)
{
	char text[128];
	struct buf b = {.p = text, .cap = sizeof text - 1};

	if (x->checking)
		return OK;
	if (expand(x, &b, word, depth + 1) != OK)
		b.len = 0;
	text[b.len] = '\0';
	return fail(x->why, ERR_PERM, "%.*s: %s", (int)(name.n < 60 ? name.n : 60), name.p, text);
}

/* What stands between ${ and }. */
static enum err expand_braces(struct expansion *x, struct buf *out, struct slice inside, unsigned depth)
{
	struct slice name = {inside.p, name_octets(inside)};
	struct slice word = {inside.p + name.n, inside.n - name.n};
	const struct conf_var *v = var_find(x, name);
	bool colon = slice_starts(word, SLICE(":"));
	bool lacks = !v || (colon && v->value.n == 0);

	if (colon)
		slice_take(&word, ':');
	char op = word.n > 0 ? word.p[0] : '\0';

	if (name.n == 0 || (word.n > 0 && !strchr("-=?+", op)) || (word.n == 0 && colon))
		return cannot(x, "bad substitution", inside);
	if (word.n > 0)
		word = (struct slice){word.p + 1, word.n - 1};
	if (op == '+')
		return lacks ? OK : expand(x, out, word, depth + 1);
	if (lacks && op == '-')
		return expand(x, out, word, depth + 1);
	if (lacks && op == '=')
		return assign(x, out, name, word, depth);
	if (lacks && op == '?')
		return complain(x, name, word, depth);
	if (v)
		buf_put(out, v->value);
	return OK;
}

/* Expands an argument of a command: one word, perhaps in quotes. False in *one: there is none, or there are more. */
static enum err expand_argument(struct expansion *x, struct buf *out, struct slice args, unsigned depth, bool *one)
{
	args = slice_trim(args);
	bool quoted = args.n >= 2 && (args.p[0] == '"' || args.p[0] == '\'') && args.p[args.n - 1] == args.p[0];

	if (quoted)
		args = (struct slice){args.p + 1, args.n - 2};
	unsigned level = 0;

	*one = args.n > 0;
	for (size_t i = 0; i < args.n && !quoted; i++) {
		level += args.p[i] == '(' || args.p[i] == '{';
		level -= level > 0 && (args.p[i] == ')' || args.p[i] == '}');
		if (level == 0 && (args.p[i] == ' ' || args.p[i] == '\t'))
			*one = false;
	}
	return *one ? expand(x, out, args, depth + 1) : OK;
}

static enum err expand_part(struct expansion *x, struct buf *out, struct slice name, struct slice args, unsigned depth)
{
	char text[WORD_OCTETS];
	struct buf address = BUF(text);
	bool one, local = slice_eq(name, SLICE("localpart"));
	enum err err = expand_argument(x, &address, args, depth, &one);

	if (err != OK)
		return err;
	if (!one || address.full)
		return cannot(x, one ? "too long" : "bad number of arguments", name);
	struct slice whole = buf_slice(&address);
	const char *at = whole.n ? memrchr(whole.p, '@', whole.n) : NULL;
	size_t n = at ? (size_t)(at - whole.p) : whole.n;

	if (local)
		buf_put(out, (struct slice){whole.p, n});
	else if (at)
		buf_put(out, (struct slice){at + 1, whole.n - n - 1});
	return OK;
}

/* What the command writes, without the last newline, others as blanks. */
static enum err expand_shell(struct expansion *x, struct buf *out, struct slice command)
{
	char text[WORD_OCTETS];
	struct buf written = BUF(text);

	if (!x->shell)
		return cannot(x, "commands are not run here", SLICE("shell"));
	if (x->checking)
		return OK;
	enum err err = x->shell->run(x->shell->arg, slice_trim(command), &written, x->why);

	if (err != OK)
		return err;
	if (written.full)
		return cannot(x, "it writes too much", SLICE("shell"));
	if (written.len > 0 && text[written.len - 1] == '\n')
		written.len--;
	for (size_t i = 0; i < written.len; i++)
		buf_char(out, text[i] == '\n' ? ' ' : text[i]);
	return OK;
}

/* What stands between $( and ). */
static enum err expand_command(struct expansion *x, struct buf *out, struct slice inside, unsigned depth)
{
	inside = slice_trim(inside);
	struct slice name = {inside.p, name_octets(inside)};
	struct slice args = {inside.p + name.n, inside.n - name.n};

	if (slice_eq(name, SLICE("localpart")) || slice_eq(name, SLICE("domainpart")))
		return expand_part(x, out, name, args, depth);
	if (slice_eq(name, SLICE("shell")))
		return expand_shell(x, out, args);
	return cannot(x, "unknown function", name);
}

size_t expand_octets(struct slice text)
{
	char open = text.n > 1 && text.p[0] == '$' ? text.p[1] : '\0';

	if (open != '{' && open != '(')
		return 0;
	struct slice inside = {text.p + 2, text.n - 2};
	size_t n = find_close(inside, open, open == '{' ? '}' : ')');

	return n < inside.n ? n + 3 : 0;
}

/* Takes what a `$` begins off the front of text. */
static enum err expand_dollar(struct expansion *x, struct buf *out, struct slice *text, unsigned depth)
{
	struct slice rest = {text->p + 1, text->n - 1};
	char open = rest.n > 0 ? rest.p[0] : '\0';
	size_t n = name_octets(rest);
	enum err err = OK;

	if (open == '{' || open == '(') {
		struct slice inside = {rest.p + 1, rest.n - 1};

		n = find_close(inside, open, open == '{' ? '}' : ')');
		if (n == inside.n)
			return cannot(x, "missing close bracket", (struct slice){0});
		inside.n = n;
		n += 2;
		err = open == '{' ? expand_braces(x, out, inside, depth) : expand_command(x, out, inside, depth);
	} else if (n > 0) {
		const struct conf_var *v = var_find(x, (struct slice){rest.p, n});

		if (v)
			buf_put(out, v->value);
	} else {
		buf_char(out, '$');
	}
	*text = (struct slice){rest.p + n, rest.n - n};
	return err;
}

static enum err expand(struct expansion *x, struct buf *out, struct slice text, unsigned depth)
{
	enum err err = OK;

	if (depth > DEPTH_MOST)
		return cannot(x, "nested too deeply", (struct slice){0});
	while (text.n > 0 && err == OK) {
		struct slice plain = {text.p, slice_find(text, '$')};

		buf_put(out, plain);
		text = (struct slice){text.p + plain.n, text.n - plain.n};
		if (text.n > 0)
			err = expand_dollar(x, out, &text, depth);
	}
	return err;
}

enum err conf_expand(struct buf *out, struct slice text, const struct conf_var *vars, size_t nvars,
		     const struct conf_shell *shell, struct why *why)
{
	struct expansion x = {.vars = vars, .nvars = nvars, .shell = shell, .whole = text, .why = why};

	x.stored = BUF(x.store);
	return expand(&x, out, text, 0);
}

enum err expand_check(struct slice text, bool shell, struct why *why)
{
	static const struct conf_shell any_shell;
	static const char user[] = "u";
	const struct conf_var vars[] = {{"user", {user, 1}}};
	struct expansion x = {.vars = vars,
			      .nvars = 1,
			      .shell = shell ? &any_shell : NULL,
			      .checking = true,
			      .whole = text,
			      .why = why};
	char expanded[4 * WORD_OCTETS];
	struct buf out = BUF(expanded);

	x.stored = BUF(x.store);
	return expand(&x, &out, text, 0);
}
