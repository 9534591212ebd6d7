/* auth/schemes.c - see schemes.h */
#include "auth/schemes.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "auth/hash.h"
#include "auth/scheme_scram.h"
#include "auth/scheme_scrambled.h"
#include "base/base64.h"
#include "base/secret.h"

enum { NAME_SHOWN_MOST = 32 }; /* octets of the name of a scheme that nobody knows */

struct scheme {
	const char *name;
	enum err (*check)(const struct scheme *s, struct slice text, struct why *why);
	bool (*same)(const struct scheme *s, struct slice password, struct slice text); /* only of what `check' likes */
	const EVP_MD *(*digest)(void);
	bool salted; /* the salt follows the digest, and was hashed behind the password */
};

static enum err locked(struct why *why)
{
	return fail(why, ERR_AUTH, "the stored password is empty or locked");
}

static enum err damaged(const struct scheme *s, struct why *why)
{
	return fail(why, ERR_PERM, "the stored password is no %s", s->name);
}

static bool is_lock(struct slice text)
{
	return text.n == 0 || slice_eq(text, SLICE("x")) || slice_eq(text, SLICE("*")) || slice_eq(text, SLICE("!")) ||
	       slice_eq(text, SLICE("!!"));
}

/* --- crypt(3) ---------------------------------------------------------------------------------------------------- */

/* It begins as one of the newer forms, or is one of DES: two octets of salt, and eleven for each eight of a password. */
static bool is_crypt(struct slice text)
{
	if (!hash_is_usable(text))
		return false;
	if (text.p[0] == '$' || text.p[0] == '_')
		return true;
	for (size_t i = 0; i < text.n; i++)
		if (!isalnum((unsigned char)text.p[i]) && text.p[i] != '.' && text.p[i] != '/')
			return false;
	return (text.n - 2) % 11 == 0;
}

static enum err crypt_check(const struct scheme *s, struct slice text, struct why *why)
{
	if (is_lock(text) || text.p[0] == '*' || text.p[0] == '!')
		return locked(why);
	return is_crypt(text) ? OK : damaged(s, why);
}

static bool crypt_same(const struct scheme *s, struct slice password, struct slice text)
{
	(void)s;
	return hash_same(password, text);
}

/* --- a digest, perhaps with salt behind it, in base64 ------------------------------------------------------------- */

static size_t digest_decode(const struct scheme *s, struct slice text, unsigned char *octets, size_t cap)
{
	size_t n = base64_take(text, octets, cap), size = (size_t)EVP_MD_get_size(s->digest());

	return (s->salted ? n > size : n == size) ? n : 0;
}

static enum err digest_check(const struct scheme *s, struct slice text, struct why *why)
{
	unsigned char octets[SECRET_TEXT_MOST];

	return digest_decode(s, text, octets, sizeof octets) > 0 ? OK : damaged(s, why);
}

static bool digest_make(const struct scheme *s, struct slice password, struct slice salt, unsigned char *made)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool done = ctx && EVP_DigestInit_ex(ctx, s->digest(), NULL) == 1 &&
		    EVP_DigestUpdate(ctx, password.p, password.n) == 1 && EVP_DigestUpdate(ctx, salt.p, salt.n) == 1 &&
		    EVP_DigestFinal_ex(ctx, made, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return done;
}

static bool digest_same(const struct scheme *s, struct slice password, struct slice text)
{
	unsigned char octets[SECRET_TEXT_MOST], made[EVP_MAX_MD_SIZE];
	size_t n = digest_decode(s, text, octets, sizeof octets), size = (size_t)EVP_MD_get_size(s->digest());
	struct slice salt = {(const char *)octets + size, n - size};

	return n > 0 && digest_make(s, password, salt, made) && CRYPTO_memcmp(made, octets, size) == 0;
}

/* Some servers call crypt(3)'s form of MD5 so. */
static enum err md5_check(const struct scheme *s, struct slice text, struct why *why)
{
	return slice_starts(text, SLICE("$1$")) ? crypt_check(s, text, why) : digest_check(s, text, why);
}

static bool md5_same(const struct scheme *s, struct slice password, struct slice text)
{
	return slice_starts(text, SLICE("$1$")) ? hash_same(password, text) : digest_same(s, password, text);
}

/* --- in the clear -------------------------------------------------------------------------------------------------- */

static enum err plain_check(const struct scheme *s, struct slice text, struct why *why)
{
	(void)s;
	return is_lock(text) ? locked(why) : OK;
}

static bool plain_same(const struct scheme *s, struct slice password, struct slice text)
{
	(void)s;
	return secret_same(password, text);
}

/* --- SCRAM --------------------------------------------------------------------------------------------------------- */

/* `text' is what follows the name, and the name is a part of the secret: both are in the same octets. */
static struct slice whole(const struct scheme *s, struct slice text)
{
	size_t prefix = strlen(s->name) + 2;

	return (struct slice){text.p - prefix, text.n + prefix};
}

static enum err scram_check(const struct scheme *s, struct slice text, struct why *why)
{
	struct scram_verifier v;

