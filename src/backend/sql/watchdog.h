/* backend/sql/watchdog.h - an end to calls of libraries that know none
 *
 * A driver of ODBC waits for its server as long as it likes. When it is time, and each tenth of a second from then on, every
 * socket that the library opened is shut down, so that its reads end; it hears of a lost connection. A socket is the library's when
 * it was not there before. One at a time; SIGALRM and the real-time timer are used meanwhile. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { WATCHDOG_DESCRIPTORS = 1024 };

/* Descriptors, a bit for each. */
struct descriptors {
	uint64_t bit[WATCHDOG_DESCRIPTORS / 64];
};

/* Those that are open. */
struct descriptors descriptors_open(void);

/* Those in a that are not in b. */
struct descriptors descriptors_but(struct descriptors a, struct descriptors b);

/* From now on to watchdog_end: sockets that are not among `spared' are shut down at `until' (of clock_ms()). */
void watchdog_begin(uint64_t until, const struct descriptors *spared);

/* Whether it did so. */
bool watchdog_end(void);
