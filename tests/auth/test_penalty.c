/* Who waits, and for what: whatever is not in these stories costs nobody anything. */
#include "auth/penalty.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "files.h"

enum { NOW = 1000, MOST = 15 };

static const struct penalty_rules rules = {.most_s = MOST};

struct fixture {
	void *memory;
	size_t octets;
	struct penalties p;
};

static void fixture_open(struct fixture *f, size_t entries, const struct penalty_rules *r)
{
	f->octets = penalties_octets(entries);
	f->memory = shared_new(f->octets);
	assert_int_equal(penalties_open(&f->p, f->memory, f->octets, r, NULL), OK);
}

static void fixture_close(struct fixture *f)
{
	penalties_close(&f->p);
	munmap(f->memory, f->octets);
}

/* NULL: a Unix socket. */
static struct address address_read(const char *text)
{
	struct address a = {.family = 0};

	if (!text)
		return a;
	a.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(a.family, text, a.ip), 1);
	return a;
}

static void wrong(const struct penalties *p, const char *address, const char *user, const char *password, uint64_t s)
{
	struct address a = address_read(address);
	struct penalty_client c = {.address = &a, .user = slice_str(user)};
	struct penalty_news news;

	penalties_wrong(p, &c, slice_str(password), s * 1000, &news);
}

/* So many different passwords. */
static void guess(const struct penalties *p, const char *address, const char *user, int n, uint64_t s)
{
	static int last;
	char text[32];

	for (int i = 0; i < n; i++) {
		(void)snprintf(text, sizeof text, "guess %d", ++last);
		wrong(p, address, user, text, s);
	}
}

static void right(const struct penalties *p, const char *address, const char *user, uint64_t s)
{
	struct address a = address_read(address);

	penalties_right(p, &(struct penalty_client){.address = &a, .user = slice_str(user)}, s * 1000);
}

enum { REFUSED = -1, LOCKED = -2 };

/* Milliseconds that a login of this user from there waits; it takes its turn. */
static int wait_of(const struct penalties *p, const char *address, const char *user, bool known, uint64_t s)
{
	struct address a = address_read(address);
	struct penalty_client c = {.address = &a, .user = slice_str(user)};
	enum penalty looked = penalties_look(p, &c, s * 1000);
	uint32_t ms;

	if (looked == PENALTY_LOCKED)
		return LOCKED;
	enum penalty took = penalties_take(p, &c, known, s * 1000, &ms);

	check(looked == PENALTY_NONE || took == looked);
	return took == PENALTY_FULL ? REFUSED : (int)ms;
}

/* --- growth, decay ---------------------------------------------------------------------------------------------- */

static const struct {
	int failures;
	uint64_t after; /* seconds */
	int wait_ms;
} growth[] = {
	{0, 0, 0},
	{PENALTY_FREE - 1, 0, 0},
	{PENALTY_FREE, 0, 1000},
	{PENALTY_FREE + 1, 0, 2000},
	{PENALTY_FREE + 2, 0, 4000},
	{PENALTY_FREE + 3, 0, 8000},
	{PENALTY_FREE + 4, 0, 15000},
	{PENALTY_FREE + 40, 0, 15000},
	{3000, 0, 15000},
	{5000, 0, 15000}, /* more than are counted */
	{2 * PENALTY_FREE, PENALTY_HALF_S, 1000},
	{2 * PENALTY_FREE, PENALTY_HALF_S + 10, 0},
	{4 * PENALTY_FREE, 2 * PENALTY_HALF_S, 1000},
	{3 * PENALTY_FREE, PENALTY_HALF_S / 2, 15000}, /* three quarters of them, cut: 11 */
	{5000, 16 * PENALTY_HALF_S, 0},
};

/* Of the address alone (users differ), of the user alone, and of both. */
static void test_growth(void **state)
{
	struct fixture f;
	char user[32], address[32];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(growth); i++) {
		fixture_open(&f, 40000, &rules);
		for (int n = 0; n < growth[i].failures; n++) {
			(void)snprintf(user, sizeof user, "user%d", n);
			guess(&f.p, "192.0.2.1", user, 1, NOW);
		}
		check_row(i, "address",
			  wait_of(&f.p, "192.0.2.1", "bob", false, NOW + growth[i].after) == growth[i].wait_ms);
		fixture_close(&f);
		fixture_open(&f, 40000, &rules);
		for (int n = 0; n < growth[i].failures; n++) {
			(void)snprintf(address, sizeof address, "10.1.%d.%d", n / 250, n % 250);
			guess(&f.p, address, "bob", 1, NOW);
		}
		check_row(i, "user",
			  wait_of(&f.p, "192.0.2.1", "bob", false, NOW + growth[i].after) == growth[i].wait_ms);
		fixture_close(&f);
		fixture_open(&f, 40000, &rules);
		guess(&f.p, "192.0.2.1", "bob", growth[i].failures, NOW);
		check_row(i, "both",
			  wait_of(&f.p, "192.0.2.1", "bob", false, NOW + growth[i].after) == growth[i].wait_ms);
		fixture_close(&f);
	}
}

