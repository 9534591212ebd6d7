/* store/maildir_read.c - the Maildir driver: reading a message */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/maildir.h"
#include "store/maildrop.h"
#include "store/stamp.h"

int maildir_open_message(int at, const char *file)
{
	return openat(at, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Sizes, lines and checksum of what `fd` holds, all from the octets themselves. */
static enum err count_message(int fd, char piece[MAILDIR_PIECE], struct listing_rec *r, struct why *why)
{
	struct wire w;
	ssize_t n;

	wire_init(&w, MAILDIR_RULES, WIRE_ALL_LINES);
	do {
		n = read(fd, piece, MAILDIR_PIECE);
		if (n < 0)
			return fail_errno(why, storage_err(errno), "read a message");
		if (r->raw == 0) /* the header; what is behind so much of it is not seen */
			stamp_find(r, (struct slice){piece, (size_t)n});
		r->crc = listing_crc(r->crc, (struct slice){piece, (size_t)n});
		wire_count(&w, (struct slice){piece, (size_t)n});
		r->raw += (uint64_t)n;
	} while ((size_t)n == MAILDIR_PIECE); /* a short read is the end of a regular file */
	wire_count_end(&w);
	r->octets = w.octets;
	r->lines = w.lines < UINT32_MAX ? (uint32_t)w.lines : UINT32_MAX;
	return OK;
}

static struct slice name_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slice_str(slash ? slash + 1 : file);
}

/* Some deliverers count in another way, or compress: nothing is built on what a name claims. */
void maildir_check_claims(const char *file, const struct listing_rec *r)
{
	struct slice name = name_of(file);
	struct maildir_name n;
	struct event e;

	if (!log_wants(LOG_DEBUG))
		return;
	maildir_name_parse(&n, name);
	if ((n.stored == CLAIM_NONE || n.stored == r->raw) && (n.wire == CLAIM_NONE || n.wire == r->octets))
		return;
	event_new(&e, "claimed-size-differs");
	event_kv(&e, "file", name);
	event_u64(&e, "stored", r->raw);
	event_u64(&e, "octets", r->octets);
	event_log(&e, LOG_DEBUG);
}

enum err maildir_read_in(char piece[MAILDIR_PIECE], int at, const char *file, struct listing_rec *r,
			 struct scan_entry *e, enum maildir_there *there, struct why *why)
{
	int fd = maildir_open_message(at, file);
	struct stat st = {0};
	enum err err = OK;

	if (fd < 0 && (errno == ENOENT || errno == ELOOP)) { /* a symbolic link is no message */
		*there = errno == ENOENT ? MAILDIR_GONE : MAILDIR_NO_MESSAGE;
		return OK;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		err = fail_errno(why, storage_err(errno), "open a message");
	*there = S_ISREG(st.st_mode) ? MAILDIR_THERE : MAILDIR_NO_MESSAGE;
	if (err == OK && *there == MAILDIR_THERE)
		err = count_message(fd, piece, r, why);
	if (fd >= 0)
		close(fd);
	if (err == OK && *there == MAILDIR_THERE)
		stamp_came(r, maildir_name_number(name_of(file)));
	e->at = storage_ns(st.st_mtim);
	return err;
}

enum err maildir_read_message(int at, const char *file, struct listing_rec *r, struct scan_entry *e,
			      enum maildir_there *there, struct why *why)
{
	static char piece[MAILDIR_PIECE]; /* a process does one thing at a time */
	enum err err = maildir_read_in(piece, at, file, r, e, there, why);

	if (err == OK && *there == MAILDIR_THERE)
		maildir_check_claims(file, r);
	return err;
}
