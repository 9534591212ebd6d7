/* auth/pwfile.h - one file with a user per line (passwd, shadow), found by name at the same cost however many there are
 *
 * The index is a table of positions in memory, 8 octets each, three quarters full: hash of the name -> where its line
 * begins. Every look-up compares the file's inode, size and times with those of the index, and reads the one line it needs
 * from the file as it is then; so a changed password counts at the next look-up. Of a small file the text is kept too, and that comparison is
 * all that a look-up asks of the kernel. A few files of disks stay open for it. The file is read whole only when it has changed. Lines that are not in the file's format are skipped, and logged once per change. Of lines
 * with the same name the first counts. */
#pragma once
#include <time.h>

#include "auth/passwd.h"
#include "base/why.h"

struct pwfile {
	/* The file as it was indexed; ino 0: it was not. */
	uint64_t dev, ino, size;
	struct timespec mtime, ctime;
	int fd;         /* kept open between look-ups; -1: it is not */
	bool settled;   /* indexed long enough after the last change to be sure that it saw it */
	uint64_t *slot; /* 0: empty; else 24 bits of the name's hash above 40 bits of position + 1 */
	size_t nslots;
	char *text; /* `size` octets, the file; NULL: it is large, or was not read */
};

/* Before the first look-up. */
#define PWFILE_NONE ((struct pwfile){.fd = -1})

/* What a line must be. */
struct pwfile_format {
	const char *name, *fields; /* for messages */
	bool (*parse)(struct slice line, struct slice *name);
};
extern const struct pwfile_format pwfile_passwd, pwfile_shadow;

/* Finds `user` in the file NAME of the directory dirfd (label: its path, for messages). OK: *out is the user's line, which
 * is in the format, and points into `line`, which the caller lends. ERR_AUTH: no such user, or no such file. ERR_TEMP, ERR_PERM: the file cannot be
 * used; the sentence says why. What is not a regular file is no domain. `name` must be one name, see name_is_domain. */
struct pwfile_query {
	const struct pwfile_format *format;
	int dirfd;
	const char *label, *name;
	const char *group; /* that is to be able to read it, for the message when we are not */
	struct slice user;
};
enum err pwfile_find(struct pwfile *f, const struct pwfile_query *q, char line[PASSWD_LINE_MOST], struct slice *out,
		     struct why *why);

/* Octets of memory that the index and the text take. */
size_t pwfile_octets(const struct pwfile *f);

/* Gives the index back; the next look-up makes a new one. */
void pwfile_drop(struct pwfile *f);
