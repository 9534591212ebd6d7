/* The cache forgets, but never errs: a verdict is the one that was put for these three fields, or none. */
#include "auth/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "files.h"

enum { TTL = 100, NEGATIVE_TTL = 10, NOW = 1000 };

struct fixture {
	void *memory;
	size_t octets;
	struct cache cache;
};

static void fixture_open(struct fixture *f, uint32_t entries, uint64_t ttl, uint64_t negative_ttl)
{
	f->octets = cache_octets(entries);
	f->memory = shared_new(f->octets);
	assert_int_equal(cache_open(&f->cache, f->memory, f->octets, ttl, negative_ttl, NULL), OK);
}

static void fixture_close(struct fixture *f)
{
	cache_close(&f->cache);
	munmap(f->memory, f->octets);
}

static struct cache_key key_of(const struct cache *c, const char *user, const char *password, const char *hash)
{
	struct cache_key key;

	assert_true(cache_key(c, slice_str(user), slice_str(password), slice_str(hash), &key));
	return key;
}

/* One event after the other, at these times. */
static const struct {
	const char *password;
	enum verdict put;    /* NONE: ask */
	enum verdict expect; /* when asked */
	uint32_t now;
} story[] = {
	{"good", VERDICT_NONE, VERDICT_NONE, NOW},
	{"good", VERDICT_RIGHT, VERDICT_NONE, NOW},
	{"good", VERDICT_NONE, VERDICT_RIGHT, NOW},
	{"bad", VERDICT_NONE, VERDICT_NONE, NOW},
	{"bad", VERDICT_WRONG, VERDICT_NONE, NOW},
	{"bad", VERDICT_NONE, VERDICT_WRONG, NOW},
	{"bad", VERDICT_NONE, VERDICT_WRONG, NOW + NEGATIVE_TTL - 1},
	{"bad", VERDICT_NONE, VERDICT_NONE, NOW + NEGATIVE_TTL}, /* is not extended by use */
	{"good", VERDICT_NONE, VERDICT_RIGHT, NOW + TTL - 1},
	{"good", VERDICT_NONE, VERDICT_RIGHT, NOW + TTL}, /* is */
	{"good", VERDICT_NONE, VERDICT_RIGHT, NOW + TTL + TTL - 2},
	{"good", VERDICT_NONE, VERDICT_NONE, NOW + 3 * TTL},
};

static void test_story(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, 4, TTL, NEGATIVE_TTL);
	for (size_t i = 0; i < TABLE_ROWS(story); i++) {
		struct cache_key key = key_of(&f.cache, "bob", story[i].password, "$6$hash");

		if (story[i].put != VERDICT_NONE)
			cache_put(&f.cache, &key, story[i].put, story[i].now);
		else
			check_row(i, story[i].password, cache_get(&f.cache, &key, story[i].now) == story[i].expect);
	}
	fixture_close(&f);
}

/* Fields that would be one text if their ends did not count. */
static const struct {
	const char *user, *password, *hash;
} others[] = {
	{"bobs", "ecret", "hash"}, {"bob", "secrethash", ""}, {"", "bobsecret", "hash"}, {"bob", "secret", "hash2"},
	{"bob", "secre", "thash"}, {"bo", "bsecret", "hash"}, {"Bob", "secret", "hash"},
};

static void test_other_fields(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, 4, TTL, NEGATIVE_TTL);
	struct cache_key key = key_of(&f.cache, "bob", "secret", "hash");

	cache_put(&f.cache, &key, VERDICT_RIGHT, NOW);
	check(cache_get(&f.cache, &key, NOW) == VERDICT_RIGHT);
	for (size_t i = 0; i < TABLE_ROWS(others); i++) {
		key = key_of(&f.cache, others[i].user, others[i].password, others[i].hash);
		check_row(i, others[i].user, cache_get(&f.cache, &key, NOW) == VERDICT_NONE);
	}
	fixture_close(&f);
}

