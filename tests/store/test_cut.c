/* tests/store/test_cut.c - ranges go, what stays stays: every way against a simple model */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cutbox.h"

static struct cutbox box;
static char text[CUTBOX_MOST], want[CUTBOX_MOST];

static const struct {
	const char *what;
	size_t octets;
	struct cut cut[4];
	size_t n;
} facts[] = {
	{"nothing goes", 100, {{0, 0}}, 0},
	{"all goes", 100, {{0, 100}}, 1},
	{"the tail", 10000, {{9000, 10000}}, 1},
	{"one octet at the end", 10000, {{9999, 10000}}, 1},
	{"the head", 10000, {{0, 1}}, 1},
	{"the middle", 10000, {{5000, 5100}}, 1},
	{"first and last", 30000, {{0, 300}, {29000, 30000}}, 2},
	{"all but an octet", 30000, {{0, 15000}, {15001, 30000}}, 2},
	{"touching", 30000, {{10, 300}, {300, 4000}, {4000, 9000}}, 3},
	{"a block", 3 * 4096, {{4096, 8192}}, 1},
	{"windows long", 60000, {{1, 2}, {20000, 20001}, {40000, 59999}}, 3},
	{"what moves fills the window", 4096 - 32 + 10, {{0, 10}}, 1},
	{"the window is full before the last cut", 4096 - 32 + 20, {{0, 10}, {4096 - 32 + 10, 4096 - 32 + 20}}, 2},
};

static void check_cut(size_t row, const char *what, enum cut_way way, size_t octets, const struct cut *cut, size_t n)
{
	cut_fill(text, octets);
	cutbox_new(&box, way, text, octets);
	size_t len = cut_model(text, octets, cut, n, want);

	check_row(row, what, cut_apply(&box.file, cut, n, &box.why) == OK);
	cutbox_read(&box);
	check_row(row, what, box.octets == len && memcmp(box.text, want, len) == 0);
	check_row(row, what, cutbox_journals(&box) == 0);
	cutbox_free(&box);
}

static void test_facts(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(facts); i++)
		for (enum cut_way way = 0; way < WAYS; way++)
			check_cut(i, facts[i].what, way, facts[i].octets, facts[i].cut, facts[i].n);
}

static unsigned random_below(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % n;
}

static void test_random(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		size_t octets = 1 + random_below(&seed, round % 2 ? 200 : 20000), n = 0;
		struct cut cut[32];
		uint64_t at = 0;

		while (n < TABLE_ROWS(cut) && at < octets) {
			uint64_t from = at + random_below(&seed, (unsigned)octets / 4 + 2);
			uint64_t to = from + 1 + random_below(&seed, (unsigned)octets / 8 + 2);

			if (to > octets)
				break;
			cut[n++] = (struct cut){from, to};
			at = to;
		}
		check_cut(round, "random", round % WAYS, octets, cut, n);
	}
}

/* Which way it went shows in the inode. */
static void test_ways(void **state)
{
	static const struct {
		const char *what;
		enum cut_way way;
		bool linked;
		struct cut cut;
		bool same;
	} ways[] = {
		{"a tail", WAY_RENAME, false, {500, 1000}, true},  {"all", WAY_RENAME, false, {0, 1000}, true},
		{"renamed", WAY_RENAME, false, {0, 500}, false},   {"two names", WAY_RENAME, true, {0, 500}, true},
		{"no dotlock", WAY_IN_PLACE, false, {0, 5}, true},
	};

	(void)state;
	cut_fill(text, 1000);
	for (size_t i = 0; i < TABLE_ROWS(ways); i++) {
		struct stat before, after;

		cutbox_new(&box, ways[i].way, text, 1000);
		check(!ways[i].linked || linkat(box.dir, "mbox", box.dir, "other", 0) == 0);
		check(fstat(box.fd, &before) == 0 && fchmod(box.fd, 0640) == 0);
		check_row(i, ways[i].what, cut_apply(&box.file, &ways[i].cut, 1, &box.why) == OK);
		check(stat(box.path, &after) == 0);
		check_row(i, ways[i].what, (before.st_ino == after.st_ino) == ways[i].same);
		check_row(i, ways[i].what, (after.st_mode & 0777) == 0640);
		cutbox_free(&box);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *what;
		struct cut cut[2];
	} wrong[] = {
		{"behind the end", {{0, 5}, {900, 1001}}},     {"empty", {{0, 5}, {900, 900}}},
		{"backwards", {{0, 5}, {900, 800}}},           {"not sorted", {{500, 600}, {100, 200}}},
		{"over each other", {{500, 600}, {599, 700}}},
	};

	(void)state;
	cut_fill(text, 1000);
	for (size_t i = 0; i < TABLE_ROWS(wrong); i++)
		for (enum cut_way way = 0; way < WAYS; way++) {
			cutbox_new(&box, way, text, 1000);
			check_row(i, wrong[i].what, cut_apply(&box.file, wrong[i].cut, 2, &box.why) == ERR_TEMP);
			cutbox_read(&box);
			check_row(i, wrong[i].what, box.octets == 1000 && memcmp(box.text, text, 1000) == 0);
			cutbox_free(&box);
		}
}

/* Another program has put another file into its place. */
static void test_replaced(void **state)
{
	(void)state;
	cut_fill(text, 1000);
	cutbox_new(&box, WAY_RENAME, text, 1000);
	check(renameat(box.dir, "mbox", box.dir, "old") == 0);
	cutbox_append(box.path, "another one");
	check(cut_apply(&box.file, &(struct cut){0, 10}, 1, &box.why) == ERR_TEMP);
	cutbox_read(&box);
	check(box.octets == strlen("another one"));
	cutbox_free(&box);
}

/* Nothing is changed in place without a journal, and nothing else is said. */
static void test_no_journal(void **state)
{
	(void)state;
	cut_fill(text, 1000);
	for (enum cut_way way = 0; way < WAYS; way++) {
		cutbox_new(&box, way, text, 1000);
		box.file.journal = NULL;
		check(linkat(box.dir, "mbox", box.dir, "other", 0) == 0);
		check_row(way, "refused", cut_apply(&box.file, &(struct cut){0, 10}, 1, &box.why) == ERR_PERM);
		cutbox_read(&box);
		check_row(way, "as it was", box.octets == 1000 && memcmp(box.text, text, 1000) == 0);
		cutbox_free(&box);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_facts),    cmocka_unit_test(test_random),
					   cmocka_unit_test(test_ways),     cmocka_unit_test(test_refused),
					   cmocka_unit_test(test_replaced), cmocka_unit_test(test_no_journal)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
