/* master/landlock.h - the kernel's Landlock: what a process may reach in the file system, whoever it is
 *
 * By plain system calls, since the oldest system we build on has headers that know half of it. What the
 * running kernel does not know is left out: an older one confines less, never wrongly. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/why.h"

/* The kernel's version of Landlock; 0: it has none, or it is switched off. */
int landlock_abi(void);

/* What may be allowed beneath a directory. */
enum landlock_right {
	LANDLOCK_LOOK,  /* open files for reading, list directories */
	LANDLOCK_RUN,   /* besides: execute files */
	LANDLOCK_USE,   /* a device or a file: read and write it */
	LANDLOCK_SPOOL, /* look, and write, make, rename and remove regular files */
	LANDLOCK_MAIL,  /* besides: the same of directories, and move them about; nothing else */
};

/* A set of rules under construction. Everything that Landlock knows is refused, sockets and signals to other
 * processes included, but for what landlock_allow names, and connections by TCP where `connects`. */
struct landlock {
	int fd; /* owned; -1: the kernel has no Landlock, and all calls below do nothing */
	uint64_t handled;
};
enum err landlock_init(struct landlock *l, bool connects, struct why *why);

/* Beneath `path`, a directory, or LANDLOCK_USE of `path` itself; one that does not exist (yet) is nothing to allow. */
enum err landlock_allow(const struct landlock *l, const char *path, enum landlock_right right, struct why *why);

/* From here on, for this process, for good. Needs no_new_privs. */
enum err landlock_enforce(const struct landlock *l, struct why *why);

void landlock_done(struct landlock *l);
