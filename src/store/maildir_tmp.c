/* store/maildir_tmp.c - what deliverers that died have left in tmp/ of a Maildir
 *
 * maildir(5) asks readers to remove what nobody has touched for 36 hours: so long a delivery may take. A courtesy: what cannot be removed
 * stays, and nobody hears of it. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/maildir.h"
#include "store/maildrop.h"

static const int64_t tmp_ns = INT64_C(36) * 60 * 60 * 1000000000;

/* When the file was last read, written, or given a name. */
static int64_t touched_ns(const struct stat *st)
{
	int64_t read = storage_ns(st->st_atim), written = storage_ns(st->st_mtim), named = storage_ns(st->st_ctim);
	int64_t last = read > written ? read : written;

	return last > named ? last : named;
}

static bool is_left(int fd, const char *name, int64_t now_ns)
{
	struct stat st;
	int64_t since;

	return name[0] != '.' && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       !__builtin_sub_overflow(now_ns, touched_ns(&st), &since) && since > tmp_ns;
}

void maildir_sweep(const struct maildrop *md)
{
	int fd = openat(md->fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	int64_t now_ns = clock_wall_ns();
	const struct dirent *e;
	unsigned gone = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	/* cppcheck-suppress readdirCalled ; glibc's is safe for a directory stream of one's own */
	while ((e = readdir(dir)))
		gone += is_left(fd, e->d_name, now_ns) && unlinkat(fd, e->d_name, 0) == 0;
	closedir(dir);
	if (gone > 0)
		log_line(LOG_INFO, "%.300s: %u files that deliveries had left in tmp/ for 36 hours are removed",
			 md->path, gone);
}
