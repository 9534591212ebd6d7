/* master/pidfile.h - the file that says which process is the daemon
 *
 * Written once it serves, and removed at its end by the process that made it, so that a second daemon that cannot
 * start takes nothing away from the first. */
#pragma once
#include <sys/types.h>

#include "base/why.h"

struct pidfile {
	const char *path; /* borrowed; NULL: there is none */
	int fd;           /* kept open, so that no other file gets its inode number */
	pid_t pid;        /* of the process that made it */
};

/* An absolute path, not directly in /. Replaces what is there. After an error there is nothing to remove. */
enum err pidfile_write(struct pidfile *p, const char *path, struct why *why);

/* Only what pidfile_write of this process made. */
void pidfile_remove(struct pidfile *p);
