/* auth/sasl_secret.c - see sasl_secret.h */
#include "auth/sasl_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/schemes.h"
#include "base/log.h"

enum {
	SALT_OCTETS = 16,    /* of what is made up, unless the file has others */
	ITERATIONS = 4096,   /* RFC 5802, section 5.1: at least */
	FIRST_OCTETS = 4096, /* in which the first line is looked for */
};

/* --- a line ------------------------------------------------------------------------------------------------------ */

static bool line_name(struct slice line, struct slice *name)
{
	size_t tab = slice_find(line, '\t');

	*name = (struct slice){line.p, tab};
	return tab > 0 && tab < line.n && tab <= NAME_MOST && passwd_is_plain(*name);
}

static const struct pwfile_format cram_passwd = {"cram-passwd", "name, a tab, password", line_name};

bool mechanism_is_scram(enum mechanism m, bool *sha256)
{
	*sha256 = m == MECHANISM_SCRAM_SHA_256 || m == MECHANISM_SCRAM_SHA_256_PLUS;
	return *sha256 || m == MECHANISM_SCRAM_SHA_1 || m == MECHANISM_SCRAM_SHA_1_PLUS;
}

/* What begins like something that was made from a password is none itself. */
static bool is_verifier(struct slice text)
{
	return slice_starts(text, SLICE("{SCRAM-")) || slice_starts(text, SLICE("SCRAM-SHA-"));
}

bool sasl_secret_read(struct slice text, enum mechanism m, struct sasl_secret *out)
{
	bool sha256, scram = mechanism_is_scram(m, &sha256);

	if (is_verifier(text))
		return scram && scram_read(text, &out->scram) && out->scram.sha256 == sha256;
	return text.n > 0 && slice_cstr(text, out->password, sizeof out->password);
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

/* Whoever can read it has everybody's password, whoever can write it can log in as anybody. */
static enum err safety(const struct sasl_secrets *s, struct why *why)
{
	struct stat st;

	if (s->dirfd < 0)
		return fail(why, ERR_PERM, "cram-passwd: the directory %s cannot be opened", s->dir);
	if (fstatat(s->dirfd, s->name, &st, 0) < 0)
		return fail_errno(why, ERR_PERM, "cram-passwd %s/%s", s->dir, s->name);
	if (!S_ISREG(st.st_mode))
		return fail(why, ERR_PERM, "cram-passwd %s/%s is not a file", s->dir, s->name);
	if (st.st_mode & (S_IRWXO | S_IWGRP))
		return fail(why, ERR_PERM,
			    "cram-passwd %s/%s may be read or written by others than its owner and group: \"chmod 640 "
			    "%s/%s\" helps",
			    s->dir, s->name, s->dir, s->name);
	return OK;
}

void sasl_secrets_open(struct sasl_secrets *s, const struct conf *cf, const struct cache *cache)
{
	const char *path = cf->gsasl.enable ? cf->gsasl.cram_passwd : NULL, *slash = path ? strrchr(path, '/') : NULL;
	struct why why;

	*s = (struct sasl_secrets){.conf = cf, .cache = cache, .dirfd = -1, .file = PWFILE_NONE};
	if (!slash)
		return;
	s->name = slash + 1;
	(void)slice_cstr((struct slice){path, slash > path ? (size_t)(slash - path) : 1}, s->dir, sizeof s->dir);
	s->dirfd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (safety(s, &why) != OK)
		log_line(LOG_ERR, "%s", why.text);
}

void sasl_secrets_close(struct sasl_secrets *s)
{
	pwfile_drop(&s->file);
	if (s->dirfd >= 0)
		close(s->dirfd);
}

static void wipe(struct sasl_secret *out)
{
	explicit_bzero(out, sizeof *out);
}

/* The first line that is one decides what all others without a secret look like. */
static void settings_make_up(const struct sasl_secrets *s, enum mechanism m, struct scram_verifier *v)
{
	int fd =
		s->name && s->dirfd >= 0 ? openat(s->dirfd, s->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	char text[FIRST_OCTETS];
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof text, 0) : 0;
	struct slice rest = {text, n > 0 ? (size_t)n : 0}, line, name;
	struct sasl_secret first = {0};

	if (fd >= 0)
		close(fd);
	do
		line = slice_take(&rest, '\n');
	while (rest.n > 0 && (passwd_is_blank(line) || !line_name(line, &name)));
	(void)slice_take(&line, '\t');
	v->iterations = ITERATIONS;
	v->salt_n = SALT_OCTETS;
	if (sasl_secret_read(line, m, &first) && first.scram.iterations > 0) {
		v->iterations = first.scram.iterations;
		v->salt_n = first.scram.salt_n < CACHE_MADE_UP ? first.scram.salt_n : CACHE_MADE_UP;
	}
	if (s->conf->gsasl.scram_iterations != UINT32_MAX)
		v->iterations = s->conf->gsasl.scram_iterations;
	wipe(&first);
	explicit_bzero(text, sizeof text);
}

static bool salt_make_up(const struct sasl_secrets *s, struct slice user, struct scram_verifier *v)
{
	unsigned char octets[CACHE_MADE_UP] = {0};
	bool made = cache_made_up(s->cache, v->sha256 ? SLICE("SHA-256") : SLICE("SHA-1"), user, octets);

	memcpy(v->salt, octets, v->salt_n);
	return made;
}

/* The salt of a password is the same as if there were none. */
static enum err scram_fill(const struct sasl_secrets *s, struct slice user, enum mechanism m, struct sasl_secret *out,
			   struct why *why)
{
	if (out->scram.salt_n > 0)
		return OK;
	(void)mechanism_is_scram(m, &out->scram.sha256);
	settings_make_up(s, m, &out->scram);
	return salt_make_up(s, user, &out->scram) ? OK : fail(why, ERR_TEMP, "libcrypto failed");
}

static bool stored_read(struct slice stored, enum mechanism m, struct sasl_secret *out)
{
	struct slice password = stored;

	return (is_verifier(stored) || scheme_in_clear(stored, &password)) && sasl_secret_read(password, m, out);
}

/* What is not of use for the mechanism leaves no trace. */
static enum err secret_fill(const struct sasl_secrets *s, struct slice user, enum mechanism m, bool known,
			    struct sasl_secret *out, struct why *why)
{
	bool sha256;

	if (!known)
		wipe(out);
	out->known = known;
	return mechanism_is_scram(m, &sha256) ? scram_fill(s, user, m, out, why) : OK;
}

enum err sasl_secret_take(const struct sasl_secrets *s, struct slice user, enum mechanism m, struct slice stored,
			  struct sasl_secret *out, struct why *why)
{
	wipe(out);
	return secret_fill(s, user, m, stored_read(stored, m, out), out, why);
}

enum err sasl_secret_find(struct sasl_secrets *s, struct slice user, enum mechanism m, struct sasl_secret *out,
			  struct why *why)
{
	struct pwfile_query q = {.format = &cram_passwd,
				 .dirfd = s->dirfd,
				 .label = s->dir,
				 .name = s->name,
				 .group = s->conf->auth_user,
				 .user = user};
	char text[PASSWD_LINE_MOST];
	struct slice line;
	bool known = false;
	enum err err = s->name ? safety(s, why) : ERR_AUTH;

	wipe(out);
	if (err == OK)
		err = pwfile_find(&s->file, &q, text, &line, why);
	if (err != OK && err != ERR_AUTH)
		return err;
	if (err == OK) {
		(void)slice_take(&line, '\t');
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		known = sasl_secret_read(line, m, out);
	}
	explicit_bzero(text, sizeof text);
	return secret_fill(s, user, m, known, out, why);
}
