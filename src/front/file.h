/* front/file.h - a descriptor that a store handed over
 *
 * The file may belong to a hostile user: it can shrink or change at any time. So it is never mapped, and a read either
 * answers at once or not at all; then store is asked for the octets. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/why.h"
#include "ipc/handover.h"

struct file {
	int fd; /* owned; -1: none */
	enum handover kind;
};

/* No file: every read has to be asked for. */
#define FILE_ABSENT ((struct file){.fd = -1})

/* Owns fd, also on failure: it is nothing that a front may read. */
enum err file_open(struct file *f, int fd, struct why *why);
void file_close(struct file *f);

/* Octets of an open file; 0 when that cannot be known. */
uint64_t file_octets(const struct file *f);

/* Octets read, less than n where the file ends; -1: not without waiting. */
ssize_t file_read(const struct file *f, uint64_t at, char *p, size_t n);
