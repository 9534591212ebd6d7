/* base/clock.h - what time it is
 *
 * Two clocks, never mixed: monotonic for waiting, wall for what is shown or stored. */
#pragma once
#include <stdint.h>

/* A length of time as the configuration gives it. */
struct seconds {
	uint64_t n;
};

/* Milliseconds since some fixed point; never goes back. */
uint64_t clock_ms(void);

/* Nanoseconds since 1970-01-01 00:00 UTC. */
int64_t clock_wall_ns(void);

/* When the machine was started, on the wall clock of now; 0: it cannot be said. */
int64_t clock_boot_ns(void);
