/* conf/help.c - what the table says, for people: --config-help, and the statements of pop3d.conf(5) (conf.h) */
#include <string.h>

#include "conf/kinds.h"

enum { HELP_COLUMNS = 78 };

/* The type in help: a kind's name, or the words that are taken. */
static void put_type(FILE *f, const struct statement *st)
{
	const char *name = kind_word(st);

	if (name) {
		fputs(name, f);
		return;
	}
	for (const struct word *w = st->words ? st->words->word : NULL; w && w->name; w++)
		fprintf(f, "%s%s", w > st->words->word ? "|" : "", w->name);
	if (st->kind == KIND_NUMBERED || st->kind == KIND_FACILITY)
		fputs("|number", f);
	if (st->kind == KIND_PATH)
		fputs(st->words ? "|directory" : "directory", f);
}

/* The help text as comment lines of the configuration language. */
static void put_comment(FILE *f, int indent, const char *help)
{
	struct slice text = slice_str(help), word;
	int column = 0;

	while ((word = word_take(&text)).n > 0) {
		if (column == 0 || column + 1 + (int)word.n > HELP_COLUMNS) {
			fprintf(f, "%s%*s# ", column ? "\n" : "", indent, "");
			column = indent + 2;
		} else {
			fputc(' ', f);
			column++;
		}
		fprintf(f, "%.*s", (int)word.n, word.p);
		column += (int)word.n;
	}
	if (column)
		fputc('\n', f);
}

static void help_group(FILE *f, const char *group, int indent)
{
	for (const struct statement *st = statements; st < statements + statements_n; st++) {
		if (strcmp(st->group, group) != 0)
			continue;
		put_comment(f, indent, st->help);
		if (st->def)
			fprintf(f, "%*s# Default: %s\n", indent, "", st->def);
		fprintf(f, "%*s%s <%s: ", indent, "", st->keyword, st->arg);
		put_type(f, st);
		fputs(">;\n", f);
	}
	for (const struct block *b = blocks; b < blocks + blocks_n; b++) {
		if (strcmp(b->parent, group) != 0)
			continue;
		put_comment(f, indent, b->help);
		fprintf(f, "%*s%s%s%s {\n", indent, "", b->keyword, b->label ? " " : "", b->label ? b->label : "");
		help_group(f, b->group, indent + 2);
		fprintf(f, "%*s};\n\n", indent, "");
	}
}

void conf_help(FILE *f, const char *program)
{
	fprintf(f,
		"# Configuration file structure for %s utility.\n"
		"# For use in global configuration file (/etc/mailutils.conf), enclose it in\n"
		"# `program %s { ... };'\n"
		"# For more information, see pop3d.conf(5).\n",
		program, program);
	put_comment(f, 0,
		    "Include contents of the given file, or of the file in the given directory that has the name of "
		    "the program; the latter in the site-wide file alone.");
	fputs("include <file-or-directory: string>;\n", f);
	help_group(f, "", 0);
}

/* Text in mdoc: each sentence on its line; backslashes, and dots and quotes at the start of a line, mean something else
 * there. */
static void put_mdoc(FILE *f, const char *text)
{
	bool start = true;

	for (const char *p = text; *p; p++) {
		bool sentence = p[0] == '.' && p[1] == ' ' && p[2] >= '0' && p[2] <= 'Z';

		if (start && (*p == '.' || *p == '\''))
			fputs("\\&", f);
		if (*p == '\\')
			fputs("\\e", f);
		else
			fputc(*p, f);
		start = sentence;
		if (sentence) {
			fputc('\n', f);
			p++;
		}
	}
}

/* What a statement takes, where that is not said once for all of its kind. */
static void man_takes(FILE *f, const struct statement *st)
{
	char expected[400];

	kind_expected(st, expected, sizeof expected);
	fputs("Takes ", f);
	if (st->kind == KIND_BOOL)
		fputs("a boolean", f);
	else if (st->kind == KIND_TIME)
		fputs("a time", f);
	else if (st->kind == KIND_PORT)
		fputs("a port", f);
	else
		put_mdoc(f, expected);
	fputs(".\n", f);
}

static void man_statement(FILE *f, const struct statement *st)
{
	static const char *const status[] = {
		[HONOURED] = NULL,
		[ACCEPTED] = "Accepted as Mailutils does, without effect on POP3.",
	};
	fprintf(f, ".It Ic %s Ar %s\n", st->keyword, st->arg);
	put_mdoc(f, st->help);
	fputc('\n', f);
	man_takes(f, st);
	if (st->def) {
		fputs("Default: ", f);
		put_mdoc(f, st->def);
		fputs(".\n", f);
	}
	if (status[st->honour])
		fprintf(f, "%s\n", status[st->honour]);
}

static void man_group(FILE *f, const char *group)
{
	bool any = false;

	for (const struct statement *st = statements; st < statements + statements_n; st++) {
		if (strcmp(st->group, group) != 0)
			continue;
		if (!any)
			fputs(".Bl -tag -width Ds\n", f);
		any = true;
		man_statement(f, st);
	}
	if (any)
		fputs(".El\n", f);
}

/* Groups that several blocks share are written once, under all their names. */
static bool is_first_of_group(const struct block *b)
{
	for (const struct block *other = blocks; other < b; other++)
		if (strcmp(other->group, b->group) == 0)
			return false;
	return true;
}

void conf_man(FILE *f)
{
	fputs(".Ss Top level\n", f);
	man_group(f, "");
	for (const struct block *b = blocks; b < blocks + blocks_n; b++) {
		if (!is_first_of_group(b))
			continue;
		fputs(".Ss", f);
		for (const struct block *same = b; same < blocks + blocks_n; same++) {
			if (strcmp(same->group, b->group) != 0)
				continue;
			fprintf(f, "%s", same > b ? " , and within" : "");
			fprintf(f, " %s%s%s", same->parent, *same->parent ? " : " : "", same->keyword);
			if (same->label)
				fprintf(f, " %s", same->label);
		}
		fputc('\n', f);
		put_mdoc(f, b->help);
		fputc('\n', f);
		man_group(f, b->group);
	}
}
