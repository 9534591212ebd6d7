/* store/uidl.c - see uidl.h */
#include "store/uidl.h"
#include "store/scan.h"

#include <string.h>

#include <openssl/evp.h>

#include "store/stamp.h"

static EVP_MD *sha256(void)
{
	static EVP_MD *fetched; /* looked up once: that costs more than a short hash */

	if (!fetched)
		fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
	return fetched;
}

void uidl_hex(char *digits, const unsigned char *octets, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		digits[2 * i] = hex[octets[i] >> 4];
		digits[2 * i + 1] = hex[octets[i] & 15];
	}
	digits[2 * n] = '\0';
}

void uidl_set(struct listing_rec *r, struct slice text)
{
	memset(r->uidl, 0, sizeof r->uidl);
	memcpy(r->uidl, text.p, text.n);
	r->uidl_len = (uint8_t)text.n;
}

static bool hash(struct listing_rec *r, const char *text, size_t n)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char digits[UIDL_DIGITS + 1];

	if (!sha256() || EVP_Digest(text, n, digest, NULL, sha256(), NULL) != 1)
		return false;
	uidl_hex(digits, digest, UIDL_DIGITS / 2);
	uidl_set(r, slice_str(digits));
	return true;
}

static _Thread_local EVP_MD_CTX *pieces;
static _Thread_local bool pieces_ok;

bool uidl_begin(void)
{
	if (!pieces)
		pieces = EVP_MD_CTX_new();
	pieces_ok = pieces && sha256() && EVP_DigestInit_ex2(pieces, sha256(), NULL) == 1;
	return pieces_ok;
}

void uidl_feed(struct slice octets)
{
	pieces_ok = pieces_ok && EVP_DigestUpdate(pieces, octets.p, octets.n) == 1;
}

bool uidl_end(char digits[UIDL_DIGITS + 1], uint64_t *id)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (!pieces_ok || EVP_DigestFinal_ex(pieces, digest, NULL) != 1)
		return false;
	uidl_hex(digits, digest, UIDL_DIGITS / 2);
	*id = 0;
	for (size_t i = 0; i < sizeof *id; i++)
		*id = *id << 8 | digest[i];
	return true;
}

void uidl_forget(void)
{
	EVP_MD_CTX_free(pieces);
	pieces = NULL;
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

bool uidl_copy(struct listing_rec *r, struct slice name, uint32_t copy)
{
	char text[UIDL_DIGITS + 16];
	struct buf b = BUF(text);

	buf_put(&b, name);
	buf_char(&b, ' ');
	buf_u64(&b, copy);
	return !b.full && hash(r, b.p, b.len);
}

void uidl_keep(struct listing_rec *r, const struct listing_rec *old)
{
	uidl_set(r, listing_uidl(old));
	const uint32_t own = MESSAGE_MARKED | STAMP_FLAGS; /* what was read now says */

	r->flags = (r->flags & own) | (old->flags & ~own);
	stamp_keep(r, old);
}

bool uidl_same(const struct listing_rec *a, const struct listing_rec *b)
{
	return slice_eq(listing_uidl(a), listing_uidl(b));
}
