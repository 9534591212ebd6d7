/* auth/scheme_scrambled.c - see scheme_scrambled.h */
#include "auth/scheme_scrambled.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"

enum { SHA1_OCTETS = 20, NEW_DIGITS = 2 * SHA1_OCTETS, OLD_DIGITS = 16 };

static bool is_new(struct slice text)
{
	return text.n == NEW_DIGITS + 1 && text.p[0] == '*';
}

bool scrambled_is(struct slice text)
{
	size_t first = is_new(text);

	for (size_t i = first; i < text.n; i++)
		if (!isxdigit((unsigned char)text.p[i]))
			return false;
	return first > 0 || text.n == OLD_DIGITS;
}

static bool new_make(struct slice password, char *digits)
{
	unsigned char octets[SHA1_OCTETS];
	bool done = EVP_Digest(password.p, password.n, octets, NULL, EVP_sha1(), NULL) == 1 &&
		    EVP_Digest(octets, sizeof octets, octets, NULL, EVP_sha1(), NULL) == 1;

	for (size_t i = 0; i < sizeof octets; i++)
		(void)snprintf(digits + 2 * i, 3, "%02x", octets[i]);
	OPENSSL_cleanse(octets, sizeof octets);
	return done;
}

/* MySQL's manual calls it hashing of before 4.1; the numbers are what it has always been. */
static void old_make(struct slice password, char *digits)
{
	uint32_t a = 1345345333, b = 0x12345671, add = 7;

	for (size_t i = 0; i < password.n; i++) {
		uint32_t c = (unsigned char)password.p[i];

		if (c == ' ' || c == '\t')
			continue;
		a ^= ((a & 63) + add) * c + (a << 8);
		b += (b << 8) ^ a;
		add += c;
	}
	(void)snprintf(digits, OLD_DIGITS + 1, "%08x%08x", a & 0x7fffffff, b & 0x7fffffff);
}

bool scrambled_same(struct slice password, struct slice text)
{
	char made[NEW_DIGITS + 1], stored[NEW_DIGITS + 1] = "";
	size_t first = is_new(text), n = text.n - first;

	if (!scrambled_is(text) || (first > 0 && !new_make(password, made)))
		return false;
	if (first == 0)
		old_make(password, made);
	for (size_t i = 0; i < n; i++)
		stored[i] = (char)tolower((unsigned char)text.p[first + i]);
	bool same = secret_same((struct slice){made, n}, (struct slice){stored, n});

	OPENSSL_cleanse(made, sizeof made);
	return same;
}
