/* System users: whose record is found in which file, and whose password can be right. */
#include "auth/mod_system.h"

#include <stdarg.h>
#include <sys/stat.h>

#include "auth/chain.h"
#include "auth/shadow.h"
#include "base/clock.h"
#include "base/log.h"
#include "check.h"
#include "files.h"

/* --- lines of shadow -------------------------------------------------------------------------------------------- */

#define TODAY 20000
static const char expired[] = "the account has expired";
static const char late[] = "the password has expired, and the time to change it has passed";

static const struct {
	struct slice line;
	bool is;
	const char *refusal;
} lines[] = {
	{TEXT("a:h:::::::"), true, NULL},
	{TEXT("a::::::::"), true, NULL},
	{TEXT("a:h:19000:0:99999:7:::"), true, NULL},
	{TEXT("a:h:19000:0:99999:7:30:20001:"), true, NULL},
	{TEXT("a:h:19000:0:99999:7:30:20000:"), true, expired},
	{TEXT("a:h:19000:0:99999:7:30:1:x"), true, expired},
	{TEXT("a:h:::::::20000"), true, NULL}, /* the reserved field means nothing */
	{TEXT("a:h:19000:0:900:7:100::"), true, NULL},
	{TEXT("a:h:19000:0:900:7:99::"), true, late},
	{TEXT("a:h:19000:0:900:7:::"), true, NULL}, /* to be changed, for ever */
	{TEXT("a:h:0:0:90:7:30::"), true, NULL},    /* at the next login where one can */
	{TEXT("a:h:19000:0::7:0::"), true, NULL},
	{TEXT("a:h:4294967295:0:4294967295:7:4294967295::"), true, NULL},
	{TEXT("a:h:19000:0:99999:7:::\r"), true, NULL},
	{TEXT(":h:::::::"), false, NULL},
	{TEXT("a:h::::::"), false, NULL}, /* cut off */
	{TEXT("a:h"), false, NULL},
	{TEXT(""), false, NULL},
	{TEXT("a:h\x01:::::::"), false, NULL},
	{TEXT("a:h:x::::::"), false, NULL},
	{TEXT("a:h::-1:::::"), true, NULL}, /* min is nothing to us */
	{TEXT("a:h::::::-1:"), false, NULL},
	{TEXT("a:h::::::4294967296:"), false, NULL},
};

static bool is_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void test_shadow_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(lines); i++) {
		struct shadow_line out;
		bool is = shadow_parse(lines[i].line, &out);

		check_row(i, lines[i].line.p, is == lines[i].is);
		check_row(i, lines[i].line.p, !is || is_text(shadow_refusal(&out, TODAY), lines[i].refusal));
	}
}

/* --- records ---------------------------------------------------------------------------------------------------- */

#define HASH "$6$salt$abcdefghijklmnop"
#define OTHER "$6$salt$ponmlkjihgfedcba"

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
			     "bob:x:1001:2001:Bob,,,:/home/bob:/bin/bash\n"
			     "old:" HASH ":1002:2002::/home/old:/bin/sh\n" /* from before shadow */
			     "star:*:1003:2003::/:/bin/sh\n"
			     "empty::1004:2004::/:/bin/sh\n"
			     "lost:x:1005:2005::/:/bin/sh\n" /* has no line in shadow */
			     "gone:x:1006:2006::/:/bin/sh\n"
			     "a/b:x:1007:2007::/:/bin/sh\n"
			     "..:x:1008:2008::/:/bin/sh\n"
			     "at@home.test:x:1009:2009::/:/bin/sh\n"
			     "+nis::::::\n";
static const char shadow[] = "root:" HASH ":19000:0:99999:7:::\n"
			     "bob:" HASH ":19000:0:99999:7:::\n"
			     "old:" OTHER ":::::::\n"
			     "star:" HASH ":::::::\n"
			     "empty:" HASH ":::::::\n"
			     "gone:" HASH "::::::1:\n"
			     "a/b:" HASH ":::::::\n"
			     "..:" HASH ":::::::\n"
			     "at@home.test:" HASH ":::::::\n"
			     "bob@example.com:" HASH ":::::::\n"; /* not in passwd */

