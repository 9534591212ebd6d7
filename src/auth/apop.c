/* auth/apop.c - see apop.h */
#include "auth/apop.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"

enum {
	WAITING_MOST = 1024,
	AGAIN_MOST = 3,     /* reads for a file that changes under the reader */
	RETRY_MS = 5000,    /* one that could not be read, or whose changes cannot be seen, is read again */
	YOUNG_MS = 2000,    /* a file that was read so soon after a change may have changed again at the same time */
	DIGEST_OCTETS = 32, /* hexadecimal digits of an MD5 */
};

/* A login that waits for the table. Wiped when it goes on. */
struct apop_wait {
	struct apop_wait *next;
	struct msg_login m;
	struct credentials c; /* points into text */
	size_t octets;
	char text[];
};

void apop_init(struct apop *a)
{
	a->last = &a->first;
}

/* --- whether the table is that of the file ----------------------------------------------------------------------- */

/* Its times cannot tell whether it has changed since it was read. */
static bool is_young(const struct secrets *s)
{
	const struct file_stamp *stamp = secrets_stamp(s);
	int64_t changed = stamp->mtime_ns > stamp->ctime_ns ? stamp->mtime_ns : stamp->ctime_ns;
	int64_t then = secrets_read_ns(s) - changed, now = clock_wall_ns() - changed;

	return then < YOUNG_MS * INT64_C(1000000) && now >= YOUNG_MS * INT64_C(1000000);
}

static bool is_current(struct apop *a)
{
	struct file_stamp now;
	int seen = file_stamp(a->path, &now);
	bool lately = clock_ms() - a->tried_ms < RETRY_MS;

	a->gone = seen == 0;
	if (a->gone)
		return true;
	if (a->err != OK)
		return lately && (seen < 0 || file_stamp_same(&now, &a->failed));
	if (!a->table.head)
		return false;
	return seen < 0 ? lately : file_stamp_same(&now, secrets_stamp(&a->table)) && !is_young(&a->table);
}

/* --- logins that wait ------------------------------------------------------------------------------------------- */

static struct slice keep(struct apop_wait *w, struct slice text)
{
	char *at = w->text + w->octets;

	if (text.n > 0)
		memcpy(at, text.p, text.n);
	w->octets += text.n;
	return (struct slice){at, text.n};
}

static bool wait_add(struct apop *a, const struct msg_login *m, const struct credentials *c)
{
	struct apop_wait *w =
		a->waiting < WAITING_MOST ? calloc(1, sizeof *w + c->user.n + c->password.n + c->stamp.n) : NULL;

	if (!w)
		return false;
	w->m = *m;
	w->c.user = keep(w, c->user);
	w->c.password = keep(w, c->password);
	w->c.stamp = keep(w, c->stamp);
	*a->last = w;
	a->last = &w->next;
	a->waiting++;
	return true;
}

static struct apop_wait *wait_take(struct apop *a)
{
	struct apop_wait *w = a->first;

	a->first = w->next;
	if (!a->first)
		a->last = &a->first;
	a->waiting--;
	return w;
}

static void wait_free(struct apop_wait *w)
{
	explicit_bzero(w, sizeof *w + w->octets);
	free(w);
}

/* They are not looked at again: what has changed since is for those behind them. */
static void resume_all(struct apop *a)
{
	size_t n = a->waiting;

	a->again = 0;
	while (n-- > 0 && a->first) {
		struct apop_wait *w = wait_take(a);

		a->resume(a->arg, &w->m, &w->c);
		wait_free(w);
	}
}

void apop_done(struct apop *a)
{
	while (a->first)
		wait_free(wait_take(a));
	secrets_close(&a->table);
}

static void not_read(struct apop *a, enum err err)
{
	a->err = err;
	a->tried_ms = clock_ms();
	(void)file_stamp(a->path, &a->failed);
}

static void ask(struct apop *a)
{
	if (!a->asked)
		a->asked = chan_send(a->master, MSG_SECRETS_WANTED, NULL);
}

/* Where it cannot wait, it goes on with what is known. */
bool apop_is_ready(struct apop *a, const struct msg_login *m, const struct credentials *c)
{
	if (!a->asked && is_current(a))
		return true;
	ask(a);
	if (a->asked && wait_add(a, m, c))
		return false;
	not_read(a, ERR_TEMP);
	return true;
}

/* The new table takes the place of the old one. */
static enum err take(struct apop *a, int fd, struct why *why)
{
	struct secrets fresh;
	enum err err = secrets_open(&fresh, fd, why);

	if (err != OK)
		return err;
	secrets_close(&a->table);
	a->table = fresh;
	return OK;
}

enum err apop_arrived(struct apop *a, const struct msg *m, struct why *why)
{
	const struct msg_secrets *answer = m->payload;
	enum err err = answer->err < ERR_COUNT ? (enum err)answer->err : ERR_TEMP;
	struct file_stamp now;

	if (!a->path || (err == OK) != (m->nfds == 1))
		return fail(why, ERR_PERM, "a table of secrets that nobody wanted");
	if (err == OK)
		err = take(a, m->fds[0], why);
	a->asked = false;
	if (err != OK) {
		not_read(a, err);
	} else {
		a->err = OK;
		a->tried_ms = clock_ms();
		if (a->first && file_stamp(a->path, &now) == 1 && !file_stamp_same(&now, secrets_stamp(&a->table)) &&
		    a->again++ < AGAIN_MOST)
			ask(a);
	}
	if (!a->asked)
		resume_all(a);
	return OK;
}

/* --- secrets ---------------------------------------------------------------------------------------------------- */

bool apop_secret(const struct apop *a, struct slice user, struct slice *secret)
{
	return !a->gone && secrets_find(&a->table, user, secret);
}

enum err apop_state(const struct apop *a)
{
	return a->gone ? OK : a->err;
}

static bool md5_hex(struct slice stamp, struct slice secret, char hex[static DIGEST_OCTETS])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char md5[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool made = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) && EVP_DigestUpdate(ctx, stamp.p, stamp.n) &&
		    EVP_DigestUpdate(ctx, secret.p, secret.n) && EVP_DigestFinal_ex(ctx, md5, &n) &&
		    2 * n == DIGEST_OCTETS;

	EVP_MD_CTX_free(ctx);
	for (size_t i = 0; made && i < n; i++) {
		hex[2 * i] = digits[md5[i] >> 4];
		hex[2 * i + 1] = digits[md5[i] & 15];
	}
	OPENSSL_cleanse(md5, sizeof md5);
	return made;
}

bool apop_is_right(struct slice stamp, struct slice secret, struct slice digest)
{
	char hex[DIGEST_OCTETS];
	bool right = md5_hex(stamp, secret, hex) && digest.n == DIGEST_OCTETS &&
		     CRYPTO_memcmp(digest.p, hex, DIGEST_OCTETS) == 0;

	OPENSSL_cleanse(hex, sizeof hex);
	return right;
}
