/* master/test_fork.c - what a new process is when it begins */
#include "master/fork.h"

#include <sched.h>
#include <sys/wait.h>

#include "check.h"

/* The policy of a process that had this one before fork_batch(). */
static int policy_from(int before)
{
	const struct sched_param param = {0};
	pid_t pid = fork();

	if (pid == 0) {
		if (sched_setscheduler(0, before, &param) < 0)
			_exit(EXIT_FAILURE + 100);
		fork_batch();
		_exit(sched_getscheduler(0));
	}
	return fork_wait(pid);
}

static void test_policy(void **state)
{
	static const struct {
		const char *text;
		int before, after;
	} rows[] = {
		{"as processes begin", SCHED_OTHER, SCHED_BATCH},
		{"as somebody has chosen for the daemon", SCHED_IDLE, SCHED_IDLE},
		{"as it is already", SCHED_BATCH, SCHED_BATCH},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++)
		check_row(i, rows[i].text, policy_from(rows[i].before) == rows[i].after);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(test_policy)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
