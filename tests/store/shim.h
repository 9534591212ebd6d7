/* tests/store/shim.h - stands between store and the system: counts, fails and kills at will
 *
 * Linked with --wrap for the calls in meson.build. A program that fails, or dies, at its Nth call, for all N, shows what a
 * crash at any moment leaves behind. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/sanitized.h"

/* Which calls are tried: each, or each eighth, as sanitized builds are slow. */
#ifdef SANITIZED
#define EACH_TRIED 8
#else
#define EACH_TRIED 1
#endif

/* What calls fail with: in a pass one error each, in the next pass another. */
struct shim_errors {
	const int *error;
	unsigned n, pass;
};

/* As many passes as there are errors with POP3D_LONG in the environment, else one. */
unsigned shim_passes(unsigned errors);

/* For call number `at`. errors NULL: none, something else happens to it. */
int shim_error_at(const struct shim_errors *errors, unsigned at);

enum shim_what { SHIM_NOTHING, SHIM_KILL, SHIM_KILL_BEHIND, SHIM_ERROR, SHIM_SHORT };

/* A change that was made, for whoever records them. */
enum shim_op_kind { OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_CREATE, OP_RENAME, OP_EXCHANGE, OP_LINK, OP_UNLINK };
struct shim_op {
	enum shim_op_kind kind;
	int fd;                   /* of the file, or of the directory that names are in */
	int made;                 /* OP_CREATE: the file */
	const char *name, *name2; /* OP_RENAME, OP_EXCHANGE, OP_LINK: from, to */
	const void *data;
	size_t n; /* octets of data; OP_TRUNCATE: of the file */
	off_t at; /* -1: at the end */
};

struct shim {
	unsigned calls;      /* of all wrapped functions */
	unsigned changes;    /* of those that change a file or a directory, or make it durable */
	unsigned reads;      /* messages that were opened */
	size_t octets;       /* that pread has brought */
	enum shim_what what; /* happens at change number `at` (the first is 1): before it, or behind it */
	unsigned at;
	int error;
	const char *path; /* every openat of a path that contains this fails with path_error */
	int path_error;
	void (*before_open)(const char *path);  /* called before every openat of a path: other programs at work */
	void (*before_read)(void);              /* and before every pread */
	void (*made)(const struct shim_op *op); /* called behind every change */
	void (*before)(void);                   /* and before it */
	bool no_sync;                           /* fsync and fdatasync do nothing: the machine will not crash really */
	int later_s;                            /* the wall clock is so much ahead */
	ino_t ino, ino_seen;                    /* the former looks like the latter; 0: none does */
	bool booted;                            /* the machine has just been started; else it has been up for a while */
};
extern struct shim shim;

void shim_reset(void);
