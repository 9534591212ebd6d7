/* tests/auth/files.h - a directory of its own for a test, with files in it */
#pragma once
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/region.h"

struct files {
	char path[64];
	int fd;
};

static inline void files_open(struct files *f)
{
	(void)snprintf(f->path, sizeof f->path, "/tmp/poplar-auth-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
}

/* Zeroed memory that forked processes share. */
static inline void *shared_new(size_t octets)
{
	struct region r;
	void *p;

	assert_int_equal(region_new(&r, "test", octets, NULL), OK);
	p = region_map(&r, true, 0, octets);
	assert_non_null(p);
	region_free(&r);
	return p;
}

/* The file has this text, whether it was there or not. Replaced: under a new inode. */
static inline void files_put(const struct files *f, const char *name, const char *text)
{
	int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static inline void files_replace(const struct files *f, const char *name, const char *text)
{
	files_put(f, ".new", text);
	assert_int_equal(renameat(f->fd, ".new", f->fd, name), 0);
}

static inline int files_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static inline void files_close(struct files *f)
{
	close(f->fd);
	assert_int_equal(nftw(f->path, files_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}
