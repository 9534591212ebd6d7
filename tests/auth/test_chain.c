/* Who is found, by whom a record may be checked, and which file names can be asked for. */
#include "auth/chain.h"

#include <arpa/inet.h>
#include <sys/stat.h>

#include "base/log.h"
#include "check.h"
#include "files.h"

/* To the end, where no module lives elsewhere. */
static enum err chain_lookup(const struct chain *c, const struct query *q, struct record *r, struct why *why)
{
	struct walk w;

	walk_begin(&w, q->login);
	assert_int_equal(chain_walk(c, &w, q, r), WALK_END);
	if (why)
		*why = w.why;
	return w.err;
}

static const struct auth_module *checker_of(const struct chain *c, const struct record *r)
{
	enum check how;

	return chain_checker(c, r, &how);
}

/* --- virtual domains -------------------------------------------------------------------------------------------- */

static const char users[] = "bob:$6$s$h:1000:100:Bob:/home/bob:/bin/sh\n"
			    "b.o.b:$6$s$h:1000:100::/home/b.o.b:\n"
			    "..:$6$s$h:1000:100::/home/dots:\n"
			    "a/b:$6$s$h:1000:100::/home/slash:\n"
			    "Bob:$6$s$h:1001:100::/home/Big:\n";

static const struct {
	struct slice login;
	const char *name, *mailbox; /* NULL: no such user */
} logins[] = {
	{TEXT("bob@example.com"), "bob", "/home/bob/INBOX"},
	{TEXT("bob:example.com"), "bob", "/home/bob/INBOX"},
	{TEXT("bob!example.com"), "bob", "/home/bob/INBOX"},
	{TEXT("b.o.b@example.com"), "b.o.b", "/home/b.o.b/INBOX"},
	{TEXT("Bob@example.com"), "Bob", "/home/Big/INBOX"}, /* case counts */
	{TEXT("bob@EXAMPLE.com"), NULL, NULL},
	{TEXT("BOB@example.com"), NULL, NULL},
	{TEXT("bob"), "bob", "/home/bob/INBOX"}, /* the local address is 127.0.0.1, and has a file */
	{TEXT("carl@example.com"), NULL, NULL},
	{TEXT("bob@example.org"), NULL, NULL},
	{TEXT("bob@"), NULL, NULL},
	{TEXT("@example.com"), NULL, NULL},
	{TEXT("bob@example.com@x"), NULL, NULL},
	{TEXT("..@example.com"), NULL, NULL},
	{TEXT("a/b@example.com"), NULL, NULL},
	{TEXT("bob@."), NULL, NULL},
	{TEXT("bob@.."), NULL, NULL},
	{TEXT("bob@../outside"), NULL, NULL},
	{TEXT("bob@x/../../outside"), NULL, NULL},
	{TEXT("bob@sub/example.com"), NULL, NULL},
	{TEXT("bob@./example.com"), NULL, NULL},
	{TEXT("bob@/etc/passwd"), NULL, NULL},
	{TEXT("root@../../../../../../etc/passwd"), NULL, NULL},
	{TEXT("bob@sub"), NULL, NULL}, /* a directory */
	{TEXT("bob@.hidden"), NULL, NULL},
	{TEXT("bob@example.com~"), NULL, NULL},
	{TEXT("bob@example.com\0"), NULL, NULL},
	{TEXT("bob@example.com\n"), NULL, NULL},
	{TEXT("bob\0@example.com"), NULL, NULL},
	{TEXT(""), NULL, NULL},
};

/* DIR/domains is the directory; beside it lies a file that nobody must reach. */
static void make_domains(const struct files *f, char dir[128])
{
	(void)snprintf(dir, 128, "%s/domains", f->path);
	assert_int_equal(mkdir(dir, 0700), 0);
	(void)snprintf(dir, 128, "%s/domains/sub", f->path);
	assert_int_equal(mkdir(dir, 0700), 0);
	files_put(f, "outside", users);
	static const char *const names[] = {"example.com", "127.0.0.1", "sub/example.com", ".hidden", "example.com~"};

	for (size_t i = 0; i < TABLE_ROWS(names); i++) {
		(void)snprintf(dir, 128, "domains/%s", names[i]);
		files_put(f, dir, users);
	}
	(void)snprintf(dir, 128, "%s/domains", f->path);
}

static struct conf_list list_of(const char **item, size_t n)
{
	return (struct conf_list){.item = item, .n = n};
}

