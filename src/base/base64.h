/* base/base64.h - base64 (RFC 4648, section 4): the alphabet with + and /, padded, nothing else in between */
#pragma once
#include "base/slice.h"

/* Octets that n octets of text decode to at most, and that n octets encode to. */
#define BASE64_DECODED(n) ((n) / 4 * 3)
#define BASE64_ENCODED(n) (((n) + 2) / 3 * 4)

/* Decodes text into out, which may be the text itself and has room for BASE64_DECODED(text.n); *n octets. False: that is not
 * base64, and out holds anything. Bits behind the last octet must be 0, so each value has one form. */
bool base64_decode(struct slice text, char *out, size_t *n);

/* The same into dst[cap]: how many octets; 0: none, or that is not base64, or does not fit. */
size_t base64_take(struct slice text, unsigned char *dst, size_t cap);

/* The alphabet with - and _, without padding (RFC 4648, section 5, as RFC 7515 has it). Otherwise the same. */
size_t base64url_take(struct slice text, unsigned char *dst, size_t cap);

/* Appends; as buf_put, all or nothing. */
void base64_encode(struct buf *out, struct slice octets);
