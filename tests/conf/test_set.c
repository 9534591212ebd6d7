/* --set: what it does to the statements of a file. Shown as --config-verbose prints them. */
#include "given.h"

#include "conf/tree.h"

static const struct {
	const char *file;
	const char *set[3];
	const char *dump;
} sets[] = {
	{"expire 3;", {"expire=16"}, "expire 3;\nexpire 16;\n"},
	{"", {".expire=16"}, "expire 16;\n"},
	{"", {"..expire=16"}, "expire 16;\n"},
	{"", {":expire=16"}, "expire 16;\n"},
	{"", {"/expire=16"}, "expire 16;\n"},
	{"", {"\\expire=16"}, "expire 16;\n"},
	{"", {"\\a.b=16"}, "a.b 16;\n"},
	{"", {"aa=1", "aa=2"}, "aa 1;\naa 2;\n"},
	/* blocks are used where they are there */
	{"", {"mailbox.folder=x"}, "mailbox {\n  folder x;\n};\n"},
	{"mailbox { folder x; }", {"mailbox.folder=y"}, "mailbox {\n  folder x;\n  folder y;\n};\n"},
	{"mailbox { aa 1; } mailbox { bb 1; }",
	 {"mailbox..cc=1"},
	 "mailbox {\n  aa 1;\n};\nmailbox {\n  bb 1;\n  cc 1;\n};\n"},
	{"", {"aa.bb.cc=1", "aa.bb.dd=2"}, "aa {\n  bb {\n    cc 1;\n    dd 2;\n  };\n};\n"},
	{"mailbox x;", {"mailbox.folder=y"}, "mailbox x;\nmailbox {\n  folder y;\n};\n"},
	/* with labels */
	{"server a {}", {"server=a.timeout=1"}, "server a {\n  timeout 1;\n};\n"},
	{"server a {}", {"server=b.timeout=1"}, "server a {\n};\nserver b {\n  timeout 1;\n};\n"},
	{"server 1.2.3.4 {}", {"server=\"1.2.3.4\".timeout=1"}, "server 1.2.3.4 {\n  timeout 1;\n};\n"},
	{"server 1.2.3.4 {}", {"server='1.2.3.4'.timeout=1"}, "server 1.2.3.4 {\n  timeout 1;\n};\n"},
	{"server 1.2.3.4 {}", {"server=1\\.2\\.3\\.4.timeout=1"}, "server 1.2.3.4 {\n  timeout 1;\n};\n"},
	{"server 1.2.3.4 {}", {"/server=1.2.3.4/timeout=1"}, "server 1.2.3.4 {\n  timeout 1;\n};\n"},
	{"server \"[::1]:110\" {}",
	 {"/server=[::1]:110/tls/aa=1"},
	 "server \"[::1]:110\" {\n  tls {\n    aa 1;\n  };\n};\n"},
	{"", {"server=a=b.x=1"}, "server a=b {\n  x 1;\n};\n"},
	/* the program's own block is the top level; others are left alone */
	{"", {"program=pop3d.expire=1"}, "expire 1;\n"},
	{"", {"program=pop3d.mailbox.folder=1"}, "mailbox {\n  folder 1;\n};\n"},
	{"", {"program=imap4d.expire=1"}, ""},
	/* values */
	{"", {"aa=b c"}, "aa \"b c\";\n"},
	{"", {"aa=\"b c\""}, "aa \"b c\";\n"},
	{"", {"aa='b \"c'"}, "aa \"b \\\"c\";\n"},
	{"", {"aa=\"b=c\""}, "aa b=c;\n"},
	{"", {"aa=\"\""}, "aa \"\";\n"},
	{"", {"aa=(b,c)"}, "aa (b, c);\n"},
	{"", {"aa=(b, \"c, d\",)"}, "aa (b, \"c, d\");\n"},
	{"", {"aa=()"}, "aa \"()\";\n"},
	{"", {"aa=$x;"}, "aa \"$x;\";\n"},
	{"", {"aa="}, "aa;\n"},
	{"", {"aa =1"}, "aa  1;\n"},
	/* nothing is said about what says nothing */
	{"", {"", "=", "expire"}, ""},
	{"", {"=x", "...=1", ".expire"}, ""},
	{"", {"\"unclosed=1", "a\\"}, ""},
};