/* --- whose it is ------------------------------------------------------------------------------------------------ */

/* After PENALTY_FREE + 1 failures of the first, does the second wait? */
static const struct {
	const char *address, *user, *other_address, *other_user;
	bool waits;
} whose[] = {
	{"192.0.2.1", "bob", "192.0.2.1", "bob", true},
	{"192.0.2.1", "bob", "192.0.2.1", "eve", true},
	{"192.0.2.1", "bob", "192.0.2.2", "bob", true},
	{"192.0.2.1", "bob", "192.0.2.2", "eve", false},
	{"2001:db8:0:1::1", "bob", "2001:db8:0:1:ffff::2", "eve", true}, /* the same /64 */
	{"2001:db8:0:1::1", "bob", "2001:db8:0:2::1", "eve", false},
	{NULL, "bob", NULL, "eve", false}, /* Unix sockets have no address ... */
	{NULL, "bob", NULL, "bob", true},  /* ... but users */
	{NULL, "bob", "192.0.2.1", "bob", true},
	{"192.0.2.1", "", "192.0.2.1", "bob", true},
	{"192.0.2.1", "", "192.0.2.2", "", false}, /* nobody */
	{"192.0.2.1", "Bob@Example.com", "192.0.2.2", "bob!example.com", true},
	{"192.0.2.1", "bob@example.com", "192.0.2.2", "bob", false},
};

static void test_whose(void **state)
{
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(whose); i++) {
		fixture_open(&f, 1000, &rules);
		guess(&f.p, whose[i].address, whose[i].user, PENALTY_FREE + 1, NOW);
		int ms = wait_of(&f.p, whose[i].other_address, whose[i].other_user, false, NOW);

		check_row(i, whose[i].user, ms == (whose[i].waits ? 2000 : 0));
		fixture_close(&f);
	}
}

static void test_exempt_address(void **state)
{
	struct fixture f;
	struct address a = address_read("192.0.2.1");
	struct penalty_client c = {.address = &a, .exempt = true, .user = SLICE("bob")};
	struct penalty_news news;
	char text[2] = "a";
	uint32_t ms;

	(void)state;
	fixture_open(&f, 1000, &rules);
	for (int i = 0; i < 20; i++, text[0]++)
		penalties_wrong(&f.p, &c, slice_str(text), NOW * 1000, &news);
	check(wait_of(&f.p, "192.0.2.1", "eve", false, NOW) == 0);
	check(wait_of(&f.p, "192.0.2.2", "bob", false, NOW) == MOST * 1000);
	guess(&f.p, "192.0.2.1", "eve", 20, NOW); /* it was none then */
	c.user = SLICE("mallory");
	check(penalties_take(&f.p, &c, false, NOW * 1000, &ms) == PENALTY_NONE && ms == 0);
	fixture_close(&f);
}

/* A program with an old password: however often it comes, and wherever it is. */
static void test_one_wrong_password(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, 1000, &rules);
	for (int i = 0; i < 100; i++)
		wrong(&f.p, "192.0.2.1", "bob", "old", NOW);
	check(penalties_stat(&f.p, PENALTY_STAT_FAILURES) == 1);
	check(penalties_stat(&f.p, PENALTY_STAT_REPEATED) == 99);
	check(wait_of(&f.p, "192.0.2.1", "bob", false, NOW) == 0);
	for (int i = 0; i < 100; i++) {
		char address[32];

		(void)snprintf(address, sizeof address, "192.0.2.%d", i + 2);
		wrong(&f.p, address, "bob", "old", NOW);
	}
	check(wait_of(&f.p, "198.51.100.1", "bob", false, NOW) == 0);
	/* another's old password is a guess, and so are many old ones */
	for (int i = 0; i < PENALTY_FREE; i++)
		wrong(&f.p, "203.0.113.1", (char[]){(char)('a' + i), '\0'}, "old", NOW);
	check(wait_of(&f.p, "203.0.113.1", "eve", false, NOW) == 1000);
	fixture_close(&f);
}

