/* fuzz/fuzz.h - what a target is
 *
 * One target per reader of foreign octets: one function, which must return whatever it is given. fuzz/driver.c runs it over
 * its corpus and over mutations of it, as a plain test; with clang's -fsanitize=fuzzer instead of the driver it
 * is searched for hours. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Returns 0. What must hold is checked with must(). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Ends the process, with the sentence, unless `fact` holds. */
#define must(fact) ((fact) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #fact))
_Noreturn void fuzz_failed(const char *file, int line, const char *fact);
