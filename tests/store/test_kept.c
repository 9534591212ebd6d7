/* tests/store/test_kept.c - maildrops that are kept for the next opening: what that costs then, how many there are, and how long */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "check.h"
#include "keptbox.h"
#include "shim.h"
#include "store/kept.h"

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	check(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Again and again: a login that changes nothing leaves all as it was. */
static void test_costs_a_look(void **state)
{
	(void)state;
	for (size_t k = 0; k < KEPT_FORMATS; k++) {
		struct box b;

		keptbox_begin(&b, &kept_formats[k]);
		for (int i = 0; i < 3; i++) {
			unsigned before = descriptors(), calls = shim.calls;

			memset(&b.first, 0, sizeof b.first);
			check_row(k, kept_formats[k].name, box_open(&b) == OK && b.md.warm && b.md.index.count == 3);
			check_row(k, kept_formats[k].name, shim.calls - calls == kept_formats[k].calls);
			check_row(k, kept_formats[k].name,
				  descriptors() == before && b.first.rec[2].octets == KEPT_OCTETS);
			check_row(k, kept_formats[k].name, strstr(box_text(&b, 2), "A: b\n") != NULL);
			box_close(&b);
		}
		keptbox_end(&b);
	}
}

/* More than are remembered, and more than are read at once. */
static void test_records_of_any_number(void **state)
{
	static const unsigned counts[] = {1, 64, 65, INDEX_INLINE, INDEX_INLINE + 1};

	(void)state;
	for (size_t k = 0; k < TABLE_ROWS(counts); k++) {
		struct box b;

		shim_reset();
		shim.later_s = 10;
		box_new_mbox(&b);
		for (unsigned i = 0; i < counts[k]; i++)
			kept_formats[KEPT_MBOX].put(&b, i);
		for (int i = 0; i < 3; i++) {
			memset(&b.first, 0, sizeof b.first);
			check_row(k, "", box_open(&b) == OK && b.md.index.count == counts[k]);
		}
		check_row(k, "", b.md.warm);
		check_row(k, "", counts[k] > INDEX_INLINE || b.first.rec[counts[k] - 1].octets == KEPT_OCTETS);
		keptbox_end(&b);
	}
}

/* An index that was written just now could be written once more with the same times. */
static void test_young_index_is_not_kept(void **state)
{
	struct box b;

	(void)state;
	keptbox_begin(&b, &kept_formats[KEPT_MAILDIR]);
	kept_sweep(0);
	check(chmod(keptbox_path(b.top, kept_formats[KEPT_MAILDIR].index), 0640) == 0);
	shim.later_s = 0;
	check(box_open(&b) == OK && !b.md.keepable);
	box_close(&b);
	check(kept_count() == 0);
	keptbox_end(&b);
}

/* What has deleted is not kept: its file is another one, and its index. */
static void test_deletions(void **state)
{
	(void)state;
	for (size_t k = 0; k < KEPT_FORMATS; k++) {
		struct outcome out;
		struct box b;

		keptbox_begin(&b, &kept_formats[k]);
		check_row(k, kept_formats[k].name, box_open(&b) == OK && b.md.warm);
		check_row(k, kept_formats[k].name, box_commit(&b, "-d-", &out) == OK && out.deleted == 1);
		box_close(&b);
		check_row(k, kept_formats[k].name, kept_count() == 0);
		check_row(k, kept_formats[k].name, box_open(&b) == OK && b.md.index.count == 2);
		keptbox_end(&b);
	}
}

/* ---- how many, and how long ---- */

static void test_idle_ones_go(void **state)
{
	struct box b;

	(void)state;
	unsigned before = descriptors();

	keptbox_begin(&b, &kept_formats[KEPT_MBOX]);
	unsigned with = descriptors();

	kept_sweep(KEPT_IDLE_MS);
	check(kept_count() == 1 && descriptors() == with);
	kept_sweep(0);
	check(kept_count() == 0 && descriptors() == with - 3 && before < with);
	check(box_open(&b) == OK && b.md.index.count == 3);
	keptbox_end(&b);
	check(descriptors() == before);
}

/* How many are kept of so many owners' maildrops, each with its descriptors, in a process that may have `limit` of these. */
static unsigned keep_many(unsigned owners, rlim_t limit)
{
	static struct maildrop_setup setup;
	struct rlimit files;
	struct box b;

	check(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = limit;
	check(setrlimit(RLIMIT_NOFILE, &files) == 0);
	kept_begin(ev_default_loop(EVFLAG_AUTO));
	keptbox_begin(&b, &kept_formats[KEPT_MAILDIR]);
	setup = b.setup;
	unsigned before = descriptors(), count;

	for (unsigned i = 0; i < owners; i++) {
		struct maildrop md;
		char name[128];

		check(snprintf(name, sizeof name, "maildir:%s/%u", b.top, i) < (int)sizeof name);
		for (int k = 0; k < 3; k++) {
			check(maildrop_find(&md, slice_str(name), &setup, &b.why) == OK);
			check(maildrop_open(&md, &b.first, &b.why) == OK);
			maildrop_close(&md);
		}
	}
	count = kept_count();
	check(descriptors() <= before + 2 * count);
	keptbox_end(&b);
	return count;
}

/* Those that were used longest ago go; the more may be kept, the more are. */
static void test_bounded(void **state)
{
	enum { OWNERS = 400, FEW = 192, MORE = 1024 };
	unsigned few = keep_many(OWNERS, FEW), more = keep_many(OWNERS, MORE);

	(void)state;
	check(few > FEW / 2 / 3 / 4 && few <= FEW / 2 / 3);
	check(more > MORE / 2 / 3 / 4 && more <= MORE / 2 / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_costs_a_look),
		cmocka_unit_test(test_records_of_any_number),
		cmocka_unit_test(test_young_index_is_not_kept),
		cmocka_unit_test(test_deletions),
		cmocka_unit_test(test_idle_ones_go),
		cmocka_unit_test(test_bounded),
	};

	keptbox_keep();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
