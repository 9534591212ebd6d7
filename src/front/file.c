/* front/file.c - see file.h */
#include "front/file.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum err file_open(struct file *f, int fd, struct why *why)
{
	*f = (struct file){.fd = fd, .kind = handover_kind(fd)};
	if (f->kind != HANDOVER_NOT)
		return OK;
	file_close(f);
	return fail(why, ERR_PERM, "a descriptor that is not to be handed over");
}

void file_close(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	*f = FILE_ABSENT;
}

uint64_t file_octets(const struct file *f)
{
	struct stat st;

	return fstat(f->fd, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

ssize_t file_read(const struct file *f, uint64_t at, char *p, size_t n)
{
	struct iovec io = {p, n};

	if (f->kind == HANDOVER_NOT || at > INT64_MAX)
		return -1;
	return preadv2(f->fd, &io, 1, (off_t)at, f->kind == HANDOVER_NOWAIT ? RWF_NOWAIT : 0);
}

ssize_t file_piece(const struct file *f, struct piece *piece, uint64_t at, size_t n, size_t most, const char **text)
{
	bool is_there =
		piece->of == f && at >= piece->at && at - piece->at <= piece->n && n <= piece->n - (at - piece->at);

	if (!is_there) {
		ssize_t got = file_read(f, at, piece->p, most);

		piece->of = NULL;
		if (got <= 0)
			return got;
		*piece = (struct piece){f, at, (size_t)got, piece->p};
	}
	size_t have = piece->n - (size_t)(at - piece->at);

	*text = piece->p + (at - piece->at);
	return (ssize_t)(have < n ? have : n);
}
