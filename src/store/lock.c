/* store/lock.c - see lock.h */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t asking = UINT64_C(1) << 62; /* no key has this bit */

/* The finalizer of MurmurHash3: every bit of the input reaches every bit of the offset. */
static uint64_t mix(uint64_t h)
{
	h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDu;
	h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53u;
	return (h ^ h >> 33) & (UINT64_MAX >> 2);
}

uint64_t lock_key(uint64_t dev, uint64_t ino)
{
	return mix(dev * 0x9E3779B97F4A7C15u ^ ino);
}

uint64_t lock_key_named(uint64_t dev, uint64_t ino, struct slice name)
{
	uint64_t h = lock_key(dev, ino);

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)name.p[i]) * 0x100000001B3u; /* FNV-1a */
	return mix(h);
}

static int set(int fd, short type, uint64_t key)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)key, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &range);
}

enum err lock_take(struct locks *ls, struct lock *l, uint64_t key, struct why *why)
{
	if (table_find(&ls->held, key))
		return fail(why, ERR_IN_USE, "another session has the maildrop open");
	if (set(ls->fd, F_WRLCK, key) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return fail(why, ERR_IN_USE, "a session of another process has the maildrop open");
		return fail_errno(why, ERR_TEMP, "session lock");
	}
	if (!table_add(&ls->held, &l->item, key)) {
		set(ls->fd, F_UNLCK, key); /* cannot fail on a range that is held */
		return fail(why, ERR_TEMP, "session lock: no memory");
	}
	l->held = true;
	l->fd = -1;
	return OK;
}

enum err lock_adopt(struct locks *ls, struct lock *l, uint64_t key, int fd, struct why *why)
{
	if (set(fd, F_WRLCK, key) == 0 && table_add(&ls->held, &l->item, key)) {
		l->held = true;
		l->fd = fd;
		return OK;
	}
	(void)set(fd, F_UNLCK, key); /* cannot fail */
	close(fd);
	return fail(why, ERR_TEMP, "the session lock cannot be taken over");
}

void lock_leave(struct locks *ls, struct lock *l)
{
	if (!l->held)
		return;
	table_remove(&ls->held, &l->item);
	if (l->fd >= 0)
		close(l->fd);
	l->held = false;
}

int lock_fd(const struct locks *ls, const struct lock *l)
{
	return l->fd >= 0 ? l->fd : ls->fd;
}

void lock_ask(const struct locks *ls, uint64_t key)
{
	(void)set(ls->fd, F_WRLCK, key | asking); /* one asks already: that will do */
	(void)!pwrite(ls->fd, "", 1, 0); /* its time changes; else the holder does not hear, and we wait in vain */
}

void lock_unask(const struct locks *ls, uint64_t key)
{
	(void)set(ls->fd, F_UNLCK, key | asking); /* cannot fail */
}

bool lock_rung(struct locks *ls)
{
	struct stat st;

	if (fstat(ls->fd, &st) < 0)
		return false;
	int64_t ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
	bool rung = ns != ls->rung_ns;

	ls->rung_ns = ns;
	return rung;
}

bool lock_is_asked(const struct locks *ls, uint64_t key)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)(key | asking), .l_len = 1};

	return fcntl(ls->fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

void lock_release(struct locks *ls, struct lock *l)
{
	if (!l->held)
		return;
	set(lock_fd(ls, l), F_UNLCK, l->item.key);
	lock_leave(ls, l);
}
