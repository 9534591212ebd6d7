/* backend/oauth/jwt.c - see jwt.h */
#include "backend/oauth/jwt.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/base64.h"
#include "ipc/catalogue.h"

enum { DER_MOST = 160 }; /* octets of an ECDSA signature of P-521: 139 */

/* --- reading ------------------------------------------------------------------------------------------------------- */

static json_t *object_read(struct slice part)
{
	static unsigned char text[TOKEN_MOST]; /* one token at a time */
	size_t n = base64url_take(part, text, sizeof text);
	json_t *json = n > 0 ? json_loadb((const char *)text, n, JSON_REJECT_DUPLICATES, NULL) : NULL;

	explicit_bzero(text, n);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

/* RFC 8725, section 3.11: a type that says it is something else is no token for us. RFC 9068, section 4. */
static bool is_typed_right(const json_t *header)
{
	static const char *const types[] = {"JWT", "at+jwt", "application/at+jwt"};
	const json_t *typ = json_object_get(header, "typ");

	if (!typ)
		return true;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (json_is_string(typ) && slice_eq_nocase(slice_str(json_string_value(typ)), slice_str(types[i])))
			return true;
	return false;
}

static enum err header_read(struct jwt *t, struct slice part, struct why *why)
{
	t->header = object_read(part);
	const char *alg = json_string_value(json_object_get(t->header, "alg"));
	const json_t *kid = json_object_get(t->header, "kid");

	if (!alg || (kid && !json_is_string(kid)))
		return fail(why, ERR_AUTH, "the token's header makes no sense");
	t->algorithm = algorithm_find(alg);
	if (!t->algorithm)
		return fail(why, ERR_AUTH, "the token is signed in a way that is not allowed");
	if (json_object_get(t->header, "crit") || !is_typed_right(t->header))
		return fail(why, ERR_AUTH, "the token's header asks for what is not known here");
	t->kid = json_string_value(kid);
	return OK;
}

static enum err parts_read(struct jwt *t, struct slice token, struct why *why)
{
	struct slice rest = token, header = slice_take(&rest, '.'), claims = slice_take(&rest, '.');

	if (header.n == 0 || claims.n == 0 || rest.n == 0 || slice_find(rest, '.') < rest.n)
		return fail(why, ERR_AUTH, "the token is no JWT");
	enum err err = header_read(t, header, why);

	if (err != OK)
		return err;
	t->content = (struct slice){token.p, header.n + 1 + claims.n};
	t->signature_n = base64url_take(rest, t->signature, sizeof t->signature);
	t->claims = object_read(claims);
	if (t->signature_n == 0 || !t->claims)
		return fail(why, ERR_AUTH, "the token is no JWT");
	return OK;
}

enum err jwt_read(struct jwt *t, struct slice token, struct why *why)
{
	*t = (struct jwt){.header = NULL};
	enum err err = parts_read(t, token, why);

	if (err != OK)
		jwt_free(t);
	return err;
}

void jwt_free(struct jwt *t)
{
	json_decref(t->header);
	json_decref(t->claims);
	*t = (struct jwt){.header = NULL};
}

/* --- the signature --------------------------------------------------------------------------------------------------- */

/* Of both numbers, one behind the other (RFC 7518, section 3.4), what libcrypto takes; 0: that is none. */
static size_t to_der(const struct jwt *t, unsigned char der[static DER_MOST])
{
	size_t half = t->algorithm->half;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = NULL, *s = NULL;
	int n = 0;

	if (sig && t->signature_n == 2 * half) {
		r = BN_bin2bn(t->signature, (int)half, NULL);
		s = BN_bin2bn(t->signature + half, (int)half, NULL);
	}
	if (r && s && ECDSA_SIG_set0(sig, r, s)) {
		n = i2d_ECDSA_SIG(sig, &der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return n > 0 ? (size_t)n : 0;
}

static bool set_padding(EVP_PKEY_CTX *c, const struct algorithm *a)
{
	if (!a->pss)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) > 0; /* RFC 7518, section 3.5 */
}

static bool is_contentwith(const struct jwt *t, EVP_PKEY *key)
{
	unsigned char der[DER_MOST];
	const unsigned char *sig = t->signature;
	size_t n = t->signature_n;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *c; /* belongs to md */

	if (t->algorithm->half > 0) {
		n = to_der(t, der);
		sig = der;
	}
	bool right = md && n > 0 && EVP_DigestVerifyInit_ex(md, &c, t->algorithm->hash, NULL, NULL, key, NULL) > 0 &&
		     set_padding(c, t->algorithm) &&
		     EVP_DigestVerify(md, sig, n, (const unsigned char *)t->content.p, t->content.n) == 1;

	EVP_MD_CTX_free(md);
	ERR_clear_error();
	return right;
}

/* A token that names no key may be signed with each that fits. */
enum jwt_verdict jwt_verify(const struct jwt *t, const struct key_set *set)
{
	enum jwt_verdict verdict = JWT_NO_KEY;

	for (size_t i = 0; i < set->n; i++) {
		const struct key *k = &set->key[i];

		if ((t->kid && (!k->kid || strcmp(t->kid, k->kid) != 0)) || !key_fits(k, t->algorithm))
			continue;
		if (is_contentwith(t, k->pkey))
			return JWT_RIGHT;
		verdict = JWT_WRONG;
	}
	return verdict;
}
