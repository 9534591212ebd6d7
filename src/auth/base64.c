/* auth/base64.c - see base64.h */
#include "auth/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum { TEXT_MOST = 512 };

static bool is_digit(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* How many `=' it ends with; 3: it is no base64 (libcrypto takes white space, too). */
static size_t padding_of(struct slice text)
{
	size_t digits = text.n;

	while (digits > 0 && text.n - digits < 3 && text.p[digits - 1] == '=')
		digits--;
	for (size_t i = 0; i < digits; i++)
		if (!is_digit(text.p[i]))
			return 3;
	return text.n - digits;
}

size_t base64_decode(struct slice text, unsigned char *dst, size_t cap)
{
	unsigned char out[TEXT_MOST / 4 * 3];
	size_t padding = padding_of(text);
	size_t n = text.n / 4 * 3 - padding;

	if (text.n == 0 || text.n > TEXT_MOST || text.n % 4 != 0 || padding > 2 || n > cap)
		return 0;
	if (EVP_DecodeBlock(out, (const unsigned char *)text.p, (int)text.n) < 0)
		return 0;
	memcpy(dst, out, n);
	OPENSSL_cleanse(out, sizeof out);
	return n;
}