/* Guessing passwords does not push out the right ones that others use. */
static void test_guesses_displace_nobody(void **state)
{
	struct fixture f;
	char text[32];

	(void)state;
	fixture_open(&f, 4, TTL, 10 * TTL);
	struct cache_key mine = key_of(&f.cache, "bob", "secret", "hash");

	cache_put(&f.cache, &mine, VERDICT_RIGHT, NOW);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof text, "guess %d", i);
		struct cache_key key = key_of(&f.cache, "eve", text, "hash");

		cache_put(&f.cache, &key, VERDICT_WRONG, NOW);
		check(cache_get(&f.cache, &key, NOW) == VERDICT_WRONG);
	}
	check(cache_get(&f.cache, &mine, NOW) == VERDICT_RIGHT);
	fixture_close(&f);
}

static void test_two_workers_share(void **state)
{
	struct fixture f;
	struct cache other;

	(void)state;
	fixture_open(&f, 100, TTL, NEGATIVE_TTL);
	assert_int_equal(cache_open(&other, f.memory, f.octets, TTL, NEGATIVE_TTL, NULL), OK);
	struct cache_key a = key_of(&f.cache, "bob", "secret", "hash"), b = key_of(&other, "bob", "secret", "hash");

	cache_put(&f.cache, &a, VERDICT_RIGHT, NOW);
	check(cache_get(&other, &b, NOW) == VERDICT_RIGHT);
	cache_close(&other);
	fixture_close(&f);
}

/* The key is made anew with each start. */
static void test_two_starts_do_not(void **state)
{
	struct fixture f, g;

	(void)state;
	fixture_open(&f, 4, TTL, NEGATIVE_TTL);
	fixture_open(&g, 4, TTL, NEGATIVE_TTL);
	struct cache_key a = key_of(&f.cache, "bob", "secret", "hash"), b = key_of(&g.cache, "bob", "secret", "hash");

	check(memcmp(&a, &b, sizeof a) != 0);
	fixture_close(&f);
	fixture_close(&g);
}

/* One page behind the cache that nobody may touch. */
static void fixture_open_guarded(struct fixture *f, uint32_t entries)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), all;

	f->octets = cache_octets(entries);
	all = (f->octets + page - 1) / page * page;
	f->memory = mmap(NULL, all + page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f->memory != MAP_FAILED);
	assert_int_equal(mprotect((char *)f->memory + all, page, PROT_NONE), 0);
	assert_int_equal(cache_open(&f->cache, f->memory, f->octets, TTL, NEGATIVE_TTL, NULL), OK);
}

static struct cache_key key_of_user(const struct cache *c, unsigned n)
{
	char user[32];

	(void)snprintf(user, sizeof user, "user%u@example.org", n);
	return key_of(c, user, "secret", "$6$hash");
}

/* A million users, in caches with room for twice as many, and for a twentieth: memory is what was asked for, an answer takes
 * at most four entries however many there are, and is right or missing. */
static void test_a_million_users(void **state)
{
	enum { USERS = 1000000, BUCKET = 4 };
	static const struct {
		uint32_t entries;
		unsigned least,
			most; /* of a thousand that are still known: what a bucket of four keeps of entries thrown at random */
	} rows[] = {{2 * USERS, 955, 975}, {USERS / 20, 46, 54}};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		struct fixture f;
		unsigned known = 0;

		fixture_open_guarded(&f, rows[i].entries);
		check_row(i, "memory", f.octets <= 16 * (size_t)rows[i].entries + 128);
		for (unsigned n = 0; n < USERS; n++) {
			struct cache_key key = key_of_user(&f.cache, n);

			cache_put(&f.cache, &key, VERDICT_RIGHT, NOW);
			assert_int_equal(cache_get(&f.cache, &key, NOW), VERDICT_RIGHT);
		}
		for (unsigned n = 0; n < USERS; n += 10) {
			struct cache_key key = key_of_user(&f.cache, n);
			enum verdict v = cache_get(&f.cache, &key, NOW);

			assert_true(v == VERDICT_RIGHT || v == VERDICT_NONE);
			known += v == VERDICT_RIGHT;
		}
		check_row(i, "known", known >= USERS / 10000 * rows[i].least && known <= USERS / 10000 * rows[i].most);
		check_row(i, "kept", cache_count(&f.cache, CACHE_KEPT) == USERS);
		check_row(i, "counts",
			  cache_count(&f.cache, CACHE_RIGHT) + cache_count(&f.cache, CACHE_UNKNOWN) ==
				  USERS + USERS / 10);
		check_row(i, "right", cache_count(&f.cache, CACHE_RIGHT) == USERS + known);
		check_row(i, "steps", cache_count(&f.cache, CACHE_LOOKED_AT) <= BUCKET * (USERS + USERS / 10));
		fixture_close(&f);
	}
}

