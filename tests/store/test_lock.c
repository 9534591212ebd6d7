/* tests/store/test_lock.c - the session lock, within a process, between processes, and after a death */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/lock.h"

#include "check.h"

static char path[] = "/tmp/pop3d-lock-XXXXXX";

static struct locks locks_new(void)
{
	struct locks ls = {.fd = open(path, O_RDWR | O_CLOEXEC)};

	check(ls.fd >= 0);
	return ls;
}

static void locks_done(struct locks *ls)
{
	close(ls->fd);
	table_done(&ls->held);
}

static void test_one_process(void **state)
{
	struct locks ls = locks_new();
	struct lock a = {.held = false}, b = a, c = a;
	struct why why;

	(void)state;
	check(lock_take(&ls, &a, 1, &why) == OK);
	check(lock_take(&ls, &b, 1, &why) == ERR_IN_USE);
	check(lock_take(&ls, &c, 2, &why) == OK);
	lock_release(&ls, &b); /* not held */
	check(lock_take(&ls, &b, 1, &why) == ERR_IN_USE);
	lock_release(&ls, &a);
	check(lock_take(&ls, &b, 1, &why) == OK);
	check(lock_take(&ls, &a, 2, &why) == ERR_IN_USE);
	lock_release(&ls, &b);
	lock_release(&ls, &c);
	locks_done(&ls);
}

/* One process takes it, another goes on with it, and lets go; nobody else can have it between. */
static void test_handed_over(void **state)
{
	struct locks a = locks_new(), b = locks_new(), c = locks_new();
	struct lock first = {.held = false}, second = first, other = first;
	struct why why;

	(void)state;
	check(lock_take(&a, &first, 1, &why) == OK);
	int fd = fcntl(lock_fd(&a, &first), F_DUPFD_CLOEXEC, 0);

	lock_leave(&a, &first);
	lock_leave(&a, &first); /* not held */
	locks_done(&a);
	check(!first.held && lock_take(&c, &other, 1, &why) == ERR_IN_USE);
	check(lock_adopt(&b, &second, 1, fd, &why) == OK && lock_fd(&b, &second) == fd);
	check(lock_take(&b, &first, 1, &why) == ERR_IN_USE && lock_take(&c, &other, 1, &why) == ERR_IN_USE);
	check(lock_take(&b, &first, 2, &why) == OK); /* in a file of its own */
	lock_release(&b, &second);
	check(fcntl(fd, F_GETFD) < 0 && lock_take(&c, &other, 1, &why) == OK);
	lock_release(&b, &first);
	lock_release(&c, &other);
	locks_done(&b);
	locks_done(&c);
}

/* What somebody else has by now is not taken over, and the descriptor is closed. */
static void test_not_handed_over(void **state)
{
	struct locks a = locks_new(), b = locks_new();
	struct lock first = {.held = false}, second = first;
	struct why why;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	(void)state;
	check(lock_take(&a, &first, 1, &why) == OK);
	check(lock_adopt(&b, &second, 1, fd, &why) == ERR_TEMP && !second.held && fcntl(fd, F_GETFD) < 0);
	lock_release(&a, &first);
	check(lock_take(&b, &second, 1, &why) == OK);
	lock_release(&b, &second);
	locks_done(&a);
	locks_done(&b);
}

/* Another process takes the lock, says so, and waits to be killed. */
static pid_t holder(uint64_t key)
{
	int ready[2];
	char octet;

	check(pipe(ready) == 0);
	pid_t pid = fork();

	if (pid == 0) {
		struct locks ls = locks_new();
		struct lock l = {.held = false};

		if (lock_take(&ls, &l, key, NULL) == OK && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	check(pid > 0 && read(ready[0], &octet, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void test_other_process(void **state)
{
	struct locks ls = locks_new();
	struct lock a = {.held = false}, b = a;
	pid_t pid = holder(7);
	struct why why;

	(void)state;
	check(lock_take(&ls, &a, 7, &why) == ERR_IN_USE);
	check(lock_take(&ls, &b, 8, &why) == OK);
	check(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	check(lock_take(&ls, &a, 7, &why) == OK); /* it healed by itself */
	lock_release(&ls, &a);
	lock_release(&ls, &b);
	pid = holder(7); /* a released lock can be had by others */
	check(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	locks_done(&ls);
}

/* Offsets of a file, and different ones. */
static void test_keys(void **state)
{
	(void)state;
	check(lock_key(1, 2) != lock_key(2, 1));
	check(lock_key(1, 2) == lock_key(1, 2));
	for (uint64_t i = 0; i < 1000; i++) {
		check(lock_key(i, UINT64_MAX - i) < (uint64_t)INT64_MAX);
		check(lock_key(64769, i) != lock_key(64769, i + 1));
	}
}

static void count_item(struct table_item *item, void *sum)
{
	*(uint64_t *)sum += item->key;
}

static void test_table(void **state)
{
	static struct table_item items[1000];
	struct table_item other = {0};
	struct table t = {0};
	uint64_t sum = 0;

	(void)state;
	check(table_find(&t, 1) == NULL);
	for (uint64_t i = 0; i < TABLE_ROWS(items); i++)
		check_row(i, "add", table_add(&t, &items[i], i << 32 | i));
	check(!table_add(&t, &other, 5ULL << 32 | 5));
	check(t.count == TABLE_ROWS(items));
	for (uint64_t i = 0; i < TABLE_ROWS(items); i += 2)
		table_remove(&t, &items[i]);
	table_remove(&t, &items[0]);
	for (uint64_t i = 0; i < TABLE_ROWS(items); i++)
		check_row(i, "find", table_find(&t, i << 32 | i) == (i % 2 ? &items[i] : NULL));
	table_each(&t, count_item, &sum);
	check(sum == (250000ULL << 32 | 250000));
	table_done(&t);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_process),
		cmocka_unit_test(test_handed_over),
		cmocka_unit_test(test_not_handed_over),
		cmocka_unit_test(test_other_process),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
