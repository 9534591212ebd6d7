/* conf/safety.c - see safety.h */
#include "conf/safety.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/slice.h"
#include "conf/conf.h"

enum subject { FILE_ITSELF, ITS_DIRECTORIES, DIRECTORY_OF_A_LINK, SUBJECTS };

static const struct rule {
	unsigned check;
	enum subject subject;
	mode_t mode; /* that it must not have */
	const char *text;
} rules[] = {
	{CHECK_GWRFIL, FILE_ITSELF, S_IWGRP, "Group writable file"},
	{CHECK_AWRFIL, FILE_ITSELF, S_IWOTH, "World writable file"},
	{CHECK_GRDFIL, FILE_ITSELF, S_IRGRP, "Group readable file"},
	{CHECK_ARDFIL, FILE_ITSELF, S_IROTH, "World readable file"},
	{CHECK_LINKWRDIR, DIRECTORY_OF_A_LINK, S_IWGRP, "Linked file in a group writable directory"},
	{CHECK_LINKWRDIR, DIRECTORY_OF_A_LINK, S_IWOTH, "Linked file in a world writable directory"},
	{CHECK_GWRDIR, ITS_DIRECTORIES, S_IWGRP, "File in a group writable directory"},
	{CHECK_AWRDIR, ITS_DIRECTORIES, S_IWOTH, "File in a world writable directory"},
};

/* The mode of the directory that a path stands in; where it cannot be told, the worst. */
static mode_t directory_mode(const char *path)
{
	char copy[PATH_MAX];
	struct stat st;

	if (!slice_cstr(slice_str(path), copy, sizeof copy) || stat(dirname(copy), &st) < 0)
		return 0777;
	return st.st_mode;
}

enum err safety_check(int fd, const char *path, unsigned checks, uid_t owner, struct why *why)
{
	mode_t mode[SUBJECTS] = {0};
	char real[PATH_MAX];
	struct stat st, link;

	if (fstat(fd, &st) < 0 || lstat(path, &link) < 0 || !realpath(path, real))
		return fail_errno(why, ERR_PERM, "%s", path);
	mode[FILE_ITSELF] = st.st_mode;
	mode[ITS_DIRECTORIES] = directory_mode(path) | directory_mode(real);
	if (S_ISLNK(link.st_mode))
		mode[DIRECTORY_OF_A_LINK] = directory_mode(path);
	for (const struct rule *r = rules; r < rules + sizeof rules / sizeof *rules; r++)
		if (checks & r->check && mode[r->subject] & r->mode)
			return fail(why, ERR_PERM, "%s: %s", path, r->text);
	if (checks & CHECK_OWNER && st.st_uid != owner)
		return fail(why, ERR_PERM, "%s: File owner mismatch", path);
	return OK;
}

enum err safety_word(struct slice word, unsigned *bits, struct why *why)
{
	static const struct {
		const char *name;
		unsigned bits;
	} names[] = {
		{"gwrfil", CHECK_GWRFIL},       {"awrfil", CHECK_AWRFIL},
		{"grdfil", CHECK_GRDFIL},       {"ardfil", CHECK_ARDFIL},
		{"linkwrdir", CHECK_LINKWRDIR}, {"gwrdir", CHECK_GWRDIR},
		{"awrdir", CHECK_AWRDIR},       {"all", CHECK_ALL},
	};
	struct slice name = word;
	bool off = slice_starts(name, SLICE("-"));

	if (off || slice_starts(name, SLICE("+"))) {
		name.p++;
		name.n--;
	}
	if (slice_eq(name, SLICE("none"))) {
		*bits = off ? CHECK_ALL : 0;
		return OK;
	}
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (slice_eq(slice_str(names[i].name), name)) {
			*bits = off ? *bits & ~names[i].bits : *bits | names[i].bits;
			return OK;
		}
	}
	return fail(why, ERR_PERM, "unknown keyword: %.*s", (int)(word.n < 64 ? word.n : 64), word.p);
}
