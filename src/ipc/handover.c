/* ipc/handover.c - see handover.h */
#include "ipc/handover.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342 /* "XFSB"; linux/magic.h leaves it out */
#endif

/* Answered by memory files and nobody else, without a look at any file system. */
static bool is_sealed(int fd)
{
	const int wanted = F_SEAL_SHRINK | F_SEAL_WRITE;
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & wanted) == wanted;
}

/* What lies on a block device; FUSE, NFS and other file systems without one have devices with major number 0. With
 * AT_STATX_DONT_SYNC such a file system is not asked: what the kernel remembers will do. (fstatat ignores that flag.) */
static bool is_on_a_device(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 && S_ISREG(st.stx_mode) &&
	       st.stx_dev_major != 0;
}

/* Those that keep the promise of RWF_NOWAIT. */
static bool is_known(int fd)
{
	static const unsigned long known[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, F2FS_SUPER_MAGIC};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if ((unsigned long)fs.f_type == known[i])
			return true;
	return false;
}

enum handover handover_kind(int fd)
{
	if (is_sealed(fd))
		return HANDOVER_MEMORY;
	return is_on_a_device(fd) && is_known(fd) ? HANDOVER_NOWAIT : HANDOVER_NOT;
}
