/* auth/keyed.c - see keyed.h */
#include "auth/keyed.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdint.h>
#include <sys/random.h>

static enum err key_make(struct keyed_secret *secret, struct why *why)
{
	for (size_t i = 0; i < KEYED_WORDS; i++) {
		uint64_t mine = 0, none = 0;

		while (mine == 0)
			if (getrandom(&mine, sizeof mine, 0) != sizeof mine && errno != EINTR)
				return fail_errno(why, ERR_TEMP, "make a key");
		atomic_compare_exchange_strong(&secret->word[i], &none, mine);
	}
	return OK;
}

static EVP_MAC_CTX *mac_new(const struct keyed_secret *secret)
{
	uint64_t key[KEYED_WORDS];
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
			       OSSL_PARAM_construct_end()};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	for (size_t i = 0; i < KEYED_WORDS; i++)
		key[i] = atomic_load(&secret->word[i]);
	if (mac && !EVP_MAC_init(mac, (const unsigned char *)key, sizeof key, params)) {
		EVP_MAC_CTX_free(mac);
		mac = NULL;
	}
	OPENSSL_cleanse(key, sizeof key);
	EVP_MAC_free(hmac); /* the context keeps its own reference */
	return mac;
}

enum err keyed_open(EVP_MAC_CTX **mac, struct keyed_secret *secret, struct why *why)
{
	enum err err = key_make(secret, why);

	*mac = err == OK ? mac_new(secret) : NULL;
	return err == OK && !*mac ? fail(why, ERR_TEMP, "libcrypto has no HMAC-SHA256") : err;
}

static bool put_fields(EVP_MAC_CTX *mac, const struct slice *field, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t len = field[i].n; /* so that no field can run into the next one */

		if (!EVP_MAC_update(mac, (const unsigned char *)&len, sizeof len))
			return false;
		if (len > 0 && !EVP_MAC_update(mac, (const unsigned char *)field[i].p, len))
			return false;
	}
	return true;
}

bool keyed_hash(EVP_MAC_CTX *mac, const struct slice *field, size_t n, uint32_t out[static KEYED_OCTETS / 4])
{
	size_t len = 0;
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(mac);
	bool made = ctx && put_fields(ctx, field, n) && EVP_MAC_final(ctx, (unsigned char *)out, &len, KEYED_OCTETS) &&
		    len == KEYED_OCTETS;

	EVP_MAC_CTX_free(ctx); /* wipes */
	return made;
}
