/* store/uidl.c - see uidl.h */
#include "store/uidl.h"

#include <string.h>

#include <openssl/evp.h>

enum { UIDL_OCTETS = 16 }; /* of the hash: two digits each */

static bool hash(struct listing_rec *r, const char *text, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	static EVP_MD *sha256; /* looked up once: that costs more than a short hash */
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (!sha256)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256 || EVP_Digest(text, n, digest, NULL, sha256, NULL) != 1)
		return false;
	memset(r->uidl, 0, sizeof r->uidl);
	for (size_t i = 0; i < UIDL_OCTETS; i++) {
		r->uidl[2 * i] = hex[digest[i] >> 4];
		r->uidl[2 * i + 1] = hex[digest[i] & 15];
	}
	r->uidl_len = 2 * UIDL_OCTETS;
	return true;
}

bool uidl_plain(struct listing_rec *r, struct slice name)
{
	return hash(r, name.p, name.n);
}

bool uidl_distinct(struct listing_rec *r, struct slice name, uint32_t copy)
{
	char text[512];
	struct buf b = BUF(text);

	buf_put(&b, name);
	buf_char(&b, '\0'); /* in no file's name */
	buf_u64(&b, r->crc);
	buf_char(&b, ' ');
	buf_u64(&b, r->raw);
	buf_char(&b, ' ');
	buf_u64(&b, copy);
	return !b.full && hash(r, b.p, b.len);
}

bool uidl_same(const struct listing_rec *a, const struct listing_rec *b)
{
	return slice_eq(listing_uidl(a), listing_uidl(b));
}
