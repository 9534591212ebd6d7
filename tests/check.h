/* tests/check.h - cmocka, and a check that names the row of a table that failed
 *
 * A test is a list of facts and a dull loop. Include this behind the headers under test: cmocka's macro
 * fail() would hide the function of base/why.h, and is taken away here. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#define TABLE_ROWS(table) (sizeof(table) / sizeof *(table))

/* A slice in a static table, where SLICE would not be constant; the text may hold NULs. */
#define TEXT(literal)                                                                                                  \
	{                                                                                                              \
		(literal), sizeof(literal) - 1                                                                         \
	}

/* Fails the test unless `fact` holds; says which row (its text and number). */
#define check_row(i, text, fact)                                                                                       \
	do {                                                                                                           \
		if (!(fact)) {                                                                                         \
			print_error("row %zu, \"%s\": not so: %s\n", (size_t)(i), (text), #fact);                      \
			_fail(__FILE__, __LINE__);                                                                     \
		}                                                                                                      \
	} while (0)

/* The same without a table. */
#define check(fact) check_row(0, __func__, fact)