static void test_off(void **state)
{
	struct fixture f;
	struct cache_key key;

	(void)state;
	fixture_open(&f, 100, 0, NEGATIVE_TTL);
	check(!cache_key(&f.cache, SLICE("bob"), SLICE("secret"), SLICE("hash"), &key));
	cache_put(&f.cache, &key, VERDICT_RIGHT, NOW);
	check(cache_get(&f.cache, &key, NOW) == VERDICT_NONE);
	fixture_close(&f);
	fixture_open(&f, 100, TTL, 0);
	key = key_of(&f.cache, "bob", "secret", "hash");
	cache_put(&f.cache, &key, VERDICT_WRONG, NOW);
	check(cache_get(&f.cache, &key, NOW) == VERDICT_NONE);
	fixture_close(&f);
}

/* Several processes, two cache lines. What is put for a name depends on the name alone, so any other answer is a lie.
 * Exit status 0: all answers were true, and some were answers. */
static int hammer(const struct fixture *f, int seed)
{
	enum { NAMES = 24, ROUNDS = 40000 };
	struct cache c;
	struct cache_key key[NAMES];
	unsigned known = 0;
	unsigned long at = (unsigned long)seed;

	if (cache_open(&c, f->memory, f->octets, TTL, TTL, NULL) != OK)
		return 1;
	for (int i = 0; i < NAMES; i++)
		if (!cache_key(&c, (struct slice){(char[]){(char)('a' + i)}, 1}, SLICE("p"), SLICE("h"), &key[i]))
			return 1;
	for (int n = 0; n < ROUNDS; n++) {
		at = at * 1103515245 + 12345;
		unsigned long i = at >> 16;
		enum verdict truth = i % NAMES % 2 ? VERDICT_RIGHT : VERDICT_WRONG;
		enum verdict v = cache_get(&c, &key[i % NAMES], NOW + (uint32_t)n / 1000);

		if (v != VERDICT_NONE && v != truth)
			return 2;
		known += v != VERDICT_NONE;
		cache_put(&c, &key[i % NAMES], truth, NOW + (uint32_t)n / 1000);
	}
	cache_close(&c);
	return known > 0 ? 0 : 3;
}

static void test_processes_hammer(void **state)
{
	enum { PROCESSES = 4 };
	pid_t pid[PROCESSES];
	struct fixture f;

	(void)state;
	fixture_open(&f, 8, TTL, TTL);
	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			_exit(hammer(&f, i));
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	fixture_close(&f);
}

/* Whatever the memory holds: noise is not an answer. */
static void test_noise(void **state)
{
	struct fixture f;
	struct cache_key key;
	unsigned long at = 1;

	(void)state;
	fixture_open(&f, 64, TTL, NEGATIVE_TTL);
	for (size_t i = 64; i < f.octets; i++) {
		at = at * 1103515245 + 12345;
		((unsigned char *)f.memory)[i] = (unsigned char)(at >> 16);
	}
	for (int i = 0; i < 1000; i++) {
		key = key_of(&f.cache, (char[]){(char)(1 + i % 100), (char)(1 + i / 100), '\0'}, "p", "h");
		check(cache_get(&f.cache, &key, NOW) == VERDICT_NONE);
	}
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story),
		cmocka_unit_test(test_other_fields),
		cmocka_unit_test(test_guesses_displace_nobody),
		cmocka_unit_test(test_two_workers_share),
		cmocka_unit_test(test_two_starts_do_not),
		cmocka_unit_test(test_a_million_users),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_processes_hammer),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
