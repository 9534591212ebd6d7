/* master/journals.c - see journals.h */
#include "master/journals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"
#include "master/master.h"

DIR *journals_list(int at, const char *name)
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

bool journals_of_name(const struct master *m, const char *name, struct identity *owner)
{
	DIR *d = journals_list(m->paths.journal_dir, name);
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

bool journals_of_owner(const struct master *m, struct identity *owner)
{
	char name[16];

	(void)snprintf(name, sizeof name, "%u", (unsigned)owner->uid);
	return m->paths.journal_dir >= 0 && journals_of_name(m, name, owner);
}