/* The owner's program stays known, while somebody else's guesses push its password out of what is remembered of the user. */
static void test_guesses_between(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, 1000, &rules);
	for (int i = 0; i < 50; i++) {
		wrong(&f.p, "192.0.2.1", "bob", "old", NOW);
		guess(&f.p, "198.51.100.1", "bob", 1, NOW);
	}
	check(wait_of(&f.p, "192.0.2.1", "eve", false, NOW) == 0);
	fixture_close(&f);
}

/* --- the right password ----------------------------------------------------------------------------------------- */

static void test_right_password(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, 1000, &rules);
	guess(&f.p, "192.0.2.1", "bob", 20, NOW);
	right(&f.p, "192.0.2.1", "bob", NOW); /* he remembered it */
	check(wait_of(&f.p, "192.0.2.1", "bob", false, NOW) == 0);
	check(wait_of(&f.p, "192.0.2.1", "eve", false, NOW) == 0);
	check(wait_of(&f.p, "192.0.2.2", "bob", false, NOW) == 0);
	right(&f.p, "192.0.2.1", "bob", NOW); /* takes nothing back that is not there */
	guess(&f.p, "192.0.2.1", "bob", PENALTY_FREE, NOW);
	check(wait_of(&f.p, "192.0.2.1", "bob", false, NOW) == 1000);
	fixture_close(&f);

	fixture_open(&f, 1000, &rules);
	guess(&f.p, "192.0.2.1", "bob", 20, NOW);
	right(&f.p, "192.0.2.1", "eve", NOW); /* an account of the attacker's */
	right(&f.p, "192.0.2.2", "bob", NOW); /* and the victim */
	check(wait_of(&f.p, "192.0.2.1", "mallory", false, NOW) == MOST * 1000);
	check(wait_of(&f.p, "192.0.2.3", "bob", false, NOW) == MOST * 1000);
	fixture_close(&f);
}

static void test_known_password(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, 1000, &rules);
	guess(&f.p, "192.0.2.1", "bob", 20, NOW);
	check(wait_of(&f.p, "192.0.2.2", "bob", true, NOW) == 0);
	check(wait_of(&f.p, "192.0.2.2", "bob", false, NOW) == MOST * 1000);
	/* whoever guesses learns nothing sooner by guessing right */
	check(wait_of(&f.p, "192.0.2.1", "bob", true, NOW) == MOST * 1000);
	guess(&f.p, NULL, "bob", 20, NOW);
	check(wait_of(&f.p, NULL, "bob", true, NOW) == MOST * 1000);
	fixture_close(&f);
}

/* --- many at once ----------------------------------------------------------------------------------------------- */

/* One behind the other from one address; side by side of one user. */
static void test_turns(void **state)
{
	struct fixture f;
	char address[32];

	(void)state;
	fixture_open(&f, 1000, &rules);
	guess(&f.p, "192.0.2.1", "bob", PENALTY_FREE + 2, NOW);
	for (int i = 1; i <= 3; i++)
		check_row((size_t)i, "turn", wait_of(&f.p, "192.0.2.1", "eve", i == 2, NOW) == i * 4000);
	for (int i = 0; i < 100; i++)
		check(wait_of(&f.p, "192.0.2.1", "eve", true, NOW) == REFUSED);
	check(penalties_stat(&f.p, PENALTY_STAT_REFUSED) == 200); /* asked twice each */
	check(penalties_stat(&f.p, PENALTY_STAT_DELAYED) == 3);
	check(wait_of(&f.p, "192.0.2.1", "eve", false, NOW + 1) == 15000);
	check(wait_of(&f.p, "192.0.2.1", "eve", false, NOW + 13) == 5000); /* one less by then */
	for (int i = 0; i < 100; i++) {
		(void)snprintf(address, sizeof address, "198.51.100.%d", i);
		check(wait_of(&f.p, address, "bob", false, NOW) == 4000);
	}
	fixture_close(&f);
}

/* --- lock-out --------------------------------------------------------------------------------------------------- */