	return scram_read(whole(s, text), &v) ? OK : damaged(s, why);
}

static bool scram_scheme_same(const struct scheme *s, struct slice password, struct slice text)
{
	struct scram_verifier v;

	return scram_read(whole(s, text), &v) && scram_same(password, &v);
}

/* --- MySQL --------------------------------------------------------------------------------------------------------- */

static enum err scrambled_check(const struct scheme *s, struct slice text, struct why *why)
{
	if (is_lock(text))
		return locked(why);
	return scrambled_is(text) ? OK : damaged(s, why);
}

static bool scrambled_scheme_same(const struct scheme *s, struct slice password, struct slice text)
{
	(void)s;
	return scrambled_same(password, text);
}

/* --- all of them --------------------------------------------------------------------------------------------------- */

static const struct scheme schemes[] = {
	{"CRYPT", crypt_check, crypt_same, NULL, false},
	{"DES-CRYPT", crypt_check, crypt_same, NULL, false}, /* Dovecot's names of single forms of crypt(3) */
	{"MD5-CRYPT", crypt_check, crypt_same, NULL, false},
	{"BLF-CRYPT", crypt_check, crypt_same, NULL, false},
	{"SHA256-CRYPT", crypt_check, crypt_same, NULL, false},
	{"SHA512-CRYPT", crypt_check, crypt_same, NULL, false},
	{"MD5", md5_check, md5_same, EVP_md5, false}, /* RFC 2307; the longer ones as OpenLDAP's pw-sha2 */
	{"SMD5", digest_check, digest_same, EVP_md5, true},
	{"SHA", digest_check, digest_same, EVP_sha1, false},
	{"SSHA", digest_check, digest_same, EVP_sha1, true},
	{"SHA256", digest_check, digest_same, EVP_sha256, false},
	{"SSHA256", digest_check, digest_same, EVP_sha256, true},
	{"SHA512", digest_check, digest_same, EVP_sha512, false},
	{"SSHA512", digest_check, digest_same, EVP_sha512, true},
	{"PLAIN", plain_check, plain_same, NULL, false},
	{"CLEARTEXT", plain_check, plain_same, NULL, false},
	{"SCRAM-SHA-1", scram_check, scram_scheme_same, NULL, false},
	{"SCRAM-SHA-256", scram_check, scram_scheme_same, NULL, false},
	{"SCRAMBLED", scrambled_check, scrambled_scheme_same, NULL, false},
};

static const struct scheme *scheme_find(struct slice name)
{
	for (const struct scheme *s = schemes; s < schemes + sizeof schemes / sizeof *schemes; s++)
		if (slice_eq_nocase(slice_str(s->name), name))
			return s;
	return NULL;
}

/* The name in braces, and the text behind them. False: there are none. */
static bool secret_split(struct slice secret, struct slice *name, struct slice *text)
{
	size_t end = slice_find(secret, '}');

	if (secret.n == 0 || secret.p[0] != '{' || end == secret.n)
		return false;
	*name = (struct slice){secret.p + 1, end - 1};
	*text = (struct slice){secret.p + end + 1, secret.n - end - 1};
	return true;
}

static enum err check_named(struct slice name, struct slice text, struct why *why)
{
	const struct scheme *s = scheme_find(name);

	if (s)
		return s->check(s, text, why);
	return fail(why, ERR_PERM, "Unsupported password algorithm scheme: %.*s",
		    (int)(name.n < NAME_SHOWN_MOST ? name.n : NAME_SHOWN_MOST), name.p);
}

enum err scheme_check(struct slice secret, struct why *why)
{
	struct slice name, text;
	struct scram_verifier v;

	if (secret.n > SECRET_TEXT_MOST)
		return fail(why, ERR_PERM, "the stored password is too long");
	if (secret_split(secret, &name, &text))
		return check_named(name, text, why);
	if (is_lock(secret) || secret.p[0] == '*' || secret.p[0] == '!')
		return locked(why);
	if (is_crypt(secret) || scram_read(secret, &v))
		return OK;
	return fail(why, ERR_PERM, "the stored password has no scheme, and is no hash of crypt(3)");
}

bool scheme_is_usable(struct slice secret)
{
	return scheme_check(secret, NULL) == OK;
}

bool scheme_in_clear(struct slice secret, struct slice *password)
{
	struct slice name;

	if (!scheme_is_usable(secret) || !secret_split(secret, &name, password))
		return false;
	const struct scheme *s = scheme_find(name);

	return s && s->same == plain_same;
}

bool scheme_same(struct slice password, struct slice secret)
{
	struct slice name, text;
	struct scram_verifier v;

	if (password.n == 0 || slice_find(password, '\0') < password.n || !scheme_is_usable(secret))
		return false;
	if (secret_split(secret, &name, &text)) {
		const struct scheme *s = scheme_find(name);

		return s && s->same(s, password, text);
	}
	return scram_read(secret, &v) ? scram_same(password, &v) : hash_same(password, secret);
}
