/* Which files are read, in which order: the site file, --config-file, includes, program blocks. */
#include "given.h"

enum { FILES = 4 };

/* Files of a case, and what comes of reading site.conf (or f.conf as --config-file, when that is there). `said` is in
 * what is written; NULL: nothing is. */
static const struct {
	struct {
		const char *name, *text;
	} file[FILES];
	int status;
	uint32_t expire;
	const char *said;
} cases[] = {
	/* none, empty */
	{{{NULL, NULL}}, 0, UINT32_MAX, NULL},
	{{{"site.conf", ""}}, 0, UINT32_MAX, NULL},
	{{{"site.conf", "# nothing\n"}}, 0, UINT32_MAX, NULL},
	{{{"site.conf", "expire 1;"}}, 0, 1, NULL},
	{{{"site.conf", "expire 1;"}, {"f.conf", "expire 2;"}}, 0, 2, NULL},
	{{{"site.conf", "expire"}}, 78, 0, "errors parsing file site.conf: Operation failed"},
	/* includes: in place */
	{{{"site.conf", "expire 1; include a;"}, {"a", "expire 2;"}}, 0, 2, NULL},
	{{{"site.conf", "include a; expire 1;"}, {"a", "expire 2;"}}, 0, 1, NULL},
	{{{"site.conf", "include \"./a\";"}, {"a", "include b;"}, {"b", "expire 3;"}}, 0, 3, NULL},
	{{{"site.conf", "mailbox { include a; } expire 1;"}, {"a", "folder x;"}}, 0, 1, NULL},
	{{{"site.conf", "mailbox { include a; }"}, {"a", "expire 1;"}}, 78, 0, "a:1.1-9: unknown keyword `expire'"},
	{{{"site.conf", "include a; include a;"}, {"a", "expire 2;"}}, 0, 2, NULL},
	{{{"f.conf", "include a;"}, {"a", "expire 2;"}}, 0, 2, NULL},
	{{{"site.conf", "\ninclude a;"}, {"a", "\nexpire x;"}}, 78, 0, "pop3d: DIR/a:2.1-9: Invalid argument"},
	{{{"site.conf", "include a;"}, {"a", "expire"}}, 78, 0, "DIR/a:1.1-6: syntax error"},
	{{{"site.conf", "include a;"}}, 78, 0, "site.conf:1.1-10: include file or directory does not exist"},
	{{{"site.conf", "include a;"}, {"a", "include a;"}}, 78, 0, "includes itself"},
	{{{"site.conf", "include a;"}, {"a", "include b;"}, {"b", "include \"site.conf\";"}}, 78, 0, "includes itself"},
	/* directories: a file of the program's name, from the site file alone */
	{{{"site.conf", "include d;"}, {"d/pop3d", "expire 5;"}}, 0, 5, NULL},
	{{{"site.conf", "include d;"}, {"d/imap4d", "nonsense"}}, 0, UINT32_MAX, NULL},
	{{{"site.conf", "include d;"}, {"d/pop3d", "expire x;"}}, 78, 0, "DIR/d/pop3d:1.1-9: Invalid argument"},
	{{{"f.conf", "include d;"}, {"d/pop3d", "expire 5;"}},
	 0,
	 UINT32_MAX,
	 "pop3d: f.conf:1.1-10: ignoring `include': directory argument is allowed only from the top-level "
	 "configuration "
	 "file\n"},
	{{{"site.conf", "include a;"}, {"a", "include d;"}, {"d/pop3d", "expire 5;"}},
	 0,
	 UINT32_MAX,
	 "DIR/a:1.1-10: ignoring `include': directory argument"},
	/* program blocks: behind all else, from the site file alone */
	{{{"site.conf", "program pop3d { expire 7; } expire 3;"}}, 0, 7, NULL},
	{{{"site.conf", "program \"pop3d\" { expire 7; }"}}, 0, 7, NULL},
	{{{"site.conf", "program imap4d { nonsense 7; } expire 3;"}}, 0, 3, NULL},
	{{{"site.conf", "program imap4d { nonsense } expire 3;"}}, 78, 0, "syntax error"},
	{{{"site.conf", "program pop3d { expire 7; } program pop3d { expire 8; }"}}, 0, 8, NULL},
	{{{"site.conf", "program pop3d { include a; } expire 3;"}, {"a", "expire 9;"}}, 0, 9, NULL},
	{{{"site.conf", "program pop3d { include d; }"}, {"d/pop3d", "expire 9;"}}, 0, 9, NULL},
	{{{"site.conf", "program imap4d { include nowhere; }"}}, 0, UINT32_MAX, NULL},
	{{{"site.conf", "program pop3d { nonsense 1; }"}}, 78, 0, "site.conf:1.17-27: unknown keyword `nonsense'"},
	{{{"site.conf", "program { expire 1; }"}}, 78, 0, "argument to `program' is not a string"},
	{{{"site.conf", "program (a, b) { expire 1; }"}}, 78, 0, "argument to `program' is not a string"},
	{{{"f.conf", "program pop3d { expire 7; }"}},
	 0,
	 UINT32_MAX,
	 "pop3d: f.conf:1.1-27: ignoring `program' block: not located in top-level configuration file\n"},
	{{{"site.conf", "include a;"}, {"a", "program pop3d { expire 7; }"}},
	 0,
	 UINT32_MAX,
	 "DIR/a:1.1-27: ignoring `program' block: not located in top-level configuration file\n"},
};

static void write_files(size_t i)
{
	for (size_t f = 0; f < FILES && cases[i].file[f].name; f++) {
		if (strchr(cases[i].file[f].name, '/'))
			check_row(i, cases[i].file[f].name, mkdir("d", 0700) == 0);
		given_file(cases[i].file[f].name, cases[i].file[f].text);
	}
}

