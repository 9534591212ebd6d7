/* auth/base64.h - base64 of stored secrets (RFC 4648, section 4), strictly: whole groups, nothing between them */
#pragma once
#include "base/slice.h"

/* Octets written to dst[cap]; 0: it is empty, no base64, or does not fit. */
size_t base64_decode(struct slice text, unsigned char *dst, size_t cap);
