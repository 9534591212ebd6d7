/* store/marks.c - see marks.h */
#include "store/marks.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "store/driver.h"

static const char status[] = "Status:";

bool marks_has(struct slice line)
{
	const size_t n = sizeof status - 1;

	return slice_starts_nocase(line, SLICE(status)) && memchr(line.p + n, 'D', line.n - n) != NULL;
}

static enum err clear_line(int fd, uint64_t at, struct slice line, struct why *why)
{
	for (size_t i = sizeof status - 1; i < line.n; i++)
		if (line.p[i] == 'D' && pwrite(fd, "O", 1, (off_t)(at + i)) != 1)
			return fail_errno(why, storage_err(errno), "write into its header");
	return OK;
}

enum err marks_clear(int fd, uint64_t pos, uint64_t raw, struct why *why)
{
	static char head[64 * 1024]; /* a header that is longer keeps its mark */
	ssize_t got = pread(fd, head, raw < sizeof head ? raw : sizeof head, (off_t)pos);
	struct slice rest = {head, got > 0 ? (size_t)got : 0};
	enum err err = got < 0 ? fail_errno(why, storage_err(errno), "read its header") : OK;

	while (err == OK && rest.n > 0) {
		uint64_t at = pos + (uint64_t)(rest.p - head);
		struct slice line = slice_take(&rest, '\n');

		if (line.n == 0 || (line.n == 1 && line.p[0] == '\r'))
			break;
		if (marks_has(line))
			err = clear_line(fd, at, line, why);
	}
	return err;
}
