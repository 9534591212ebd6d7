/* tests/store/test_left.c - what a session that deletes from a Maildir leaves for the next one: an index that needs only a look at the names */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"

enum { MOST = 3000 };

static void put(const struct box *b, const char *dir, unsigned i)
{
	char name[48], text[32];

	check(snprintf(name, sizeof name, "%s/%u.M1P1.host", dir, 1000000 + i) > 0);
	check(snprintf(text, sizeof text, "A: %u\n\nb\n", i) > 0);
	box_put(b, name, text);
}

/* Half of them in cur/, and an index that is current. */
static void begin(struct box *b, unsigned count)
{
	shim_reset();
	shim.later_s = 10;
	box_new(b);
	for (unsigned i = 0; i < count; i++)
		put(b, i % 2 ? "new" : "cur", i);
	check(box_open(b) == OK && box_open(b) == OK && b->md.index.count == count);
}

static void end(struct box *b)
{
	shim_reset();
	box_free(b);
}

/* What clients are shown. */
struct seen {
	uint32_t count;
	struct listing_rec rec[16];
};

static void see(struct box *b, struct seen *s)
{
	s->count = b->md.index.count;
	check(s->count <= 16);
	for (uint32_t i = 0; i < s->count; i++) {
		struct message m;

		box_message(b, i, &m);
		s->rec[i] = m.rec;
		check(strlen(box_text(b, i)) == m.rec.raw);
	}
}

/* The next session sees what one sees that knows nothing. */
static void check_next(struct box *b, size_t row, uint32_t count)
{
	struct seen with, without;

	box_close(b);
	check_row(row, "", box_open(b) == OK && b->md.index.count == count);
	see(b, &with);
	box_close(b);
	box_remove(b, ".pop3-index");
	check_row(row, "", box_open(b) == OK);
	see(b, &without);
	check_row(row, "", with.count == without.count);
	check_row(row, "", memcmp(with.rec, without.rec, with.count * sizeof *with.rec) == 0);
}

static unsigned opened_cur;

static void count_cur(const char *path)
{
	opened_cur += strcmp(path, "cur") == 0;
}

/* Neither messages nor the index are read, nor a directory from which nothing has gone; and what is written does not grow. */
static void test_costs(void **state)
{
	static const unsigned sizes[] = {10, MOST};
	unsigned calls[2], changes[2];
	size_t octets[2];

	(void)state;
	for (size_t k = 0; k < TABLE_ROWS(sizes); k++) {
		static const uint8_t second[MOST / 8 + 1] = {2};
		struct outcome out;
		struct box b;

		begin(&b, sizes[k]);
		const struct changes ch = {.deleted = second, .count = sizes[k]};

		check_row(k, "", maildrop_commit(&b.md, &ch, &out, &b.why) == OK && out.deleted == 1 && out.left);
		box_close(&b);
		shim_reset();
		shim.later_s = 20;
		opened_cur = 0;
		shim.before_open = count_cur;
		check_row(k, "", box_open(&b) == OK && b.md.index.count == sizes[k] - 1);
		check_row(k, "", shim.reads == 0 && opened_cur == 0);
		calls[k] = shim.calls;
		changes[k] = shim.changes;
		octets[k] = shim.octets;
		shim.before_open = NULL;
		unsigned before = shim.changes;

		check_row(k, "", box_open(&b) == OK && shim.changes == before); /* at rest again */
		end(&b);
	}
	check(calls[0] == calls[1] && changes[0] == changes[1] && octets[1] <= octets[0] + 32 * 1024);
}

static void test_all_gone(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	begin(&b, 4);
	check(box_commit(&b, "dddd", &out) == OK && out.deleted == 4);
	check_next(&b, 0, 0);
	box_close(&b);
	put(&b, "new", 9);
	check_next(&b, 1, 1);
	end(&b);
}

/* ---- others, at any moment of it ---- */

static struct {
	const struct box *b;
	unsigned at;
	int what;
	bool done;
} other;

enum { DELIVERS, DELIVERS_BEFORE, REMOVES, RENAMES, MOVES, OTHERS };

static const struct {
	const char *name;
	uint32_t count; /* then, of five of which two are deleted */
} others[] = {
	[DELIVERS] = {"a message comes", 4}, [DELIVERS_BEFORE] = {"a message comes that is older", 4},
	[REMOVES] = {"one goes", 2},         [RENAMES] = {"one gets flags", 3},
	[MOVES] = {"one is seen", 3},
};

static void act(void)
{
	switch (other.what) {
	case DELIVERS:
		put(other.b, "new", 99);
		break;
	case DELIVERS_BEFORE:
		box_put(other.b, "cur/5.M1P1.host:2,", "A: 5\n\nb\n");
		break;
	case REMOVES:
		box_remove(other.b, "cur/1000004.M1P1.host");
		break;
	case RENAMES:
		box_rename(other.b, "cur/1000004.M1P1.host", "cur/1000004.M1P1.host:2,S");
		break;
	default:
		box_rename(other.b, "new/1000003.M1P1.host", "cur/1000003.M1P1.host:2,");
	}
}

static void on_change(void)
{
	if (other.done || shim.changes != other.at)
		return;
	other.done = true;
	shim.before = NULL;
	act();
}

static void test_others_meanwhile(void **state)
{
	enum { MOMENTS = 20 };

	(void)state;
	for (int what = 0; what < OTHERS; what++)
		for (unsigned at = 1; at <= MOMENTS; at++) {
			struct outcome out;
			struct box b;

			begin(&b, 5);
			unsigned before = shim.changes;

			other.b = &b;
			other.at = before + at;
			other.what = what;
			other.done = false;
			shim.before = on_change;
			check_row(at, others[what].name, box_commit(&b, "dd---", &out) == OK && out.deleted == 2);
			shim.before = NULL;
			check_row(at, others[what].name,
				  other.done || at > 8); /* there are no more changes than that */
			if (!other.done)
				act();
			check_next(&b, at, others[what].count);
			end(&b);
		}
}

/* One that somebody else has renamed or removed before: what is left is not known then, and the next session looks itself. */
static void test_others_before(void **state)
{
	(void)state;
	for (int removed = 0; removed < 2; removed++) {
		struct outcome out;
		struct box b;

		begin(&b, 5);
		if (removed)
			box_remove(&b, "new/1000001.M1P1.host");
		else
			box_rename(&b, "new/1000001.M1P1.host", "cur/1000001.M1P1.host:2,RS");
		check_row(removed, "", box_commit(&b, "dd---", &out) == OK && out.deleted == 2 && !out.left);
		check_next(&b, (size_t)removed, 3);
		end(&b);
	}
}

/* Within the two seconds in which a change of a directory may not show. */
static void test_in_the_same_moment(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	begin(&b, 5);
	shim.later_s = 0;
	check(box_commit(&b, "-d---", &out) == OK && out.left);
	check_next(&b, 0, 4);
	put(&b, "new", 50);
	check_next(&b, 1, 5);
	put(&b, "cur", 51);
	check_next(&b, 2, 6);
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_costs),
		cmocka_unit_test(test_all_gone),
		cmocka_unit_test(test_others_meanwhile),
		cmocka_unit_test(test_others_before),
		cmocka_unit_test(test_in_the_same_moment),
	};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
