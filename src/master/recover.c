/* master/recover.c - see recover.h */
#include "master/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "master/grant.h"

static const double again_s = 5;

/* The directory `name` in `at`, to be read; NULL: there is none. */
static DIR *dir_list(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (fd >= 0 && !d)
		close(fd);
	return d;
}

/* As store/journal.h calls those that are to be replayed. */
static bool is_journal(const char *name)
{
	return strlen(name) == 16 && strspn(name, "0123456789abcdef") == 16;
}

/* Whether this is an owner's directory with a journal in it. */
static bool owner_waits(const struct master *m, const char *name, struct identity *owner)
{
	DIR *d = dir_list(m->paths.journal_dir, name);
	uint32_t uid;
	struct stat st;
	bool waits = false;

	if (!d)
		return false;
	if (slice_u32(slice_str(name), &uid) && fstat(dirfd(d), &st) == 0 && st.st_uid == uid) {
		const struct dirent *e;

		*owner = (struct identity){.uid = st.st_uid, .gid = st.st_gid};
		while (!waits && (e = readdir(d)))
			waits = is_journal(e->d_name);
	}
	closedir(d);
	return waits;
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct master *m = w->data;

	(void)loop;
	(void)revents;
	if (!m->stopping && !m->leaving)
		recover_all(m);
}

static void start(struct master *m, struct identity owner)
{
	struct why why = {""};

	if (worker_replay(m, owner, &why)) {
		m->recovering += m->starting;
		return;
	}
	log_line(LOG_ERR, "uid %u has journals to be replayed: %s", (unsigned)owner.uid, why.text);
	ev_timer_stop(m->loop, &m->recover);
	ev_timer_init(&m->recover, on_again, again_s, 0.);
	m->recover.data = m;
	ev_timer_start(m->loop, &m->recover);
}

void recover_all(struct master *m)
{
	DIR *d = m->paths.journal_dir >= 0 ? dir_list(m->paths.journal_dir, ".") : NULL;
	struct identity owner;
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (owner_waits(m, e->d_name, &owner))
			start(m, owner);
	if (d)
		closedir(d);
}

void recover_owner(struct master *m, struct identity owner)
{
	char name[16];

	(void)snprintf(name, sizeof name, "%u", (unsigned)owner.uid);
	if (m->paths.journal_dir >= 0 && owner_waits(m, name, &owner))
		start(m, owner);
}
