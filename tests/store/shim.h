/* tests/store/shim.h - stands between store and the system: counts, fails and kills at will
 *
 * Linked with --wrap for the calls in meson.build. A program that fails, or dies, at its Nth call, for all N, shows what a
 * crash at any moment leaves behind. */
#pragma once
#include <stdbool.h>

enum shim_what { SHIM_NOTHING, SHIM_KILL, SHIM_KILL_BEHIND, SHIM_ERROR };

struct shim {
	unsigned calls;      /* of all wrapped functions */
	unsigned changes;    /* of those that change a file or a directory, or make it durable */
	unsigned reads;      /* messages that were opened */
	enum shim_what what; /* happens at change number `at` (the first is 1): before it, or behind it */
	unsigned at;
	int error;
	const char *path; /* every openat of a path that contains this fails with path_error */
	int path_error;
	void (*before_open)(const char *path); /* called before every openat of a path: other programs at work */
	int later_s;                           /* the wall clock is so much ahead */
};
extern struct shim shim;

void shim_reset(void);
