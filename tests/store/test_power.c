/* tests/store/test_power.c - the power fails, or the process, in the middle of a cut: old or new, and nothing else
 *
 * Every state that power.h builds is opened again and what is left is replayed, also with octets that somebody has appended before, and
 * the replay's own changes are taken the same way (all or nothing of what is not synced). Whole commits, with their locks and
 * indexes, are in test_power_commit.c. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cutbox.h"
#include "power.h"

enum { OCTETS = 9000, COMBINATIONS = 100000, MAIL = 0, JOURNALS = 1 };

static const struct cut cuts[] = {{100, 700}, {5000, 5001}, {8500, 8700}};
enum { CUTS = TABLE_ROWS(cuts) };

/* By somebody who ignores locks, after the crash: less than was cut, and more. */
#define LINE "From a deliverer that ignores locks\n"
#define LINES LINE LINE LINE LINE LINE LINE LINE LINE
static const char *const appended[] = {"", LINE, LINES LINES LINES LINES};

static struct cutbox box;
static struct power_places places;
static char old_text[CUTBOX_MOST], new_text[CUTBOX_MOST];
static size_t old_octets, new_octets;
static struct power_story first, second;
static unsigned states;

static bool is_text(const char *text, size_t octets, const char *more)
{
	size_t n = strlen(more);

	return box.octets == octets + n && memcmp(box.text, text, octets) == 0 &&
	       memcmp(box.text + octets, more, n) == 0;
}

/* Replays what is there, and looks. */
static void check_state(size_t row, const char *what, const char *more)
{
	struct stat st;
	bool left = cutbox_journals(&box) > 0;

	if (more[0])
		cutbox_append(box.path, more);
	enum err err = cutbox_again(&box);

	check_row(row, err == OK ? what : box.why.text, err == OK);
	cutbox_read(&box);
	check_row(row, what, is_text(new_text, new_octets, more) || is_text(old_text, old_octets, more));
	check_row(row, what, !left || (fstat(box.fd, &st) == 0 && !journal_is_left(&box.journal, st.st_ino)));
}

/* The replay of this state is interrupted, too, at every moment. */
static void check_replay(size_t row, const struct power_world *w)
{
	static struct power_world then;

	power_write(w, &places);
	power_record(&second, &places);
	enum err err = cutbox_again(&box);

	power_recorded();
	check_row(row, "replay", err == OK);
	for (size_t k = 0; k <= second.ops; k++) {
		struct power_crash *c = power_crash_new(&second, k, false, COMBINATIONS);

		for (; power_crash_next(c, &then); states++) {
			power_write(&then, &places);
			check_state(row, "a replay that was interrupted", "");
		}
		power_crash_free(c);
	}
	power_forget(&second);
}

static void check_crash(size_t k)
{
	static struct power_world then;
	struct power_crash *c = power_crash_new(&first, k, true, COMBINATIONS);

	for (unsigned combination = 0; power_crash_next(c, &then); combination++) {
		for (size_t i = 0; i < TABLE_ROWS(appended); i++, states++) {
			power_write(&then, &places);
			check_state(k, appended[i], appended[i]);
			/* What was said to be done is durable. */
			check_row(k, appended[i], k < first.ops || is_text(new_text, new_octets, appended[i]));
		}
		if (combination < 2 && power_has(&then, JOURNALS, journal_is_name))
			check_replay(k, &then);
	}
	power_crash_free(c);
}

static void check_way(enum cut_way way, const struct cut *cut, size_t n)
{
	old_octets = OCTETS;
	cut_fill(old_text, OCTETS);
	new_octets = cut_model(old_text, OCTETS, cut, n, new_text);
	cutbox_new(&box, way, old_text, OCTETS);
	places = (struct power_places){.fd = {[MAIL] = box.dir, [JOURNALS] = box.journals}, .n = 2};
	power_record(&first, &places);
	check(cut_apply(&box.file, cut, n, &box.why) == OK);
	power_recorded();
	states = 0;
	for (size_t k = 0; k <= first.ops; k++)
		check_crash(k);
	print_message("%zu changes, %u states\n", first.ops, states);
	check(states > 10);
	power_forget(&first);
	shim_reset();
	cutbox_free(&box);
}

static void test_tail(void **state)
{
	(void)state;
	check_way(WAY_RENAME, &(struct cut){4000, OCTETS}, 1);
}

static void test_renamed(void **state)
{
	(void)state;
	check_way(WAY_RENAME, cuts, CUTS);
}

static void test_in_place(void **state)
{
	(void)state;
	check_way(WAY_IN_PLACE, cuts, CUTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_tail), cmocka_unit_test(test_renamed),
					   cmocka_unit_test(test_in_place)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
