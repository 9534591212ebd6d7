/* front/file.h - a descriptor that a store handed over, and how it may be read
 *
 * The file may belong to a hostile user: it can shrink or change at any time, and lie on a file system that never answers.
 * So it is never mapped, and a read either answers at once or not at all; then store is asked for the octets. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/why.h"

enum file_kind {
	FILE_NONE,   /* not to be read here: a strange file system, or none at all */
	FILE_NOWAIT, /* a regular file on a local file system that we know: what is in the page cache */
	FILE_MEMORY, /* a sealed memfd: always there */
};

struct file {
	int fd; /* owned; -1: none */
	enum file_kind kind;
};

/* Owns fd, also on failure: it is no regular file. */
enum err file_open(struct file *f, int fd, struct why *why);
void file_close(struct file *f);

/* Octets read, less than n where the file ends; -1: not without waiting. */
ssize_t file_read(const struct file *f, uint64_t at, char *p, size_t n);