/* What a message says of the directory of the tests is written DIR in the table. */
static bool says(const char *said, const char *expected)
{
	char text[1024], *to = text;

	if (!expected)
		return *said == '\0';
	for (; *expected; expected++) {
		if (strncmp(expected, "DIR/", 4) == 0) {
			to = stpcpy(to, given_dir);
			expected += 2;
		} else {
			*to++ = *expected;
		}
	}
	*to = '\0';
	return strstr(said, text) != NULL;
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(cases); i++) {
		given_none();
		write_files(i);
		struct loaded g =
			given_load((struct conf_source){.site_file = "site.conf",
							.config_file = access("f.conf", F_OK) ? NULL : "f.conf",
							.include_dir = given_dir});

		if (!says(g.said, cases[i].said))
			print_error("said: %s", g.said);
		check_row(i, cases[i].file[0].text, g.status == cases[i].status);
		check_row(i, cases[i].file[0].text, says(g.said, cases[i].said));
		check_row(i, cases[i].file[0].text, !g.cf || g.cf->expire_days == cases[i].expire);
		given_free(&g);
	}
	given_none();
}

/* The name that mailutils.conf once had. */
static void test_legacy_name(void **state)
{
	const struct conf_source src = {.site_file = "mailutils.conf"};

	(void)state;
	given_file("mailutils.rc", "expire 4;");
	struct loaded g = given_load(src);

	check(g.status == 0 && g.cf->expire_days == 4 && strstr(g.said, "using legacy configuration file"));
	given_free(&g);
	given_file("mailutils.conf", "expire 5;");
	g = given_load(src);
	check(g.status == 0 && g.cf->expire_days == 5 &&
	      strstr(g.said, "legacy configuration file mailutils.rc is ignored"));
	given_free(&g);
	check(unlink("mailutils.rc") == 0);
	g = given_load(src);
	check(g.status == 0 && *g.said == '\0');
	given_free(&g);
}

/* --config-file must be there, and be a file. */
static void test_no_such_file(void **state)
{
	static const struct {
		const char *name, *said;
	} rows[] = {
		{"nowhere", "pop3d: errors parsing file nowhere: No such file or directory\n"},
		{"/", "pop3d: errors parsing file /: not a regular file\n"},
		{"fifo", "pop3d: errors parsing file fifo: not a regular file\n"},
		{"nul", "pop3d: errors parsing file nul: a NUL octet is in it\n"},
	};
	FILE *f = fopen("nul", "w");

	(void)state;
	check(f && fwrite("undelete\0yes;", 1, 13, f) == 13 && fclose(f) == 0);
	check(mkfifo("fifo", 0600) == 0);
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		struct loaded g = given_load((struct conf_source){.config_file = rows[i].name});

		check_row(i, rows[i].name, g.status == 78 && strcmp(g.said, rows[i].said) == 0);
		given_free(&g);
	}
}

/* A file that includes two that include two that ... is not read for ever. */
static void test_includes_are_bounded(void **state)
{
	char name[16], text[256];

	(void)state;
	for (int i = 0; i < 14; i++) {
		(void)snprintf(name, sizeof name, "many%d", i);
		(void)snprintf(text, sizeof text, "include many%d; include many%d; include many%d; include many%d;",
			       i + 1, i + 1, i + 1, i + 1);
		given_file(name, i < 13 ? text : "expire 1;");
	}
	struct loaded g = given_load((struct conf_source){.config_file = "many0", .include_dir = given_dir});

	check(g.status == 78 && strstr(g.said, "too many files are included"));
	given_free(&g);
}

/* Twice --config-verbose: the files, and the statements with their places; secrets are not shown. */
static void test_verbose(void **state)
{
	static const char *const set[] = {"expire=2"};
	static const char said[] =
		"pop3d: opening configuration file f.conf\n"
		"pop3d: parsing file `f.conf'\n"
		"pop3d: opening configuration file ./a\n"
		"pop3d: parsing file `./a'\n"
		"pop3d: finished parsing file `./a'\n"
		"pop3d: finished parsing file `f.conf'\n"
		"# 1 \"f.conf\"\nundelete yes;\n"
		"# 1 \"./a\"\nmailbox {\n"
		"# 2 \"./a\"\n  mail-spool \"/a b\";\n"
		"# 2 \"./a\"\n  mailbox-type mbox;\n};\n"
		"# 3 \"./a\"\napop-database-safety (\"+all\", none);\n"
		"# 3 \"f.conf\"\nsql {\n"
		"# 3 \"f.conf\"\n  passwd ***;\n};\n"
		"# 4 \"f.conf\"\nbogus {\n"
		"# 4 \"f.conf\"\n  secret ***;\n};\n"
		"expire 2;\n"
		"pop3d: f.conf:4.1-24: unknown section `bogus'; expected one that the top level has (see "
		"--config-help)\n";

	(void)state;
	given_file("f.conf", "undelete yes;\ninclude a;\nsql { passwd geheim; }\nbogus { secret geheim; }\n");
	given_file("a",
		   "mailbox {\n  mail-spool \"/a b\"; mailbox-type mbox; }\napop-database-safety (\"+all\", none);\n");
	struct loaded g = given_load(
		(struct conf_source){.config_file = "f.conf", .include_dir = ".", .set = set, .nset = 1, .verbose = 2});

	if (strcmp(g.said, said) != 0)
		print_error("said: %s", g.said);
	check(strcmp(g.said, said) == 0);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),        cmocka_unit_test(test_legacy_name),
		cmocka_unit_test(test_no_such_file), cmocka_unit_test(test_includes_are_bounded),
		cmocka_unit_test(test_verbose),
	};

	return cmocka_run_group_tests(tests, given_begin, given_end);
}