static void test_virtdomain(void **state)
{
	struct address local = {.family = AF_INET, .ip = {127, 0, 0, 1}};
	const char *modules[] = {"generic", "pam", "generic", "virtdomain", "virtdomain", "ldap"};
	struct conf cf = {.auth = {.authorization = list_of(modules, 6), .authentication = list_of(modules, 6)}};
	struct chain chain;
	struct files f;
	char dir[128];

	(void)state;
	files_open(&f);
	make_domains(&f, dir);
	cf.virtdomain_dir = dir;
	assert_int_equal(chain_open(&chain, &cf, NULL), OK);
	check(chain.nauthorization == 1 && chain.nauthentication == 1);
	for (size_t i = 0; i < TABLE_ROWS(logins); i++) {
		struct record r = {0};
		struct why why = {""};
		struct query q = {.login = logins[i].login, .local = &local};
		enum err err = chain_lookup(&chain, &q, &r, &why);

		check_row(i, logins[i].login.p, err == (logins[i].name ? OK : ERR_AUTH));
		if (err != OK)
			continue;
		check_row(i, logins[i].login.p, slice_eq(r.name, slice_str(logins[i].name)));
		check_row(i, logins[i].login.p, slice_eq(r.mailbox, slice_str(logins[i].mailbox)));
		check_row(i, logins[i].login.p, r.uid >= 1000 && r.gid == 100);
		check_row(i, logins[i].login.p, checker_of(&chain, &r) == auth_module_find(SLICE("generic")));
	}
	chain_close(&chain);
	files_close(&f);
}

/* The address in the place of a domain: numbers of both families, none for Unix sockets. */
static void test_local_address(void **state)
{
	static const struct {
		struct address local;
		bool found;
	} rows[] = {
		{{.family = AF_INET, .ip = {127, 0, 0, 1}}, true}, {{.family = AF_INET, .ip = {127, 0, 0, 2}}, false},
		{{.family = AF_INET6, .ip = {[15] = 1}}, true},    {{.family = 0}, false},
		{{.family = 77, .ip = {127, 0, 0, 1}}, false},
	};
	const char *modules[] = {"virtdomain"};
	struct conf cf = {.auth = {.authorization = list_of(modules, 1)}};
	struct chain chain;
	struct files f;

	(void)state;
	files_open(&f);
	files_put(&f, "127.0.0.1", users);
	files_put(&f, "::1", users);
	cf.virtdomain_dir = f.path;
	assert_int_equal(chain_open(&chain, &cf, NULL), OK);
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		struct record r = {0};
		struct query q = {.login = SLICE("bob"), .local = &rows[i].local};

		check_row(i, "bob", (chain_lookup(&chain, &q, &r, NULL) == OK) == rows[i].found);
	}
	chain_close(&chain);
	files_close(&f);
}

/* More domains than are remembered: each is still found, those that do not exist leave nothing behind. */
static void test_many_domains(void **state)
{
	enum { DOMAINS = 1500 };
	const char *modules[] = {"virtdomain"};
	struct conf cf = {.auth = {.authorization = list_of(modules, 1)}};
	struct chain chain;
	struct files f;
	char text[64];

	(void)state;
	files_open(&f);
	cf.virtdomain_dir = f.path;
	for (int i = 0; i < DOMAINS; i++) {
		(void)snprintf(text, sizeof text, "d%d", i);
		files_put(&f, text, users);
	}
	assert_int_equal(chain_open(&chain, &cf, NULL), OK);
	for (int i = 0; i < 2 * DOMAINS; i++) {
		struct record r = {0};
		struct query q = {.login = {text, 0}};

		(void)snprintf(text, sizeof text, "bob@d%d", i);
		q.login.n = strlen(text);
		check_row(i, text, (chain_lookup(&chain, &q, &r, NULL) == OK) == (i < DOMAINS));
	}
	chain_close(&chain);
	files_close(&f);
}

/* --- the rules of the chains, with modules made for this ---------------------------------------------------------- */

static enum err answer(void *priv, const struct query *q, struct record *r, struct why *why)
{
	const enum err *err = priv;

	(void)q;
	(void)r;
	(void)why;
	return *err;
}

static const struct auth_module one = {.name = "one", .lookup = answer, .check = CHECK_HASH};
static const struct auth_module two = {.name = "two", .lookup = answer};
static const struct auth_module three = {.name = "three", .lookup = answer};

/* What three modules say in turn, and what comes of it. */
static const struct {
	enum err says[3];
	enum err result;
	const struct auth_module *source;
} evaluation[] = {
	{{OK, OK, OK}, OK, &one},
	{{ERR_AUTH, OK, OK}, OK, &two},
	{{ERR_TEMP, OK, ERR_AUTH}, OK, &two}, /* one data base is down: others still serve theirs */
	{{ERR_PERM, ERR_AUTH, OK}, OK, &three},
	{{ERR_AUTH, ERR_AUTH, ERR_AUTH}, ERR_AUTH, NULL},
	{{ERR_TEMP, ERR_AUTH, ERR_AUTH}, ERR_TEMP, NULL}, /* and those whom nobody knows may be in it */
	{{ERR_AUTH, ERR_TEMP, ERR_PERM}, ERR_TEMP, NULL},
	{{ERR_PERM, ERR_AUTH, ERR_AUTH}, ERR_PERM, NULL}, /* the same for what the operator must mend */
	{{ERR_AUTH, ERR_PERM, ERR_AUTH}, ERR_PERM, NULL},
	{{ERR_PERM, ERR_TEMP, ERR_AUTH}, ERR_TEMP, NULL}, /* trying again may help */
	{{ERR_AUTH, ERR_AUTH, ERR_PERM}, ERR_PERM, NULL},
};

