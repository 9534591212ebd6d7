/* tests/store/power.h - the power fails: what was recorded of a change once, and every state of the disk that it may leave
 *
 * What was synced is there. Of what was not, for each file and each directory by itself: nothing, all, each change alone, all but one, and
 * each write torn: its first half, its second half, every other 512 octets; of a directory also every beginning of its changes. These are
 * combined: all combinations, or, where there are too many, each state of each object with nothing and with all of the others, and some
 * more at random. Names are changed by whole calls. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "shim.h"

enum {
	POWER_OPS = 400,
	POWER_FILES = 24,
	POWER_NAMES = 24, /* in a directory */
	POWER_DIRS = 6,
	POWER_OCTETS = 48 * 1024, /* of a file */
	POWER_NAME = 128,         /* of a name, with its NUL */
};

/* Directories whose files are looked at, open. */
struct power_places {
	int fd[POWER_DIRS];
	size_t n;
};

struct power_name {
	char text[POWER_NAME];
	ino_t ino; /* 0: none */
};

struct power_file {
	ino_t ino;
	char text[POWER_OCTETS];
	size_t octets;
};

/* All there is. */
struct power_world {
	struct power_file file[POWER_FILES];
	size_t files;
	ino_t dir[POWER_DIRS];
	size_t dirs;
	struct power_name name[POWER_DIRS][POWER_NAMES];
};

struct power_op {
	enum shim_op_kind kind;
	ino_t ino; /* of the file, or of the directory; where a name goes to another directory, that one makes it durable */
	ino_t from; /* the same, or the directory that it comes from */
	ino_t made; /* the file that is made, or goes to another directory */
	char name[POWER_NAME], name2[POWER_NAME];
	char *data;
	size_t n;
	off_t at;
};

struct power_story {
	struct power_world start;
	struct {
		ino_t real, ours;
	} reused[POWER_OPS]; /* the number of an inode may be that of one that was there before: ours are used once */
	size_t made;
	struct power_op op[POWER_OPS];
	size_t ops;
	struct power_world now; /* behind all of them */
};

/* What is on the disk now. */
void power_read(struct power_world *w, const struct power_places *places);

/* Makes it so: files keep the inode of their name. The machine has just been started again, and nothing is really synced. */
void power_write(const struct power_world *w, const struct power_places *places);

/* From here to power_recorded() all changes are recorded; nothing is really synced. */
void power_record(struct power_story *s, const struct power_places *places);
void power_recorded(void);
void power_forget(struct power_story *s);

/* Has a name in this directory that `is` says yes to. */
bool power_has(const struct power_world *w, size_t dir, bool (*is)(const char *name));

/* Every state that a crash behind the first `k` changes may leave; all: torn and reordered, too. */
struct power_crash;
struct power_crash *power_crash_new(const struct power_story *s, size_t k, bool all, size_t combinations_most);

/* False: there is no further one. */
bool power_crash_next(struct power_crash *c, struct power_world *w);
void power_crash_free(struct power_crash *c);
