/* fuzz/fuzz_passwd.c - a login name and a file of users: the index finds what reading the file line by line finds
 *
 * The first line of the input is the login name, the rest the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "auth/names.h"
#include "auth/pwfile.h"
#include "base/log.h"
#include "fuzz.h"

/* The file, under a name that can be opened. */
static int file_make(struct slice text, char path[64])
{
	int fd = memfd_create("users", MFD_CLOEXEC);

	must(fd >= 0);
	must(write(fd, text.p, text.n) == (ssize_t)text.n);
	must(snprintf(path, 64, "/proc/self/fd/%d", fd) > 0);
	return fd;
}

/* The first line with that name. */
static bool plain_find(const struct pwfile_format *format, struct slice text, struct slice user, struct slice *out)
{
	struct slice name;

	while (text.n > 0) {
		*out = slice_take(&text, '\n');
		if (!passwd_is_blank(*out) && format->parse(*out, &name) && slice_eq(name, user))
			return true;
	}
	return false;
}

static void check_format(const struct pwfile_format *format, struct slice text, struct slice user)
{
	struct slice indexed, plain;
	struct pwfile file = PWFILE_NONE;
	char line[PASSWD_LINE_MOST], path[64];
	int fd = file_make(text, path);
	struct pwfile_query q = {.format = format, .dirfd = fd, .label = "", .name = path, .user = user};
	enum err err = pwfile_find(&file, &q, line, &indexed, NULL);

	must(err == OK || err == ERR_AUTH);
	must((err == OK) == plain_find(format, text, user, &plain));
	must(err != OK || slice_eq(indexed, plain));
	pwfile_drop(&file);
	close(fd);
}

static void check_names(struct slice login)
{
	struct slice user, domain;

	if (!name_split(login, &user, &domain))
		return;
	must(user.n + 1 + domain.n == login.n);
	for (int i = 0; i < 2; i++) {
		struct slice part = i ? domain : user;

		if (!(i ? name_is_domain(part) : name_is_user(part)))
			continue;
		must(part.n > 0 && part.p[0] != '.' && !memmem(part.p, part.n, "..", 2));
		must(slice_find(part, '/') == part.n && slice_find(part, '\0') == part.n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = {(const char *)data, n};
	struct slice user = slice_take(&text, '\n');

	log_setup(&(struct log_setup){.fd = -1});
	check_names(user);
	check_format(&pwfile_passwd, text, user);
	check_format(&pwfile_shadow, text, user);
	return 0;
}
