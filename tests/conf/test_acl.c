/* tests/conf/test_acl.c - access lists: the words of programs, places of entries, whom an entry means */
#include "given.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "conf/acl.h"

/* Words of a program, as they are expanded for the client 192.0.2.7, port 4711; or what is wrong with it. */
static const struct {
	const char *program, *words, *wrong;
} programs[] = {
	{"/bin/sh", "</bin/sh>", NULL},
	{"  /bin/sh\\t a \\n b  ", "</bin/sh><a><b>", NULL},
	{"/bin/sh \\\"a b\\\" 'c  d' e\\\\ f g'h'\\\"i\\\"", "</bin/sh><a b><c  d><e f><ghi>", NULL},
	{"/bin/sh '' \\\"\\\"", "</bin/sh><><>", NULL},
	{"/bin/sh '\\\"' \\\"'\\\" '\\\\'", "</bin/sh><\"><'><\\>", NULL},
	{"/bin/sh $aclno $family ${address} p${port}q", "</bin/sh><1><AF_INET><192.0.2.7><p4711q>", NULL},
	{"/bin/sh '$address' \\\"${address} z\\\"", "</bin/sh><192.0.2.7><192.0.2.7 z>", NULL},
	{"/bin/sh ${nothing} a$nothing", "</bin/sh><><a>", NULL},             /* a variable is never no word */
	{"/bin/sh ${nothing:-two words} b", "</bin/sh><two words><b>", NULL}, /* nor two */
	{"/bin/sh \\\\$address $ 5$", "</bin/sh><$address><$><5$>", NULL},
	{"/bin/sh $(localpart a@b)", "</bin/sh><a>", NULL},
	{"/bin/sh 'a", NULL, "a quote ' that is not closed"},
	{"/bin/sh a\\\"b", NULL, "a quote \" that is not closed"},
	{" ", NULL, "not enough arguments"},
	{"/bin/sh ${address", NULL, "missing close bracket"},
	{"/bin/sh $(shell id)", NULL, "commands are not run here"},
	{"/bin/sh $(nothing)", NULL, "unknown function"},
};

static void test_programs(void **state)
{
	const struct address client = {.family = AF_INET, .port = 4711, .ip = {192, 0, 2, 7}};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(programs); i++) {
		char text[256], words[256], *said;

		(void)snprintf(text, sizeof text, "acl { exec any \"%s\"; }", programs[i].program);
		struct loaded g = given_text(text);
		struct buf b = BUF(words);

		if (programs[i].wrong) {
			said = strstr(g.said, "pop3d: f.conf:1.7-");
			check_row(i, text, g.status == 78 && said && strstr(said, programs[i].wrong));
			given_free(&g);
			continue;
		}
		check_row(i, text, g.status == 0 && g.cf->acl.n == 1);
		for (size_t w = 0; w < g.cf->acl.rule->words; w++) {
			buf_char(&b, '<');
			check_row(i, text,
				  acl_expand(&b, g.cf->acl.rule, g.cf->acl.rule->word[w], &client, NULL) == OK);
			buf_char(&b, '>');
		}
		if (!slice_eq(buf_slice(&b), slice_str(programs[i].words)))
			print_error("it is: %.*s\n", (int)b.len, b.p);
		check_row(i, text, slice_eq(buf_slice(&b), slice_str(programs[i].words)));
		given_free(&g);
	}
}

/* Where entries stand, and their numbers: they outlive the text that they came from. */
static void test_places_of_entries(void **state)
{
	static const char *const places[] = {"f.conf:2 1", "f.conf:3 2", "g.conf:1 3", "--set 4"};
	static const char *const set[] = {"acl.deny=any"};

	(void)state;
	given_file("g.conf", "acl { log any; }");
	given_file("f.conf", "acl {\n allow 10.0.0.1;\n log any;\n}\ninclude \"g.conf\";");
	struct loaded g =
		given_load((struct conf_source){.config_file = "f.conf", .include_dir = ".", .set = set, .nset = 1});

	check(g.status == 0 && g.cf->acl.n == TABLE_ROWS(places));
	for (size_t i = 0; i < g.cf->acl.n; i++) {
		const struct conf_acl_rule *r = &g.cf->acl.rule[i];
		char text[64], file[32], *base;

		base = strrchr(acl_place(r, file, sizeof file), '/');
		(void)snprintf(text, sizeof text, "%s %u", base ? base + 1 : file, r->number);
		check_row(i, text, strcmp(text, places[i]) == 0);
	}
	given_free(&g);
}

/* Whom an entry means. */
static const struct {
	const char *entry, *client;
	bool means;
} meanings[] = {
	{"any", "10.0.0.1", true},
	{"any", "2001:db8::1", true},
	{"any", "unix", false}, /* whoever reaches a Unix socket is on this machine */
	{"10.0.0.1", "10.0.0.1", true},
	{"10.0.0.1", "10.0.0.2", false},
	{"10.0.0.1", "::ffff:10.0.0.1", true},
	{"::ffff:10.0.0.1", "10.0.0.1", true},
	{"::ffff:0.0.0.0/96", "10.9.9.9", true},
	{"10.0.0.0/8", "10.255.0.1", true},
	{"10.0.0.0/8", "11.0.0.1", false},
	{"10.1.2.200/25", "10.1.2.129", true},
	{"10.1.2.200/25", "10.1.2.127", false},
	{"10.1.2.3/255.255.0.0", "10.1.9.9", true},
	{"10.1.2.3/255.255.0.0", "10.2.2.3", false},
	{"10.0.0.0/0", "192.0.2.1", true},
	{"10.0.0.0/0", "2001:db8::1", false},
	{"10.0.0.1/32", "10.0.0.1", true},
	{"10.0.0.1/31", "10.0.0.0", true},
	{"2001:db8::1", "2001:db8::1", true},
	{"2001:db8::1", "2001:db8::2", false},
	{"2001:db8::/33", "2001:db8:7fff::1", true},
	{"2001:db8::/33", "2001:db8:8000::1", false},
	{"2001:db8::1/ffff::", "2001:1::", true},
	{"::/0", "2001:db8::1", true},
	{"::/0", "10.0.0.1", false},
	{"::/0", "::ffff:10.0.0.1", false},
	{"::10.0.0.1", "10.0.0.1", false},
	{"a00:1::", "10.0.0.1", false}, /* the same octets */
	{"0.0.0.0/0", "::1", false},
	{"localhost", "127.0.0.1", true},
};

static struct address client_of(const char *text)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNIX};

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&ss)->sin_addr) == 1)
		ss.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&ss)->sin6_addr) == 1)
		ss.ss_family = AF_INET6;
	return address_of(&ss);
}

static void test_whom_entries_mean(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(meanings); i++) {
		struct address client = client_of(meanings[i].client);
		char text[128];
		bool means = false;

		(void)snprintf(text, sizeof text, "acl { deny from \"%s\"; }", meanings[i].entry);
		struct loaded g = given_text(text);

		check_row(i, text, g.status == 0 && g.cf->acl.n > 0);
		for (size_t r = 0; r < g.cf->acl.n; r++)
			means |= acl_means(&g.cf->acl.rule[r], &client);
		check_row(i, meanings[i].client, means == meanings[i].means);
		given_free(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_places_of_entries),
		cmocka_unit_test(test_whom_entries_mean),
	};

	return cmocka_run_group_tests(tests, given_begin, given_end);
}
