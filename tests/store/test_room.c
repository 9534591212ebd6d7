/* tests/store/test_room.c - memory for what grows with a mailbox: contents stay, and little of it is mapped at a time */
#include "store/room.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sanitized.h"
#include "check.h"
#include "store/scan.h"

enum { STEP = 100 * 1000, STEPS = 40 };

static void fill(struct room *r, int step)
{
	check(room_grow(r, (size_t)(step + 1) * STEP));
	memset(r->p + (size_t)step * STEP, step + 1, STEP);
}

static void check_filled(const struct room *r, int steps)
{
	for (int i = 0; i < steps; i++)
		check_row((unsigned)i, "octets", r->p[i * STEP] == i + 1 && r->p[(i + 1) * STEP - 1] == i + 1);
}

/* In files of a directory, and where there is none, or none that takes such files. */
static void test_contents_stay(void **state)
{
	static const char *const dirs[] = {"/tmp", NULL, "/proc"};

	(void)state;
	for (size_t d = 0; d < TABLE_ROWS(dirs); d++) {
		int dir = dirs[d] ? open(dirs[d], O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		struct room a = {0}, b = {0};

		room_set_dir(dir);
		for (int i = 0; i < STEPS; i++) {
			fill(&a, i);
			fill(&b, i);
			if (i % 8 == 0)
				room_shed_all();
			check_filled(&a, i + 1);
		}
		check((a.large != NULL) == (STEPS * STEP > ROOM_HEAP_MOST));
		room_done(&a);
		room_shed_all();
		check_filled(&b, STEPS);
		room_done(&b);
		check(b.p == NULL && b.cap == 0);
		if (dir >= 0)
			close(dir);
	}
	room_set_dir(-1);
}

/* What is appended is there when it is read, and behind room_flush when it is looked at, also where the room has moved or begun elsewhere. */
static void check_appended(struct room *r, const char *octets, size_t n, size_t step)
{
	static char read[STEPS * STEP];

	for (size_t at = 0; at < n; at += step) {
		size_t some = step < n - at ? step : n - at;

		check(room_grow(r, at + some) && room_append(r, at, octets + at, some));
	}
	check(room_flush(r));
	check_row((unsigned)step, "looked at", memcmp(r->p, octets, n) == 0);
	check(room_read(r, 0, read, n));
	check_row((unsigned)step, "read", memcmp(read, octets, n) == 0);
	check(room_append(r, 7, "seven", 5) && room_append(r, 3, "III", 3) && room_flush(r));
	check_row((unsigned)step, "out of order", memcmp(r->p + 3, "III", 3) == 0 && memcmp(r->p + 7, "seven", 5) == 0);
}

static void test_appended(void **state)
{
	static const size_t steps[] = {1000, 4096, 65536, 65537, STEP};
	static char octets[STEPS * STEP];

	(void)state;
	for (size_t i = 0; i < sizeof octets; i++)
		octets[i] = (char)(i * 7 + i / 4096);
	for (size_t i = 0; i < 2 * TABLE_ROWS(steps); i++) {
		int dir = i % 2 ? open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		struct room r = {0};

		room_set_dir(dir);
		check_appended(&r, octets, sizeof octets, steps[i / 2]);
		room_done(&r);
		check_appended(&r, octets, ROOM_HEAP_MOST / 2, steps[i / 2]);
		check(r.large == NULL);
		room_done(&r);
		room_set_dir(-1);
		if (dir >= 0)
			close(dir);
	}
}

static long most_kib(void)
{
	struct rusage used;

	check(getrusage(RUSAGE_SELF, &used) == 0);
	return used.ru_maxrss;
}

/* Whoever looks at a scan that is collected before it is ready falls over nothing. */
static void check_ready(struct scan *s, bool collected)
{
	check((s->rec == NULL) == collected && (s->entry == NULL) == collected && (s->names == NULL) == collected);
	check(scan_ready(s));
}

/* 500,000 messages are 100 MB; what is mapped of them at once is not. */
static void scan_many(bool collected)
{
	struct listing_rec r = {.raw = 10, .octets = 12, .lines = 2, .uidl_len = 1, .uidl = "a"};
	struct scan_entry e = {.id = 1};
	struct scan s = {0};
	long before = most_kib();
	uint64_t sum = 0;

	if (collected)
		scan_collect(&s);
	for (uint32_t i = 0; i < 500000; i++) {
		r.pos = i;
		if (i == 1 || i == 300000)
			check_ready(&s, collected);
		check(scan_add(&s, &r, &e, SLICE("1767600000.M123456P12345.a-host-of-some-length.example.org:2,S"),
			       NULL) == OK);
	}
	check_ready(&s, collected);
	for (uint32_t i = 0; i < s.count; i++) {
		sum += s.rec[i].pos + s.entry[i].id + (scan_name(&s, i).p[0] == '1');
		scan_pass(i);
	}
	check(s.count == 500000 && sum == 500000ULL * 499999 / 2 + 1000000);
	check(most_kib() - before < 16 * 1024);
	scan_done(&s);
}

static void test_little_is_mapped(void **state)
{
	(void)state;
#ifdef SANITIZED
	print_message("test_little_is_mapped: a sanitizer has memory of its own\n");
	skip();
#endif
	for (int collected = 0; collected < 2; collected++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			scan_many(collected);
			_exit(0);
		}
		check(pid > 0 && waitpid(pid, &status, 0) == pid);
		check_row((unsigned)collected, "collected", WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_contents_stay), cmocka_unit_test(test_appended),
					   cmocka_unit_test(test_little_is_mapped)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
