/* auth/scheme_scram.c - see scheme_scram.h */
#include "auth/scheme_scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/base64.h"

static const struct {
	struct slice braces, plain;
	bool sha256;
} forms[] = {
	{{"{SCRAM-SHA-1}", 13}, {"SCRAM-SHA-1$", 12}, false},
	{{"{SCRAM-SHA-256}", 15}, {"SCRAM-SHA-256$", 14}, true},
};

static bool take_prefix(struct slice *text, struct slice prefix)
{
	if (text->n < prefix.n || !slice_eq_nocase((struct slice){text->p, prefix.n}, prefix))
		return false;
	*text = (struct slice){text->p + prefix.n, text->n - prefix.n};
	return true;
}

/* Four fields; which marks stand between them tells which of the two forms it is. */
static bool fields_read(struct slice text, struct scram_verifier *v)
{
	bool commas = slice_find(text, ',') < text.n;
	struct slice iterations = slice_take(&text, commas ? ',' : ':');
	struct slice salt = slice_take(&text, commas ? ',' : '$');
	struct slice stored = slice_take(&text, commas ? ',' : ':');

	v->key_n = v->sha256 ? 32 : 20;
	v->salt_n = base64_take(salt, v->salt, sizeof v->salt);
	return slice_u32(iterations, &v->iterations) && v->iterations > 0 && v->iterations <= SCRAM_ITERATIONS_MOST &&
	       v->salt_n > 0 && base64_take(stored, v->stored, sizeof v->stored) == v->key_n &&
	       base64_take(text, v->server, sizeof v->server) == v->key_n;
}

bool scram_read(struct slice secret, struct scram_verifier *v)
{
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (take_prefix(&secret, forms[i].braces) || take_prefix(&secret, forms[i].plain)) {
			*v = (struct scram_verifier){.sha256 = forms[i].sha256};
			return fields_read(secret, v);
		}
	return false;
}

static const EVP_MD *digest_of(const struct scram_verifier *v)
{
	return v->sha256 ? EVP_sha256() : EVP_sha1();
}

/* StoredKey = H(HMAC(Hi(password, salt, i), "Client Key")), ServerKey = HMAC(Hi(...), "Server Key"): RFC 5802, section 3. */
bool scram_derive(struct slice password, struct scram_verifier *v)
{
	static const unsigned char client_label[] = "Client Key", server_label[] = "Server Key";
	const EVP_MD *md = digest_of(v);
	unsigned char salted[SCRAM_KEY_MOST], client[EVP_MAX_MD_SIZE], key[EVP_MAX_MD_SIZE] = {0};
	int n = EVP_MD_get_size(md);
	bool made = PKCS5_PBKDF2_HMAC(password.p, (int)password.n, v->salt, (int)v->salt_n, (int)v->iterations, md, n,
				      salted) == 1 &&
		    HMAC(md, salted, n, client_label, sizeof client_label - 1, client, NULL) &&
		    EVP_Digest(client, (size_t)n, key, NULL, md, NULL) == 1;

	v->key_n = (size_t)n;
	memcpy(v->stored, key, v->key_n);
	made = made && HMAC(md, salted, n, server_label, sizeof server_label - 1, key, NULL);
	memcpy(v->server, key, v->key_n);
	OPENSSL_cleanse(salted, sizeof salted);
	OPENSSL_cleanse(client, sizeof client);
	OPENSSL_cleanse(key, sizeof key);
	return made;
}

bool scram_same(struct slice password, const struct scram_verifier *v)
{
	struct scram_verifier made = *v;
	bool same = scram_derive(password, &made) && CRYPTO_memcmp(made.stored, v->stored, v->key_n) == 0;

	OPENSSL_cleanse(&made, sizeof made);
	return same;
}
