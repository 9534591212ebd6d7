/* tests/state/test_reservations.c - rows that are found by their number alone, and by the process behind us */
#include "state/reservations.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static const struct slice bob = {"bob@a", 5}, eve = {"eve@a", 5};

static struct reservation *begin(struct reservations *rs, struct slice key, uint64_t sid, uint32_t auth)
{
	struct reservation *r = reservations_new(rs, key);

	r->sid = sid;
	r->auth = auth;
	check(reservation_begin(rs, r) && r->number != 0);
	return r;
}

static void test_numbers(void **state)
{
	struct reservations rs;
	void *memory = calloc(1, reservations_octets());

	(void)state;
	check(memory);
	reservations_open(&rs, memory);
	struct reservation *a = begin(&rs, bob, 1, 7), *b = begin(&rs, eve, 2, 7);
	uint64_t number = a->number;

	check(a != b && reservations_find(&rs, number) == a && slice_eq(reservation_key(a), bob));
	check(!reservations_find(&rs, number + 1) && !reservations_find(&rs, 0) && !reservations_find(&rs, UINT64_MAX));
	check(!reservations_inherited(&rs, 1, bob)); /* they are our own */
	reservation_end(a);
	check(!reservations_find(&rs, number));
	free(memory);
}

static void test_the_next_process(void **state)
{
	struct reservations rs, next;
	void *memory = calloc(1, reservations_octets());

	(void)state;
	check(memory);
	reservations_open(&rs, memory);
	struct reservation *a = begin(&rs, bob, 1, 7), *b = begin(&rs, eve, 2, 8);

	reservations_open(&next, memory);
	check(reservations_inherited(&next, 1, bob) == a && reservations_inherited(&next, 2, eve) == b);
	check(!reservations_inherited(&next, 1, eve) && !reservations_inherited(&next, 3, bob));
	reservations_doubt(&next, 8, 1000);
	check(!reservations_doubtful(&next, NULL, 999));
	check(reservations_doubtful(&next, NULL, 1000) == b && !reservations_doubtful(&next, b, 1000));
	free(memory);
}

/* As many as there may be, and more: the rows are used again. */
static void test_many(void **state)
{
	struct reservations rs;
	void *memory = calloc(1, reservations_octets());

	(void)state;
	check(memory);
	reservations_open(&rs, memory);
	for (uint64_t i = 1; i <= 3 * RESERVATIONS_MOST; i++) {
		const struct reservation *r = begin(&rs, bob, i, 7);

		check(r >= rs.row && r < rs.row + RESERVATIONS_MOST && reservations_find(&rs, r->number)->sid == i);
	}
	free(memory);
}

static void say(int fd, const void *p, size_t n)
{
	check(write(fd, p, n) == (ssize_t)n);
}

/* Numbers are found behind whatever somebody else writes between them, and wherever a read of the pipe ends. */
static void test_confirmed(void **state)
{
	enum { ROWS = 1200 };
	struct reservations rs;
	void *memory = calloc(1, reservations_octets());
	static uint64_t number[ROWS];
	int fds[2];

	(void)state;
	check(memory && pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	reservations_open(&rs, memory);
	for (uint64_t i = 0; i < ROWS; i++)
		number[i] = begin(&rs, bob, i + 1, 7)->number;
	check(rs.begun == ROWS);
	for (size_t i = 1; i < ROWS; i++) {
		say(fds[1], "garbage", i % 7);
		say(fds[1], &number[i], sizeof number[i]);
		if (i % 100 == 0)
			say(fds[1], &number[i], sizeof number[i]); /* once more */
	}
	say(fds[1], &number[0], sizeof number[0] - 1); /* of this one the end is missing */
	reservations_take_confirmed(&rs, fds[0]);
	for (size_t i = 1; i < ROWS; i++)
		check(!reservations_find(&rs, number[i]));
	check(reservations_find(&rs, number[0]) && rs.begun == 0);
	reservations_take_confirmed(&rs, fds[0]); /* nothing there */
	say(fds[1], &number[0], sizeof number[0]);
	reservations_take_confirmed(&rs, fds[0]);
	check(!reservations_find(&rs, number[0]));
	close(fds[0]);
	close(fds[1]);
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_the_next_process),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_confirmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