static char *dump(const char *file, const char *const set[3], char **said)
{
	char *out;
	size_t n, nsaid;
	FILE *err = open_memstream(said, &nsaid), *f = open_memstream(&out, &n);
	struct report report = {.f = err, .program = "pop3d"};
	struct arena *arena = arena_new(1 << 20);
	struct tree t;

	assert_non_null(arena);
	tree_init(&t, arena, &report);
	tree_parse(&t, &t.first, NULL, slice_str(file)); /* without places, the dump has no lines about them */
	for (size_t i = 0; i < 3 && set[i]; i++)
		tree_set(&t, "pop3d", set[i]);
	tree_dump(f, t.first);
	(void)fclose(f);
	(void)fclose(err);
	arena_free(arena);
	return out;
}

static void test_sets(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(sets); i++) {
		char *said, *got = dump(sets[i].file, sets[i].set, &said);

		if (strcmp(got, sets[i].dump) != 0)
			print_error("dump:\n%s", got);
		check_row(i, sets[i].set[0], strcmp(got, sets[i].dump) == 0 && *said == '\0');
		free(got);
		free(said);
	}
}

static const struct {
	const char *set;
	int status;
	const char *said;
} errors[] = {
	{"foo=1", 78, "pop3d: unknown keyword `foo'; expected one that the top level has (see --config-help)\n"},
	{"expire=", 78, "pop3d: expected string value; it takes a number of days from 0 to 4294967295\n"},
	{"expire=x", 78, "pop3d: Invalid argument; expected a number of days from 0 to 4294967295\n"},
	{"expire =1", 78, "pop3d: unknown keyword `expire '; did you mean `expire'?\n"},
	{"foo.bar=1", 78, "pop3d: unknown section `foo'; expected one that the top level has (see --config-help)\n"},
	{"mailbox=1", 78, "pop3d: unknown keyword `mailbox'; it is a section, expected `{'\n"},
	{"server.timeout=1", 78, "pop3d: expected string value; it takes the address of the server\n"},
	{"auth.authorization=foo", 1,
	 "pop3d: no such module: foo; expected names of modules, in a list or with colons between\n"},
	{"sieve.x=1", 0, ""},
	{"expire", 0, ""},
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(errors); i++) {
		const char *set[] = {errors[i].set};
		struct loaded g = given_load((struct conf_source){.set = set, .nset = 1});

		check_row(i, set[0], g.status == errors[i].status && strcmp(g.said, errors[i].said) == 0);
		given_free(&g);
	}
}

/* A server that a file has is changed, not opened twice. */
static void test_server(void **state)
{
	static const char *const set[] = {"/server=127.0.0.1:1110/timeout=7", "timeout=8", "port=995",
					  "server=\"127.0.0.2\".backlog=3"};

	(void)state;
	given_file("f.conf", "server 127.0.0.1:1110 { timeout 5; backlog 9; }");
	struct loaded g =
		given_load((struct conf_source){.config_file = "f.conf", .set = set, .nset = TABLE_ROWS(set)});

	check(g.status == 0 && g.cf->nservers == 2);
	check(g.cf->servers[0].timeout.n == 7 && g.cf->servers[0].backlog == 9 && g.cf->servers[0].line == 1);
	check(g.cf->servers[1].timeout.n == 8 && g.cf->servers[1].backlog == 3 && !g.cf->servers[1].file);
	given_free(&g);
}

static void test_depth(void **state)
{
	static char path[20000];
	const char *set[] = {path};

	(void)state;
	for (size_t i = 0; i < 9000; i++)
		(void)memcpy(path + 2 * i, "a.", 2);
	(void)memcpy(path + (size_t)2 * 9000, "b=1", 4);
	struct loaded g = given_load((struct conf_source){.set = set, .nset = 1});

	check(g.status == 78 && strstr(g.said, "nested too deeply"));
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, given_begin, given_end);
}
