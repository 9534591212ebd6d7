/* store/storage.c - what the system says of files, see driver.h */
#include <errno.h>
#include <sys/stat.h>

#include "store/driver.h"

enum err storage_err(int error)
{
	static const int permanent[] = {EACCES, EPERM, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EINVAL};

	for (size_t i = 0; i < sizeof permanent / sizeof *permanent; i++)
		if (error == permanent[i])
			return ERR_PERM;
	return ERR_TEMP;
}

int64_t storage_ns(struct timespec t)
{
	int64_t n;

	if (__builtin_mul_overflow((int64_t)t.tv_sec, 1000000000, &n) || __builtin_add_overflow(n, t.tv_nsec, &n))
		return t.tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return n;
}

struct stamp storage_stamp(const struct stat *st)
{
	return (struct stamp){.dev = st->st_dev,
			      .ino = st->st_ino,
			      .size = (uint64_t)st->st_size,
			      .mtime_ns = storage_ns(st->st_mtim),
			      .ctime_ns = storage_ns(st->st_ctim)};
}