static void test_lockout(void **state)
{
	static const struct penalty_rules strict = {.most_s = MOST, .lockout_failures = 3, .lockout_s = 60};
	struct fixture f;
	struct address a = address_read("192.0.2.1");
	struct penalty_client c = {.address = &a, .user = SLICE("bob")};
	struct penalty_news news;

	(void)state;
	fixture_open(&f, 1000, &strict);
	guess(&f.p, "192.0.2.1", "eve", 1, NOW);
	guess(&f.p, "192.0.2.1", "bob", 1, NOW);
	check(wait_of(&f.p, "192.0.2.1", "bob", true, NOW) == 0);
	penalties_wrong(&f.p, &c, SLICE("x"), NOW * 1000, &news);
	check(news.address == 3 && news.user == 0);
	check(wait_of(&f.p, "192.0.2.1", "mallory", true, NOW) == LOCKED);
	check(wait_of(&f.p, "192.0.2.2", "bob", false, NOW) == 0);
	penalties_wrong(&f.p, &c, SLICE("y"), NOW * 1000, &news); /* was under way */
	check(news.address == 0 && news.user == 3);
	check(wait_of(&f.p, "192.0.2.2", "bob", true, NOW) == LOCKED);
	check(wait_of(&f.p, "192.0.2.2", "eve", false, NOW) == 0);
	check(wait_of(&f.p, "192.0.2.1", "mallory", false, NOW + 59) == LOCKED);
	check(wait_of(&f.p, "192.0.2.1", "mallory", false, NOW + 60) == 0);
	check(penalties_stat(&f.p, PENALTY_STAT_LOCKOUTS) == 2);
	check(penalties_stat(&f.p, PENALTY_STAT_LOCKED) == 3);
	fixture_close(&f);
}

/* A long one ends neither with the failures that it is for, nor because others fail. */
static void test_long_lockout(void **state)
{
	static const struct penalty_rules strict = {.most_s = MOST, .lockout_failures = 3, .lockout_s = 86400};
	struct fixture f;
	char user[32];

	(void)state;
	fixture_open(&f, 64, &strict);
	guess(&f.p, "192.0.2.1", "bob", 3, NOW);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(user, sizeof user, "user%d", i);
		guess(&f.p, NULL, user, 1, NOW + 20000);
	}
	check(wait_of(&f.p, "192.0.2.1", "eve", true, NOW + 86399) == LOCKED);
	check(wait_of(&f.p, "192.0.2.1", "eve", true, NOW + 86400) == 0);
	fixture_close(&f);
}

/* --- the table -------------------------------------------------------------------------------------------------- */

/* Many addresses that failed once do not make it forget the one that failed often; nor is there ever more than the table. */
static void test_eviction(void **state)
{
	struct fixture f;
	char address[32];

	(void)state;
	fixture_open(&f, 64, &rules);
	guess(&f.p, "192.0.2.1", "bob", 30, NOW);
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(address, sizeof address, "10.%d.%d.%d", i / 62500, i / 250 % 250, i % 250);
		guess(&f.p, address, "eve", 1, NOW);
		if (i % 100 == 0) /* of the newest, the oldest are given up */
			wrong(&f.p, address, "eve", "again", NOW);
	}
	check(wait_of(&f.p, "192.0.2.1", "mallory", false, NOW) == MOST * 1000);
	check(wait_of(&f.p, "192.0.2.2", "bob", false, NOW) == MOST * 1000);
	fixture_close(&f);
}

static void test_off(void **state)
{
	static const struct penalty_rules none = {.most_s = 0};
	struct fixture f;

	(void)state;
	fixture_open(&f, 100, &none);
	guess(&f.p, "192.0.2.1", "bob", 50, NOW);
	check(wait_of(&f.p, "192.0.2.1", "bob", false, NOW) == 0);
	fixture_close(&f);
	assert_int_equal(penalties_open(&f.p, NULL, 0, &rules, NULL), OK);
	guess(&f.p, "192.0.2.1", "bob", 50, NOW);
	check(wait_of(&f.p, "192.0.2.1", "bob", false, NOW) == 0);
	penalties_close(&f.p);
}

