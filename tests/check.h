/* tests/check.h - cmocka, and a check that names the row of a table that failed
 *
 * A test is a list of facts and a dull loop. Include this behind the headers under test: cmocka's macro
 * fail() would hide the function of base/why.h, and is taken away here. */
#pragma once
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail

#define TABLE_ROWS(table) (sizeof(table) / sizeof *(table))

/* A slice in a static table, where SLICE would not be constant; the text may hold NULs. */
#define TEXT(literal)                                                                                                  \
	{                                                                                                              \
		(literal), sizeof(literal) - 1                                                                         \
	}

static inline _Noreturn void check_failed(const char *file, int line, size_t row, const char *text, const char *fact)
{
	print_error("row %zu, \"%s\": not so: %s\n", row, text, fact);
	_fail(file, line);
	abort(); /* is not reached, which analysers cannot know */
}

/* Fails the test unless `fact` holds; says which row (its text and number). */
#define check_row(i, text, fact)                                                                                       \
	do {                                                                                                           \
		if (!(fact))                                                                                           \
			check_failed(__FILE__, __LINE__, (size_t)(i), (text), #fact);                                  \
	} while (0)

/* The same without a table. */
#define check(fact) check_row(0, __func__, fact)

static inline void check_on_alarm(int sig)
{
	static const char line[] = "it hangs: the test did not end in the time that it may take on a busy machine\n";

	(void)sig;
	(void)!write(STDERR_FILENO, line, sizeof line - 1);
	_exit(EXIT_FAILURE);
}

/* For a test that waits for other processes: one that would wait for ever fails, with a line. Each call begins anew; processes that
 * are forked from here on are not meant. */
static inline void check_ends_within(unsigned seconds)
{
	(void)signal(SIGALRM, check_on_alarm);
	(void)alarm(seconds);
}
