/* conf/parse.c - the grammar of configuration files (tree.h)
 *
 *	file      = { statement }
 *	statement = keyword values ";" | keyword [ values ] "{" { statement } "}" [ ";" ]
 *	values    = value { value }
 *	value     = word | keyword | string { string } | "(" value { "," value } [ "," ] ")"
 *
 * The first syntax error of a file ends its reading; whole statements before it are kept, so that what is wrong in them
 * is told in the same run. */
#include <string.h>

#include "conf/lex.h"
#include "conf/tree.h"

struct parser {
	struct lexer lx;
	struct tree *tree;
	struct token token; /* looked at, not taken */
	struct range last;  /* of the token taken last */
	bool failed;
};

static void *make(struct parser *p, size_t octets)
{
	void *thing = arena_zero(p->tree->arena, octets);

	if (!thing) {
		p->tree->no_memory = true;
		p->failed = true;
	}
	return thing;
}

static void keep_pragma(struct parser *p)
{
	struct node *n = make(p, sizeof *n);
	struct value *v = make(p, sizeof *v);

	if (!n || !v)
		return;
	v->text = p->token.text;
	*n = (struct node){.keyword = "#debug", .values = v, .at = p->token.at};
	*p->tree->pragma_end = n;
	p->tree->pragma_end = &n->next;
}

static void advance(struct parser *p)
{
	p->last = p->token.at;
	while ((p->token = lex_next(&p->lx)).type == TOKEN_PRAGMA)
		keep_pragma(p);
	if (p->lx.no_memory)
		p->tree->no_memory = true;
}

static bool at_punct(const struct parser *p, char c)
{
	return p->token.type == TOKEN_PUNCT && p->token.punct == c;
}

static bool at_word(const struct parser *p)
{
	return p->token.type == TOKEN_KEYWORD || p->token.type == TOKEN_WORD || p->token.type == TOKEN_STRING;
}

/* At the end of the file the place is the last word that was there. */
static void syntax_error(struct parser *p, const char *expected)
{
	bool end = p->token.type == TOKEN_END;

	if (!p->failed && !p->tree->no_memory && !p->lx.unclosed)
		report_error(p->tree->report, end && p->last.file ? &p->last : &p->token.at,
			     "syntax error; expected %s%s", expected, end ? " before the end of the file" : "");
	p->failed = true;
	p->tree->syntax_error = true;
}

/* Strings that follow each other are one. */
static const char *parse_text(struct parser *p)
{
	const char *text = p->token.text;
	bool string = p->token.type == TOKEN_STRING;

	advance(p);
	while (string && p->token.type == TOKEN_STRING) {
		size_t n = strlen(text), more = strlen(p->token.text);
		char *both = make(p, n + more + 1);

		if (!both)
			return NULL;
		memcpy(both, text, n);
		memcpy(both + n, p->token.text, more);
		text = both;
		advance(p);
	}
	return text;
}

static struct value *parse_value(struct parser *p, unsigned depth);

/* Behind the "(". */
static void parse_list(struct parser *p, struct value *list, unsigned depth)
{
	struct value **end = &list->item;

	do {
		*end = parse_value(p, depth + 1);
		if (!*end || p->failed)
			return;
		end = &(*end)->next;
		if (!at_punct(p, ','))
			break;
		advance(p);
	} while (!at_punct(p, ')'));
	if (at_punct(p, ')'))
		advance(p);
	else
		syntax_error(p, "`,' or `)'");
}

static struct value *parse_value(struct parser *p, unsigned depth)
{
	struct value *v = NULL;

	if (depth > NESTING_MOST)
		syntax_error(p, "lists to be nested less deeply");
	else if (!at_word(p) && !at_punct(p, '('))
		syntax_error(p, "a value");
	else
		v = make(p, sizeof *v);
	if (!v)
		return NULL;
	if (at_punct(p, '(')) {
		advance(p);
		parse_list(p, v, depth);
	} else {
		v->text = parse_text(p);
	}
	return v;
}

static struct node *parse_statements(struct parser *p, unsigned depth);

/* From "{" to "}" and the `;' that may follow. */
static void parse_block(struct parser *p, struct node *n, unsigned depth)
{
	if (depth >= NESTING_MOST) {
		syntax_error(p, "blocks to be nested less deeply");
		return;
	}
	n->block = true;
	advance(p);
	n->child = parse_statements(p, depth + 1);
	if (!p->failed && !at_punct(p, '}'))
		syntax_error(p, "a statement or `}'");
	if (p->failed)
		return;
	advance(p);
	n->at.to = p->last.to;
	if (at_punct(p, ';'))
		advance(p);
}

static void parse_values(struct parser *p, struct node *n)
{
	struct value **end = &n->values;

	while (!p->failed && (at_word(p) || at_punct(p, '('))) {
		*end = parse_value(p, 1);
		if (*end)
			end = &(*end)->next;
	}
}

static struct node *parse_statement(struct parser *p, unsigned depth)
{
	struct node *n = make(p, sizeof *n);

	if (!n)
		return NULL;
	n->keyword = p->token.text;
	n->at = p->token.at;
	advance(p);
	parse_values(p, n);
	if (p->failed)
		return NULL;
	if (at_punct(p, '{')) {
		parse_block(p, n, depth);
	} else if (n->values && at_punct(p, ';')) {
		n->at.to = p->token.at.to;
		advance(p);
	} else {
		syntax_error(p, n->values ? "`;' or `{'" : "a value or `{'");
		return NULL;
	}
	return n;
}

/* A block that could not be read to its end is kept with the statements that were. */
static struct node *parse_statements(struct parser *p, unsigned depth)
{
	struct node *first = NULL, **end = &first;

	while (!p->failed && p->token.type == TOKEN_KEYWORD) {
		*end = parse_statement(p, depth);
		if (*end)
			end = &(*end)->next;
	}
	return first;
}

void tree_parse(struct tree *t, struct node **first, const char *file, struct slice text)
{
	struct parser p = {.tree = t};

	lex_init(&p.lx, file, text, t->arena, t->report);
	advance(&p);
	*node_end(first) = parse_statements(&p, 0);
	if (p.token.type != TOKEN_END || p.lx.unclosed)
		syntax_error(&p, "a statement");
}