static const struct {
	const char *login;
	enum err err;
	const char *hash, *file, *checked_by, *mailbox, *refusal;
} rows[] = {
	{"bob", OK, HASH, "shadow", NULL, "/var/mail/bob", NULL},
	{"root", OK, HASH, "shadow", NULL, "/var/mail/root", NULL}, /* refused later: its uid */
	{"old", OK, HASH, "passwd", "generic", "/var/mail/old", NULL},
	{"star", OK, "", "passwd", NULL, "/var/mail/star", NULL},
	{"empty", OK, "", "passwd", NULL, "/var/mail/empty", NULL},
	{"lost", OK, "", "shadow", NULL, "/var/mail/lost", NULL},
	{"gone", OK, HASH, "shadow", NULL, "/var/mail/gone", expired},
	{"at@home.test", OK, HASH, "shadow", NULL, "/var/mail/at@home.test", NULL},
	{"a/b", ERR_AUTH, NULL, NULL, NULL, NULL, NULL},
	{"..", ERR_AUTH, NULL, NULL, NULL, NULL, NULL},
	{"+nis", ERR_AUTH, NULL, NULL, NULL, NULL, NULL},
	{"bob@example.com", ERR_AUTH, NULL, NULL, NULL, NULL, NULL},
	{"Bob", ERR_AUTH, NULL, NULL, NULL, NULL, NULL},
	{"bo", ERR_AUTH, NULL, NULL, NULL, NULL, NULL},
	{"", ERR_AUTH, NULL, NULL, NULL, NULL, NULL},
	{"bob:x", ERR_AUTH, NULL, NULL, NULL, NULL, NULL},
};

/* A system of its own, which these two directories are. */
struct world {
	struct files etc, extra;
	struct conf cf;
	void *priv;
};

static const char *modules[] = {"system"};

static void world_open(struct world *w)
{
	*w = (struct world){.cf = {.auth = {.authorization = {.item = modules, .n = 1},
					    .authentication = {.item = modules, .n = 1}},
				   .mailbox = {.pattern = "/var/mail/${user}"}}};
	files_open(&w->etc);
	files_open(&w->extra);
	files_put(&w->etc, "passwd", passwd);
	files_put(&w->etc, "shadow", shadow);
}

static void world_start(struct world *w)
{
	assert_int_equal(system_open_at(&w->cf, w->etc.path, w->extra.path, &w->priv, NULL), OK);
}

static void world_close(struct world *w)
{
	auth_system.close(w->priv);
	files_close(&w->etc);
	files_close(&w->extra);
}

static enum err find(const struct world *w, const char *login, struct record *r)
{
	*r = (struct record){0};
	return auth_system.lookup(w->priv, &(struct query){.login = slice_str(login)}, r, NULL);
}

static void test_records(void **state)
{
	struct world w;
	struct record r;
	char place[96];

	(void)state;
	world_open(&w);
	world_start(&w);
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		const char *name = rows[i].login;

		check_row(i, name, find(&w, name, &r) == rows[i].err);
		if (rows[i].err != OK)
			continue;
		(void)snprintf(place, sizeof place, "%s/%s", w.etc.path, rows[i].file);
		check_row(i, name, slice_eq(r.name, slice_str(name)) && slice_eq(r.hash, slice_str(rows[i].hash)));
		check_row(i, name, slice_eq(r.mailbox, slice_str(rows[i].mailbox)));
		check_row(i, name, strcmp(r.place, place) == 0);
		check_row(i, name, is_text(r.checked_by, rows[i].checked_by) && is_text(r.refusal, rows[i].refusal));
	}
	check(find(&w, "bob", &r) == OK && r.uid == 1001 && r.gid == 2001 && slice_eq(r.home, SLICE("/home/bob")));
	world_close(&w);
}

/* What is changed counts at the next look-up: passwd and shadow as passwd(1) and useradd(8) replace them. */
static void test_changes(void **state)
{
	struct world w;
	struct record r;

	(void)state;
	world_open(&w);
	world_start(&w);
	check(find(&w, "bob", &r) == OK && slice_eq(r.hash, SLICE(HASH)));
	files_replace(&w.etc, "shadow", "bob:!" HASH ":::::::\n");
	check(find(&w, "bob", &r) == OK && slice_eq(r.hash, SLICE("!" HASH)));
	files_replace(&w.etc, "shadow", "bob:" OTHER ":::::::\n");
	check(find(&w, "bob", &r) == OK && slice_eq(r.hash, SLICE(OTHER)));
	files_replace(&w.etc, "passwd", "new:x:1:1::/:\n");
	check(find(&w, "bob", &r) == ERR_AUTH && find(&w, "new", &r) == OK && r.hash.n == 0);
	world_close(&w);
}

