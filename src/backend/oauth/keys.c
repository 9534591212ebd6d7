/* backend/oauth/keys.c - see keys.h */
#include "backend/oauth/keys.h"

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

/* RFC 7518, section 3.1; RFC 8037, section 3.1. */
static const struct algorithm algorithms[] = {
	{"RS256", "RSA", NULL, "SHA256", false, 0},    {"RS384", "RSA", NULL, "SHA384", false, 0},
	{"RS512", "RSA", NULL, "SHA512", false, 0},    {"PS256", "RSA", NULL, "SHA256", true, 0},
	{"PS384", "RSA", NULL, "SHA384", true, 0},     {"PS512", "RSA", NULL, "SHA512", true, 0},
	{"ES256", "EC", "P-256", "SHA256", false, 32}, {"ES384", "EC", "P-384", "SHA384", false, 48},
	{"ES512", "EC", "P-521", "SHA512", false, 66}, {"EdDSA", "OKP", NULL, NULL, false, 0},
};

static const struct curve {
	const char *name, *kty, *group;
	size_t octets; /* of a coordinate, or of the key */
	int type;      /* of OKP */
} curves[] = {
	{"P-256", "EC", "prime256v1", 32, 0},       {"P-384", "EC", "secp384r1", 48, 0},
	{"P-521", "EC", "secp521r1", 66, 0},        {"Ed25519", "OKP", NULL, 32, EVP_PKEY_ED25519},
	{"Ed448", "OKP", NULL, 57, EVP_PKEY_ED448},
};

enum { COORDINATE_MOST = 66, NUMBER_MOST = 16384 / 8 };

const struct algorithm *algorithm_find(const char *name)
{
	for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}

bool key_fits(const struct key *k, const struct algorithm *a)
{
	return strcmp(k->kty, a->kty) == 0 && (!a->curve || strcmp(k->curve, a->curve) == 0) &&
	       (!k->only || k->only == a);
}

/* --- a key --------------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *jwk, const char *member)
{
	const char *text = json_string_value(json_object_get(jwk, member));

	return text ? text : "";
}

static size_t octets_of(const json_t *jwk, const char *member, unsigned char *dst, size_t cap)
{
	return base64url_take(slice_str(text_of(jwk, member)), dst, cap);
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (!params || !c || EVP_PKEY_fromdata_init(c) <= 0 ||
	    EVP_PKEY_fromdata(c, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		pkey = NULL;
	EVP_PKEY_CTX_free(c);
	OSSL_PARAM_free(params);
	return pkey;
}

static EVP_PKEY *rsa_read(const json_t *jwk)
{
	unsigned char n[NUMBER_MOST], e[8];
	size_t n_n = octets_of(jwk, "n", n, sizeof n), e_n = octets_of(jwk, "e", e, sizeof e);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *modulus = BN_bin2bn(n, (int)n_n, NULL), *exponent = BN_bin2bn(e, (int)e_n, NULL);
	EVP_PKEY *pkey = NULL;

	if (build && modulus && exponent && BN_num_bits(modulus) >= RSA_BITS_LEAST && BN_is_odd(exponent) &&
	    !BN_is_one(exponent) && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent))
		pkey = from_params("RSA", build);
	OSSL_PARAM_BLD_free(build);
	BN_free(modulus);
	BN_free(exponent);
	return pkey;
}

/* libcrypto refuses a point that is not on the curve. */
static EVP_PKEY *ec_read(const json_t *jwk, const struct curve *c)
{
	unsigned char point[1 + 2 * COORDINATE_MOST] = {POINT_CONVERSION_UNCOMPRESSED};
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;

	if (build && octets_of(jwk, "x", point + 1, c->octets) == c->octets &&
	    octets_of(jwk, "y", point + 1 + c->octets, c->octets) == c->octets &&
	    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, c->group, 0) &&
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * c->octets))
		pkey = from_params("EC", build);
	OSSL_PARAM_BLD_free(build);
	return pkey;
}

static EVP_PKEY *okp_read(const json_t *jwk, const struct curve *c)
{
	unsigned char octets[COORDINATE_MOST];

	if (octets_of(jwk, "x", octets, c->octets) != c->octets)
		return NULL;
	return EVP_PKEY_new_raw_public_key(c->type, NULL, octets, c->octets);
}

/* Whoever has made it wants signatures verified with it (RFC 7517, section 4.2 and 4.3). */
static bool is_for_signatures(const json_t *jwk)
{
	const char *use = text_of(jwk, "use");
	const json_t *ops = json_object_get(jwk, "key_ops"), *op;
	size_t i;

	if (use[0] && strcmp(use, "sig") != 0)
		return false;
	if (!ops)
		return true;
	json_array_foreach(ops, i,
			   op) if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0) return true;
	return false;
}

static bool key_read(const json_t *jwk, struct key *k)
{
	const char *kty = text_of(jwk, "kty"), *kid = text_of(jwk, "kid"), *alg = text_of(jwk, "alg");
	const struct curve *curve = NULL;

	*k = (struct key){.only = algorithm_find(alg)};
	if (!is_for_signatures(jwk) || (alg[0] && !k->only))
		return false;
	for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
		if (strcmp(kty, curves[i].kty) == 0 && strcmp(text_of(jwk, "crv"), curves[i].name) == 0)
			curve = &curves[i];
	if (strcmp(kty, "RSA") == 0) {
		k->kty = "RSA";
		k->curve = "";
		k->pkey = rsa_read(jwk);
	} else if (curve) {
		k->kty = curve->kty;
		k->curve = curve->name;
		k->pkey = curve->group ? ec_read(jwk, curve) : okp_read(jwk, curve);
	}
	k->kid = k->pkey && kid[0] ? strdup(kid) : NULL;
	return k->pkey;
}

/* --- the set ------------------------------------------------------------------------------------------------------- */

enum err keys_read(struct key_set *set, struct slice text, struct why *why)
{
	json_error_t error;
	json_t *json = json_loadb(text.p, text.n, 0, &error), *jwk;
	const json_t *list = json_object_get(json, "keys");
	size_t i;

	*set = (struct key_set){.n = 0};
	if (!json_is_array(list)) {
		json_decref(json);
		return fail(why, ERR_PERM, "not a set of JSON Web Keys");
	}
	json_array_foreach(list, i, jwk) if (set->n < KEYS_MOST && key_read(jwk, &set->key[set->n])) set->n++;
	json_decref(json);
	ERR_clear_error();
	return set->n > 0 ? OK : fail(why, ERR_PERM, "no key in the set can verify a signature");
}

void keys_free(struct key_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		free(set->key[i].kid);
		EVP_PKEY_free(set->key[i].pkey);
	}
	*set = (struct key_set){.n = 0};
}
