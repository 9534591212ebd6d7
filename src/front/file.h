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

/* What was read of a file last. Many files may share one, one at a time. */
struct piece {
	const struct file *of; /* NULL: none; to be set so before a file is closed */
	uint64_t at;
	size_t n;
	char *p; /* PIECE_OCTETS; the owner's */
};

enum { PIECE_OCTETS = 64 * 1024 };

/* As file_read, with *text as the octets: from the piece, where it has all n, or else up to `most` are read into it. n <= most <= PIECE_OCTETS.
 * They are valid until the piece is used next. */
ssize_t file_piece(const struct file *f, struct piece *piece, uint64_t at, size_t n, size_t most, const char **text);
