/* tests/store/test_crash_bulletins.c - a session that brings bulletins, and dies or fails at every call that changes something
 *
 * Whatever happens when, and whether other mail comes before the next session or not: then each bulletin is there once, and mail that was there
 * before stays. A bulletin that a session has shown and deleted does not come again, also where nothing could be
 * written about it. Of a mailbox in one file no other program finds half a bulletin that mail was appended to, once we have seen it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bulletinbox.h"
#include "check.h"
#include "shim.h"

enum { DONE = 40, SOME, REFUSED, KILLED = 99 };

/* It deletes the bulletins that it is shown. */
static int run_child(struct box *b, enum shim_what what, unsigned at, int error, bool deletes)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		char marks[ALL + 8];
		unsigned there[ALL];
		struct outcome out;

		shim_reset();
		shim.no_sync = true;
		shim.what = what;
		shim.at = at;
		shim.error = error;
		enum err err = bulletins_session(b, NULL);
		bool reached = shim.changes >= at;

		shim_reset();
		if (err != OK)
			_exit(REFUSED);
		bulletins_look(b, there, at);
		if (there[OWN] != 1)
			_exit(reached ? SOME : 51);
		bulletins_mark(b, marks);
		if (deletes && box_commit(b, marks, &out) != OK)
			_exit(52);
		_exit(reached ? DONE : 0);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void check_after(struct box *b, const struct bulletin_format *f, unsigned at, unsigned bulletins, bool delivered)
{
	for (int session = 0; session < 2; session++) {
		unsigned there[ALL];

		check_row(at, b->why.text, bulletins_session(b, NULL) == OK);
		bulletins_look(b, there, at);
		for (int n = 0; n < ALL; n++)
			check_row(at, f->about,
				  there[n] == (n < OWN     ? 1
					       : n < LATER ? bulletins
							   : (unsigned)delivered));
	}
	box_close(b);
}

static void check_format(const struct bulletin_format *f, enum shim_what what, const struct shim_errors *errors,
			 unsigned turn)
{
	unsigned at = 0;
	int result;

	do {
		bool deletes = what == SHIM_ERROR || what == SHIM_SHORT;
		struct box b;

		bulletins_fill(&b, f);
		at += EACH_TRIED;
		bool delivered = (at + turn) % 2 == 1;

		result = run_child(&b, what, at, shim_error_at(errors, at), deletes);
		check_row(at, f->about, result < 50 || result == KILLED);
		if (delivered)
			f->put(&b, LATER);
		check_after(&b, f, at, deletes && (result == DONE || result == 0) ? 0 : 1, delivered);
		box_free(&b);
	} while (result != 0);
	check_row(at, f->about, at > 10);
}

static void check_all(enum shim_what what, const struct shim_errors *errors, unsigned turn)
{
	for (size_t i = 0; i < bulletin_formats_n; i++)
		check_format(&bulletin_formats[i], what, errors, turn);
}

/* Mail comes between a death and what follows: at each second call, in the next pass at the others. */
static void test_killed(void **state)
{
	(void)state;
	for (unsigned pass = 0; pass < shim_passes(2); pass++)
		check_all(SHIM_KILL, NULL, pass);
}

static void test_failed(void **state)
{
	static const int errors[] = {ENOSPC, EIO};

	(void)state;
	for (unsigned pass = 0; pass < shim_passes(TABLE_ROWS(errors)); pass++)
		check_all(SHIM_ERROR, &(struct shim_errors){errors, TABLE_ROWS(errors), pass}, pass);
	check_format(&bulletin_formats[0], SHIM_SHORT, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed), cmocka_unit_test(test_failed)};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
