/* base/base64.c - see base64.h */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* -1: not of the alphabet. Without a table, so that how long it takes tells nothing of what it was. */
static int value_of(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The octets of a group of four; 0: it is none. Padding may only be in the last one. */
static size_t group_decode(const char *p, bool last, uint32_t *bits)
{
	size_t have = !last || p[3] != '=' ? 4 : p[2] != '=' ? 3 : 2;

	*bits = 0;
	for (size_t i = 0; i < have; i++) {
		int v = value_of((unsigned char)p[i]);

		if (v < 0)
			return 0;
		*bits |= (uint32_t)v << (18 - 6 * i);
	}
	return (*bits & (0xFFFFFFU >> (8 * (have - 1)))) == 0 ? have - 1 : 0;
}

bool base64_decode(struct slice text, char *out, size_t *n)
{
	*n = 0;
	if (text.n % 4 != 0)
		return false;
	for (size_t i = 0; i < text.n; i += 4) {
		uint32_t bits;
		size_t octets = group_decode(text.p + i, i + 4 == text.n, &bits);

		if (octets == 0)
			return false;
		for (size_t k = 0; k < octets; k++)
			out[(*n)++] = (char)(bits >> (16 - 8 * k));
	}
	return true;
}

size_t base64_take(struct slice text, unsigned char *dst, size_t cap)
{
	size_t n = BASE64_DECODED(text.n);

	for (size_t i = 1; i <= 2 && i <= text.n; i++)
		n -= n > 0 && text.p[text.n - i] == '=';
	return n <= cap && base64_decode(text, (char *)dst, &n) ? n : 0;
}

size_t base64url_take(struct slice text, unsigned char *dst, size_t cap)
{
	size_t n = 0, last = text.n % 4;

	if (last == 1 || text.n / 4 * 3 + last - (last > 0) > cap)
		return 0;
	for (size_t i = 0; i < text.n; i += 4) {
		size_t have = text.n - i < 4 ? text.n - i : 4;
		char group[4] = {'=', '=', '=', '='};
		uint32_t bits;

		for (size_t k = 0; k < have; k++) {
			char c = text.p[i + k];

			group[k] = c == '-' ? '+' : c == '_' ? '/' : c == '+' || c == '/' || c == '=' ? '!' : c;
		}
		size_t octets = group_decode(group, true, &bits);

		if (octets == 0)
			return 0;
		for (size_t k = 0; k < octets; k++)
			dst[n++] = (unsigned char)(bits >> (16 - 8 * k));
	}
	return n;
}

void base64_encode(struct buf *out, struct slice octets)
{
	size_t start = out->len;

	for (size_t i = 0; i < octets.n; i += 3) {
		size_t left = octets.n - i < 3 ? octets.n - i : 3;
		uint32_t bits = 0;

		for (size_t k = 0; k < left; k++)
			bits |= (uint32_t)(unsigned char)octets.p[i + k] << (16 - 8 * k);
		for (size_t k = 0; k < 4; k++)
			buf_char(out, k <= left ? alphabet[bits >> (18 - 6 * k) & 63] : '=');
	}
	if (out->full) {
		buf_rewind(out, start);
		out->full = true;
	}
}
