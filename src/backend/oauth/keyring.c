/* backend/oauth/keyring.c - see keyring.h */
#include "backend/oauth/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static void adopt(struct keyring *k, const struct key_set *set)
{
	keys_free(&k->set);
	k->set = *set;
}

/* --- a file -------------------------------------------------------------------------------------------------------- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static enum err file_read(struct keyring *k, int fd, const struct stat *st, struct why *why)
{
	struct key_set set;
	char *text = malloc(BODY_MOST);
	ssize_t n = text ? read(fd, text, BODY_MOST) : -1; /* a file of this size comes at once */
	enum err err = n < 0            ? fail_errno(why, ERR_TEMP, "oauth.jwks-file: read")
		       : n == BODY_MOST ? fail(why, ERR_PERM, "oauth.jwks-file: longer than %d octets", BODY_MOST)
					: keys_read(&set, (struct slice){text, (size_t)n}, why);

	free(text);
	if (err != OK)
		return err;
	adopt(k, &set);
	k->file = *st;
	return OK;
}

static enum err file_settle(struct keyring *k, struct why *why)
{
	struct stat st;
	int fd = open(k->conf->jwks_file, O_RDONLY | O_CLOEXEC);
	enum err err = OK;

	if (fd < 0 || fstat(fd, &st) < 0)
		err = fail_errno(why, errno == ENOENT || errno == EACCES ? ERR_PERM : ERR_TEMP, "oauth.jwks-file: %s",
				 k->conf->jwks_file);
	else if (k->set.n == 0 || !is_same(&st, &k->file))
		err = file_read(k, fd, &st, why);
	if (fd >= 0)
		(void)close(fd);
	return err;
}

/* --- a URL --------------------------------------------------------------------------------------------------------- */

static void keep_away(struct keyring *k)
{
	k->pause_s = k->pause_s == 0 ? 1 : k->pause_s * 2 < KEYS_PAUSE_MOST_S ? k->pause_s * 2 : KEYS_PAUSE_MOST_S;
	k->again_ms = clock_ms() + (uint64_t)k->pause_s * 1000;
}

static enum err fetch(struct keyring *k, uint64_t deadline_ms, struct why *why)
{
	struct http_request q = {.url = k->conf->jwks_url, .deadline_ms = deadline_ms};
	struct key_set set;
	struct slice body;
	enum err err = http_ask(k->http, &q, &body, &k->why);

	if (err == OK)
		err = keys_read(&set, body, &k->why);
	k->failed = err != OK;
	keep_away(k); /* until somebody has found what he looked for */
	if (err != OK)
		return fail(why, err, "%s", k->why.text);
	adopt(k, &set);
	k->old_ms = clock_ms() + k->conf->jwks_ttl.n * 1000;
	return OK;
}

/* What is old is used where nothing newer comes, and does not wait for that for all of the time. */
static enum err url_settle(struct keyring *k, uint64_t deadline_ms, struct why *why)
{
	uint64_t now = clock_ms();

	bool has_some = k->set.n > 0;

	if (now < k->again_ms || (has_some && now < k->old_ms))
		return has_some ? OK : fail(why, ERR_TEMP, "%s", k->why.text);
	enum err err = fetch(k, has_some ? now + (deadline_ms > now ? (deadline_ms - now) / 2 : 0) : deadline_ms, why);

	if (err == OK)
		keyring_found(k);
	else if (has_some)
		log_line(LOG_WARNING, "oauth: the keys are older than jwks-ttl: %s", why->text);
	return has_some ? OK : err;
}

enum err keyring_settle(struct keyring *k, uint64_t deadline_ms, struct why *why)
{
	return k->conf->jwks_file ? file_settle(k, why) : url_settle(k, deadline_ms, why);
}

enum err keyring_again(struct keyring *k, uint64_t deadline_ms, struct why *why)
{
	if (k->conf->jwks_file || (clock_ms() < k->again_ms && !k->failed))
		return fail(why, ERR_AUTH, "the token is signed with an unknown key");
	if (clock_ms() < k->again_ms)
		return fail(why, ERR_TEMP, "%s", k->why.text);
	return fetch(k, deadline_ms, why);
}

void keyring_found(struct keyring *k)
{
	k->pause_s = 0;
	k->again_ms = 0;
}

void keyring_close(struct keyring *k)
{
	keys_free(&k->set);
}
