/* ipc/secrets.h - secrets of APOP on their way to auth: a table in a sealed memfd
 *
 * The database is read by a process that master makes for that, which may be root, whatever the kind of the database; auth has
 * the table, and never the file. It says by a stamp of the file when the table is no longer what is there. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/why.h"

/* Which state of a file was seen. */
struct file_stamp {
	uint64_t dev, ino;
	int64_t size, mtime_ns, ctime_ns;
};

/* 1: *out is that of the file that the path leads to; 0: there is none; -1: that cannot be seen. */
int file_stamp(const char *path, struct file_stamp *out);
bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b);

/* A table that is being made. All zeros: empty. */
struct secrets_entry {
	uint32_t name_at, name_n, secret_at, secret_n; /* in the text; n octets */
};
struct secrets_draft {
	struct secrets_entry *entry;
	char *text;
	size_t n, cap, octets, text_cap;
};

/* Of two secrets of one name, the later counts. */
enum err secrets_add(struct secrets_draft *d, struct slice name, struct slice secret, struct why *why);

/* Writes the table to an empty memfd, and seals it. */
enum err secrets_write(struct secrets_draft *d, int fd, const struct file_stamp *stamp, struct why *why);

/* Wipes and frees it. */
void secrets_discard(struct secrets_draft *d);

/* A table that came. All zeros: none, in which nothing is found. */
struct secrets {
	const struct secrets_head *head; /* mapped */
	size_t octets;
};

/* Maps a table; fd stays the caller's. */
enum err secrets_open(struct secrets *s, int fd, struct why *why);
void secrets_close(struct secrets *s);

/* When the database was read (nanoseconds since 1970), and what it was then. */
int64_t secrets_read_ns(const struct secrets *s);
const struct file_stamp *secrets_stamp(const struct secrets *s);

/* The secret of a name, in the table; false: it has none. */
bool secrets_find(const struct secrets *s, struct slice name, struct slice *secret);