static void test_standing_and_clearing(void **state)
{
	static const struct penalty_rules strict = {.most_s = MOST, .lockout_failures = 20, .lockout_s = 60};
	struct fixture f;
	struct address a = address_read("192.0.2.1");
	struct penalty_client c = {.address = &a, .user = SLICE("bob")};
	struct penalty_standings s;

	(void)state;
	fixture_open(&f, 1000, &strict);
	guess(&f.p, "192.0.2.1", "eve", 1, NOW);
	guess(&f.p, "192.0.2.1", "bob", 19, NOW);
	penalties_stand(&f.p, &c, NOW * 1000 + 500, &s);
	check(s.address.failures == 20 && s.address.locked_s == 60 && s.user.failures == 19 && s.user.locked_s == 0);
	penalties_clear(&f.p, &(struct penalty_client){.address = &a, .user = SLICE("")});
	penalties_stand(&f.p, &c, NOW * 1000, &s);
	check(s.address.failures == 0 && s.address.locked_s == 0 && s.user.failures == 19);
	penalties_clear(&f.p, &(struct penalty_client){.address = &a, .exempt = true, .user = SLICE("bob")});
	check(wait_of(&f.p, "192.0.2.1", "bob", false, NOW) == 0);
	fixture_close(&f);
}

/* --- several processes ------------------------------------------------------------------------------------------ */

/* Another process, and one after a reload, know the same; another start does not. */
static void test_two_processes_share(void **state)
{
	struct fixture f, g;
	struct penalties other;

	(void)state;
	fixture_open(&f, 1000, &rules);
	assert_int_equal(penalties_open(&other, f.memory, f.octets, &rules, NULL), OK);
	guess(&f.p, "192.0.2.1", "bob", PENALTY_FREE, NOW);
	penalties_close(&f.p);
	check(wait_of(&other, "192.0.2.1", "bob", false, NOW) == 1000);
	guess(&other, "192.0.2.1", "bob", 1, NOW);
	assert_int_equal(penalties_open(&f.p, f.memory, f.octets, &rules, NULL), OK);
	check(wait_of(&f.p, "192.0.2.2", "bob", false, NOW) == 2000);
	fixture_open(&g, 1000, &rules);
	check(wait_of(&g.p, "192.0.2.1", "bob", false, NOW) == 0);
	penalties_close(&other);
	fixture_close(&f);
	fixture_close(&g);
}

/* A few entries, so that all want the same. Nobody waits who has not failed (the even ones never do). */
static int hammer(const struct fixture *f, int seed, int rounds)
{
	struct penalties p;
	unsigned long at = (unsigned long)seed;
	char user[32], password[32];
	struct address none = {.family = 0};
	struct penalty_client c = {.address = &none};
	struct penalty_news news;
	uint32_t ms;

	if (penalties_open(&p, f->memory, f->octets, &rules, NULL) != OK)
		return 1;
	for (int n = 0; n < rounds; n++) {
		at = at * 1103515245 + 12345;
		unsigned i = (unsigned)(at >> 16) % 48;

		(void)snprintf(user, sizeof user, "user%u", i);
		(void)snprintf(password, sizeof password, "%d.%d", seed, n);
		c.user = slice_str(user);
		if (penalties_take(&p, &c, false, NOW * 1000, &ms) != PENALTY_NONE || (i % 2 == 0 && ms > 0))
			return 2;
		if (i % 2 == 1)
			penalties_wrong(&p, &c, slice_str(password), NOW * 1000, &news);
		else
			penalties_right(&p, &c, NOW * 1000);
	}
	penalties_close(&p);
	return 0;
}

static void test_processes_hammer(void **state)
{
	enum { PROCESSES = 4 };
	pid_t pid[PROCESSES];
	struct fixture f;

	(void)state;
	fixture_open(&f, 16, &rules);
	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			_exit(hammer(&f, i, 10000));
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	fixture_close(&f);
}

/* One that is killed in the middle, again and again: the others go on, and when those failures are forgotten there is room and nobody waits for them. */
static void test_killed(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, 16, &rules);
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(hammer(&f, i, 1 << 30));
		assert_int_equal(hammer(&f, i + 1000, 100), 0);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	guess(&f.p, "192.0.2.1", "bob", 40, NOW + 16 * PENALTY_HALF_S);
	check(wait_of(&f.p, "192.0.2.1", "eve", false, NOW + 16 * PENALTY_HALF_S) == MOST * 1000);
	check(wait_of(&f.p, "192.0.2.2", "bob", false, NOW + 16 * PENALTY_HALF_S) == MOST * 1000);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_whose),
		cmocka_unit_test(test_exempt_address),
		cmocka_unit_test(test_one_wrong_password),
		cmocka_unit_test(test_guesses_between),
		cmocka_unit_test(test_right_password),
		cmocka_unit_test(test_known_password),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_lockout),
		cmocka_unit_test(test_long_lockout),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_standing_and_clearing),
		cmocka_unit_test(test_two_processes_share),
		cmocka_unit_test(test_processes_hammer),
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