static void test_evaluation(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(evaluation); i++) {
		enum err says[3] = {evaluation[i].says[0], evaluation[i].says[1], evaluation[i].says[2]};
		struct chain c = {.authorization = {{&one, &says[0]}, {&two, &says[1]}, {&three, &says[2]}},
				  .nauthorization = 3};
		struct record r = {0};
		struct query q = {.login = SLICE("bob")};

		check_row(i, "", chain_lookup(&c, &q, &r, NULL) == evaluation[i].result);
		check_row(i, "", r.source == evaluation[i].source);
	}
}

struct heard {
	char text[64];
	size_t n;
};

static void on_noted(void *arg, const struct auth_module *m, enum err err, const struct why *why)
{
	struct heard *h = arg;

	(void)why;
	h->n += (size_t)snprintf(h->text + h->n, sizeof h->text - h->n, "%s %d, ", m->name, (int)(err == OK));
}

/* Whoever wants to hears of each answer in turn, to the one that has the user; nobody has a uid. */
static void test_noted(void **state)
{
	enum err says[3] = {ERR_AUTH, OK, ERR_AUTH};
	struct chain c = {.authorization = {{&one, &says[0]}, {&two, &says[1]}, {&three, &says[2]}},
			  .nauthorization = 3};
	static const char *const heard[] = {"one 0, two 1, ", "one 0, two 0, three 0, "};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(heard); i++) {
		struct query q = {.login = SLICE("1000"), .by_uid = i == 1};
		struct heard h = {0};
		struct record r = {0};
		struct walk w;

		walk_begin(&w, q.login);
		w.noted = on_noted;
		w.arg = &h;
		check_row(i, heard[i], chain_walk(&c, &w, &q, &r) == WALK_END && strcmp(h.text, heard[i]) == 0);
		check_row(i, heard[i], w.err == (i == 1 ? ERR_AUTH : OK));
	}
}

/* A record is checked by its maker or by whom it names, whatever the order: no module sees another's stored field. */
static const struct {
	const struct auth_module *chain[2];
	const struct auth_module *source;
	const char *named;
	const struct auth_module *checker;
} checkers[] = {
	{{&one, &three}, &one, NULL, &one},      {{&three, &one}, &one, NULL, &one},
	{{&three, &one}, &two, NULL, NULL}, /* a record of two, and a chain like ldap's that would take anything */
	{{&three, &one}, &two, "one", &one},     {{&one, &three}, &two, "three", &three},
	{{&one, &one}, &two, "generic", NULL}, /* generic is not in the chain */
	{{&three, &one}, &one, "three", &three},
};

static void test_checker(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(checkers); i++) {
		struct chain c = {.authentication = {checkers[i].chain[0], checkers[i].chain[1]}, .nauthentication = 2};
		struct record r = {.source = checkers[i].source, .checked_by = checkers[i].named};

		check_row(i, checkers[i].source->name, checker_of(&c, &r) == checkers[i].checker);
	}
}

/* A chain of modules that can only do the other job: empty, and everybody fails like an unknown user. */
static void test_other_job(void **state)
{
	const char *find[] = {"generic"}, *check[] = {"virtdomain"};
	struct conf cf = {.auth = {.authorization = list_of(find, 1), .authentication = list_of(check, 1)}};
	struct chain c;
	struct record r = {0};
	struct query q = {.login = SLICE("bob@example.com")};

	(void)state;
	assert_int_equal(chain_open(&c, &cf, NULL), OK);
	check(c.nauthorization == 0 && c.nauthentication == 0);
	check(chain_lookup(&c, &q, &r, NULL) == ERR_AUTH && checker_of(&c, &r) == NULL);
	chain_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_virtdomain),   cmocka_unit_test(test_local_address),
		cmocka_unit_test(test_many_domains), cmocka_unit_test(test_evaluation),
		cmocka_unit_test(test_noted),

		cmocka_unit_test(test_checker),      cmocka_unit_test(test_other_job),
	};

	log_setup(&(struct log_setup){.fd = -1});
	return cmocka_run_group_tests(tests, NULL, NULL);
}
