/* store/journal_left.c - journals that a process has left behind: attempts to replay them, those that were never begun, those for people. See journal.h */
#include "store/journal_form.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	LEFT_S = 3600, /* nobody needs so long to begin a journal */
	ASIDES_MOST = 100,
};

static bool attempts_put(int fd, uint32_t n)
{
	return journal_put_at(fd, &n, sizeof n, JOURNAL_ATTEMPTS_AT);
}

/* Its number of attempts, if it has one. The descriptor; -1: there is no such file. */
static int attempts_get(int dir, const char *name, uint32_t *n)
{
	uint64_t octets;
	enum err err;
	int fd = journal_file_open(dir, name, &octets, &err, NULL);

	if (fd < 0)
		return -1;
	if (octets >= JOURNAL_CUTS_AT && journal_get_at(fd, n, sizeof *n, JOURNAL_ATTEMPTS_AT, NULL) == OK)
		return fd;
	close(fd); /* too short for a journal: it is damaged */
	return -1;
}

enum err journal_attempt(int dir, const char *name, struct why *why)
{
	uint32_t n = 0;
	int fd = attempts_get(dir, name, &n);
	bool most = fd >= 0 && n >= JOURNAL_ATTEMPTS;

	if (fd >= 0 && !most)
		(void)attempts_put(fd, n + 1); /* a disk that does not take it takes no replay either */
	if (fd >= 0)
		close(fd);
	return most ? fail(why, ERR_PERM, "%u attempts have ended with the process", (unsigned)n) : OK;
}

void journal_progress(struct journal *j)
{
	if (j->attempted)
		(void)attempts_put(j->fd, 0);
	j->attempted = false;
}

void journal_forgive(int dir, const char *name)
{
	uint32_t n = 0;
	int fd = attempts_get(dir, name, &n);

	if (fd >= 0 && n > 0)
		(void)attempts_put(fd, 0);
	if (fd >= 0)
		close(fd);
}

static bool is_left(int dir, const char *name)
{
	struct stat st;

	return strlen(name) == 16 + 4 && strspn(name, "0123456789abcdef") == 16 && strcmp(name + 16, ".new") == 0 &&
	       fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       clock_wall_ns() / 1000000000 - st.st_mtim.tv_sec > LEFT_S;
}

void journal_sweep(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (fd >= 0 && !d)
		close(fd);
	while (d && (e = readdir(d)))
		if (is_left(dir, e->d_name))
			(void)unlinkat(dir, e->d_name, 0); /* the next one tries again */
	if (d)
		closedir(d);
}

enum err journal_set_aside(int dir, const char *name, char aside[static JOURNAL_NAME], struct why *why)
{
	for (int i = 0; i < ASIDES_MOST; i++) {
		(void)snprintf(aside, JOURNAL_NAME, "%.16s.aside-%lld", name, (long long)time(NULL) + i);
		if (renameat2(dir, name, dir, aside, RENAME_NOREPLACE) == 0)
			return TEMP_FAILURE_RETRY(fsync(dir)) == 0
				       ? OK
				       : fail_errno(why, ERR_TEMP, "fsync the directory of journals");
		if (errno != EEXIST)
			break;
	}
	return fail_errno(why, ERR_TEMP, "set the journal %s aside", name);
}
