/* The language: what a file's text is taken for. Shown as --config-verbose prints it, without the places. */
#include "given.h"

#include "conf/tree.h"

/* The statements of a text as tree_dump writes them, without the lines that say where they stand. */
static char *dump(const char *text, char **said)
{
	char *out, *kept;
	size_t n, nsaid;
	FILE *err = open_memstream(said, &nsaid), *f = open_memstream(&out, &n);
	struct report report = {.f = err, .program = "pop3d"};
	struct arena *arena = arena_new(1 << 20);
	struct tree t;

	assert_non_null(arena);
	tree_init(&t, arena, &report);
	tree_parse(&t, &t.first, "f", slice_str(text));
	tree_dump(f, t.first);
	(void)fclose(f);
	(void)fclose(err);
	arena_free(arena);

	char *to = kept = calloc(1, n + 1);

	for (const char *line = out; *line; line += strcspn(line, "\n") + 1)
		if (line[0] != '#')
			to = mempcpy(to, line, strcspn(line, "\n") + 1);
	free(out);
	return kept;
}

static const struct {
	const char *text, *dump, *said;
} texts[] = {
	{"", "", ""},
	{" \t\f\r\n# only\n// comments\n/* here\n */", "", ""},
	{"undelete yes;", "undelete yes;\n", ""},
	{"_x 1;x-1 2;", "_x 1;\nx-1 2;\n", ""},
	{"aa bb cc;", "aa bb cc;\n", ""},
	{"aa{bb 1;}", "aa {\n  bb 1;\n};\n", ""},
	{"aa x{};bb{};", "aa x {\n};\nbb {\n};\n", ""},
	{"aa { bb { cc 1; } dd 2; }", "aa {\n  bb {\n    cc 1;\n  };\n  dd 2;\n};\n", ""},
	/* words and comments */
	{"aa mh://x//y;", "aa mh://x//y;\n", ""},
	{"aa a/*b;", "aa a/*b;\n", ""},
	{"aa bb#cc;\n;", "aa bb;\n", ""},
	{"aa/* cc */ bb;", "", "pop3d: f:1.1-4: syntax error; expected a statement\n"},
	{"aa /* cc */ bb;", "aa bb;\n", ""},
	{"/*x*/aa bb;", "aa bb;\n", ""},
	{"aa bb; /* never closed", "aa bb;\n", ""},
	{"aa bb //x\n;", "aa bb;\n", ""},
	/* strings */
	{"aa \"\";", "aa \"\";\n", ""},
	{"aa \"x y\";", "aa \"x y\";\n", ""},
	{"aa \"xy\";", "aa xy;\n", ""},
	{"aa \"//x\";", "aa \"//x\";\n", ""},
	{"aa \"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\";", "aa \"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\";\n", ""},
	{"aa \"a\\\n  b\";", "aa \"a  b\";\n", ""},
	{"aa \"a\" \"b\"\n \"c\";", "aa abc;\n", ""},
	{"aa \"a\" b;", "aa a b;\n", ""},
	{"aa \"x\\qy\";", "aa xqy;\n", "pop3d: f:1.4-9: unknown escape \\q, its backslash is ignored\n"},
	{"aa \"x;", "aa x;\n", "pop3d: f:1.4: stray character \"; expected the string to be closed on its line\n"},
	/* here-documents */
	{"aa <<EOT\nx\n y\nEOT\n;", "aa \"x\\n y\\n\";\n", ""},
	{"aa <<EOT\nEOT;", "aa \"\";\n", ""},
	{"aa <<EOT\nEOTX\nEOT ;", "aa \"EOTX\\n\";\n", ""},
	{"aa <<EOT\n\tx\n\tEOT\nEOT\n;", "aa \"\\tx\\n\\tEOT\\n\";\n", ""},
	{"aa <<-EOT\n\t\tx\n y\n\tEOT\n;", "aa \"x\\n y\\n\";\n", ""},
	{"aa <<- EOT\n\t \tx\n  y\n\t EOT;", "aa \"x\\ny\\n\";\n", ""},
	{"aa <<EOT\na\\tb\\\nc\nEOT\n;", "aa \"a\\tbc\\n\";\n", ""},
	{"aa <<\\EOT\na\\tb\\\nc\nEOT\n;", "aa \"a\\\\tb\\\\\\nc\\n\";\n", ""},
	{"aa <<\"EOT\"\n\\q\nEOT\n;", "aa \"\\\\q\\n\";\n", ""},
	{"aa <<-\"EOT\"\n\t\\q\n\tEOT\n;", "aa \"\\\\q\\n\";\n", ""},
	{"aa <<EOT # a comment\nx\nEOT\n;", "aa \"x\\n\";\n", ""},
	{"aa <<EOT // a comment\nx\nEOT\n;", "aa \"x\\n\";\n", ""},
	{"aa <<EOT /* a comment */\nx\nEOT\n;", "aa \"x\\n\";\n", ""},
	{"aa <<A\nx\nA\n<<B\ny\nB\n;", "aa \"x\\ny\\n\";\n", ""},
	{"aa <<EOT\nx\n", "",
	 "pop3d: f:1.4-8: syntax error; expected `EOT' alone on a line before the end of the file\n"},
	{"bb 1; cc { aa <<EOT", "bb 1;\ncc {\n};\n",
	 "pop3d: f:1.15-19: syntax error; expected `EOT' alone on a line before the end of the file\n"},
	/* lists */
	{"aa (b);", "aa (b);\n", ""},
	{"aa (b, \"c d\", e,);", "aa (b, \"c d\", e);\n", ""},
	{"aa (b, (c, d)) e;", "aa (b, (c, d)) e;\n", ""},
	{"aa ();", "", "pop3d: f:1.5: syntax error; expected a value\n"},
	{"aa (b c);", "", "pop3d: f:1.7: syntax error; expected `,' or `)'\n"},
	{"aa (b", "", "pop3d: f:1.5: syntax error; expected `,' or `)' before the end of the file\n"},
	/* what is none of it */
	{"b 1;", "", "pop3d: f:1.1: syntax error; expected a statement\n"},
	{";", "", "pop3d: f:1.1: syntax error; expected a statement\n"},
	{"aa 1;;", "aa 1;\n", "pop3d: f:1.6: syntax error; expected a statement\n"},
	{"aa;", "", "pop3d: f:1.3: syntax error; expected a value or `{'\n"},
	{"aa 1", "", "pop3d: f:1.4: syntax error; expected `;' or `{' before the end of the file\n"},
	{"aa 1}", "", "pop3d: f:1.5: syntax error; expected `;' or `{'\n"},
	{"aa 1; }", "aa 1;\n", "pop3d: f:1.7: syntax error; expected a statement\n"},
	{"aa { bb 1;", "aa {\n  bb 1;\n};\n",
	 "pop3d: f:1.10: syntax error; expected a statement or `}' before the end of the file\n"},
	{"aa 1;\nbb 2;\n  c 3; dd 4;", "aa 1;\nbb 2;\n", "pop3d: f:3.3: syntax error; expected a statement\n"},
	{"aa $b;", "aa b;\n", "pop3d: f:1.4: stray character $; expected it inside a quoted string\n"},
	{"aa \001b;", "aa b;\n", "pop3d: f:1.4: stray character \\001\n"},
	{"aa \xff"
	 "b;",
	 "aa b;\n", "pop3d: f:1.4: stray character \\377\n"},
	{"aa <b;", "aa b;\n",
	 "pop3d: f:1.4: stray character <; expected a here-document: <<WORD and, further down, WORD alone on a line\n"},
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(texts); i++) {
		char *said, *got = dump(texts[i].text, &said);

		if (strcmp(got, texts[i].dump) != 0 || strcmp(said, texts[i].said) != 0)
			print_error("dump:\n%ssaid:\n%s", got, said);
		check_row(i, texts[i].text, strcmp(got, texts[i].dump) == 0);
		check_row(i, texts[i].text, strcmp(said, texts[i].said) == 0);
		free(got);
		free(said);
	}
}

/* What is dumped is read as the same again. */
static void test_dump_is_a_configuration(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(texts); i++) {
		char *said, *once, *twice, *again;

		once = dump(texts[i].text, &said);
		twice = dump(once, &again);
		check_row(i, texts[i].text, *said || (strcmp(once, twice) == 0 && *again == '\0'));
		free(said);
		free(again);
		free(once);
		free(twice);
	}
}

/* The same text n times. */
static char *times(const char *text, unsigned n)
{
	char *s = calloc(n, strlen(text) + 1), *to = s;

	assert_non_null(s);
	while (n-- > 0)
		to = stpcpy(to, text);
	return s;
}

static void test_nesting_is_bounded(void **state)
{
	(void)state;
	static const char *const opening[] = {"aa { ", "aa (", "aa ((", "aa { bb ("};

	for (size_t i = 0; i < TABLE_ROWS(opening); i++) {
		char *text = times(opening[i], 100000), *said, *got = dump(text, &said);

		check_row(i, opening[i], strstr(said, "syntax error") != NULL);
		free(text);
		free(said);
		free(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_dump_is_a_configuration),
		cmocka_unit_test(test_nesting_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