/* A file that cannot be read is no wrong password. */
static void test_unreadable_shadow(void **state)
{
	struct world w;
	struct record r;

	(void)state;
	world_open(&w);
	assert_int_equal(unlinkat(w.etc.fd, "shadow", 0), 0);
	assert_int_equal(symlinkat("shadow", w.etc.fd, "shadow"), 0); /* unreadable for root too */
	world_start(&w);
	check(find(&w, "bob", &r) == ERR_TEMP && find(&w, "eve", &r) == ERR_AUTH && find(&w, "old", &r) == OK);
	world_close(&w);
}

/* Nobody asks for passwords: shadow is not looked at. */
static void test_no_authentication(void **state)
{
	struct world w;
	struct record r;

	(void)state;
	world_open(&w);
	w.cf.auth.authentication.n = 0;
	world_start(&w);
	check(find(&w, "bob", &r) == OK && r.hash.n == 0 && find(&w, "old", &r) == OK && r.hash.n > 0);
	world_close(&w);
}

/* Where users are: eve is in both directories, under another uid. */
static const struct {
	const char *nsswitch; /* NULL: there is none */
	uint32_t bob, eve, zoe;
} switches[] = {
	{NULL, 1001, 1010, 0},
	{"", 1001, 1010, 0},
	{"passwd: files systemd\n", 1001, 1010, 0},
	{"passwd:\tfiles extrausers\n", 1001, 1010, 3002},
	{"shadow: extrausers\n  passwd: extrausers files # and\ngroup: nothing\n", 1001, 3001, 3002},
	{"passwd: [!UNAVAIL=return] files [NOTFOUND=continue success=return]extrausers sss ldap", 1001, 1010, 3002},
	{"passwd: compat\npasswd_compat: nis\n", 1001, 1010, 0},
	{"passwd: files files extrausers extrausers", 1001, 1010, 3002},
	{"#passwd: extrausers\n", 1001, 1010, 0},
	{"passwd: sss\n", 0, 0, 0},
	{"passwd:\n", 0, 0, 0},
};

static void test_nsswitch(void **state)
{
	struct world w;
	struct record r;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(switches); i++) {
		const char *text = switches[i].nsswitch;

		world_open(&w);
		if (text)
			files_put(&w.etc, "nsswitch.conf", text);
		files_put(&w.etc, "passwd", "bob:x:1001:1::/:\neve:x:1010:1::/:\n");
		files_put(&w.extra, "passwd", "eve:x:3001:1::/:\nzoe:x:3002:1::/:\n");
		files_put(&w.extra, "shadow", "zoe:" OTHER ":::::::\n");
		world_start(&w);
		check_row(i, text ? text : "", (find(&w, "bob", &r) == OK ? r.uid : 0) == switches[i].bob);
		check_row(i, text ? text : "", (find(&w, "eve", &r) == OK ? r.uid : 0) == switches[i].eve);
		check_row(i, text ? text : "", (find(&w, "zoe", &r) == OK ? r.uid : 0) == switches[i].zoe);
		check_row(i, text ? text : "", switches[i].zoe == 0 || slice_eq(r.hash, SLICE(OTHER)));
		world_close(&w);
	}
}

/* Who may check these records: system itself, and generic only a hash that was for all to read. */
static void test_checkers(void **state)
{
	const char *both[] = {"generic", "system"}, *none[] = {"virtdomain"};
	const struct {
		const char **chain;
		size_t n;
		const char *shadowed, *old;
	} chains[] = {
		{both, 2, "system", "generic"},
		{both + 1, 1, "system", "system"},
		{both, 1, NULL, "generic"},
		{none, 1, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(chains); i++) {
		struct conf cf = {.auth = {.authentication = {.item = chains[i].chain, .n = chains[i].n}}};
		struct record shadowed = {.source = &auth_system}, old = shadowed;
		const struct auth_module *m;
		enum check how;
		struct chain c;

		old.checked_by = "generic";
		assert_int_equal(chain_open(&c, &cf, NULL), OK);
		m = chain_checker(&c, &shadowed, &how);
		check_row(i, "shadow", is_text(m ? m->name : NULL, chains[i].shadowed));
		m = chain_checker(&c, &old, &how);
		check_row(i, "passwd", is_text(m ? m->name : NULL, chains[i].old));
		chain_close(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shadow_lines),      cmocka_unit_test(test_records),
		cmocka_unit_test(test_changes),           cmocka_unit_test(test_unreadable_shadow),
		cmocka_unit_test(test_no_authentication), cmocka_unit_test(test_nsswitch),
		cmocka_unit_test(test_checkers),
	};

	log_setup(&(struct log_setup){.fd = -1});
	return cmocka_run_group_tests(tests, NULL, NULL);
}
