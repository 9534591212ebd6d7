/* auth/hash.c - see hash.h */
#include "auth/hash.h"

#include <crypt.h>
#include <string.h>

#include "base/secret.h"

enum { HASH_LEAST = 13 }; /* octets: DES, two of salt and eleven; every other format is longer */

bool hash_is_usable(struct slice hash)
{
	if (hash.n < HASH_LEAST || hash.n >= CRYPT_OUTPUT_SIZE || strchr("*!{", hash.p[0]))
		return false;
	for (size_t i = 0; i < hash.n; i++)
		if (hash.p[i] <= 0x20 || hash.p[i] >= 0x7F)
			return false;
	return true;
}

bool hash_same(struct slice password, struct slice hash)
{
	static struct crypt_data data; /* 32 KiB; wiped behind each use */
	char setting[CRYPT_OUTPUT_SIZE];
	char key[CRYPT_MAX_PASSPHRASE_SIZE + 1];
	bool same = false;

	if (!hash_is_usable(hash) || !slice_cstr(hash, setting, sizeof setting))
		return false;
	if (slice_cstr(password, key, sizeof key)) {
		const char *made = crypt_rn(key, setting, &data, (int)sizeof data);

		same = made && made[0] != '*' && secret_same(slice_str(made), hash);
	}
	explicit_bzero(key, sizeof key);
	explicit_bzero(&data, sizeof data);
	return same;
}
