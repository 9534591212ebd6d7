/* base/slice.c - see slice.h */
#include "base/slice.h"

#include <string.h>
#include <strings.h>

struct slice slice_str(const char *s)
{
	return (struct slice){s, s ? strlen(s) : 0};
}

bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

bool slice_starts(struct slice text, struct slice prefix)
{
	return text.n >= prefix.n && slice_eq((struct slice){text.p, prefix.n}, prefix);
}

/* Octets that are the same but for case differ in one bit or none. Most names of headers differ in the third one: many begin with X- or Co. */
bool slice_starts_nocase(struct slice text, struct slice prefix)
{
	if (text.n < prefix.n || (prefix.n > 2 && (text.p[2] ^ prefix.p[2]) & ~('a' - 'A')))
		return false;
	return slice_eq_nocase((struct slice){text.p, prefix.n}, prefix);
}

size_t slice_find(struct slice text, char c)
{
	const char *at = text.n ? memchr(text.p, c, text.n) : NULL;

	return at ? (size_t)(at - text.p) : text.n;
}

struct slice slice_take(struct slice *rest, char sep)
{
	size_t n = slice_find(*rest, sep);
	struct slice taken = {rest->p, n};
	size_t used = n < rest->n ? n + 1 : n;

	if (used > 0) {
		rest->p += used;
		rest->n -= used;
	}
	return taken;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice text)
{
	while (text.n > 0 && is_blank(text.p[0])) {
		text.p++;
		text.n--;
	}
	while (text.n > 0 && is_blank(text.p[text.n - 1]))
		text.n--;
	return text;
}

bool slice_u64(struct slice text, uint64_t *out)
{
	uint64_t n = 0;

	if (text.n == 0)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		unsigned digit = (unsigned)text.p[i] - '0';

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

bool slice_u32(struct slice text, uint32_t *out)
{
	uint64_t n;

	if (!slice_u64(text, &n) || n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

bool slice_cstr(struct slice text, char *dst, size_t cap)
{
	bool fits = text.n < cap && slice_find(text, '\0') == text.n;
	size_t n = fits ? text.n : 0;

	if (n > 0)
		memcpy(dst, text.p, n);
	if (cap > 0)
		dst[n] = '\0';
	return fits;
}

void buf_put(struct buf *b, struct slice text)
{
	if (b->full || text.n > b->cap - b->len) {
		b->full = true;
		return;
	}
	if (text.n > 0)
		memcpy(b->p + b->len, text.p, text.n);
	b->len += text.n;
}

void buf_str(struct buf *b, const char *s)
{
	buf_put(b, slice_str(s));
}

void buf_char(struct buf *b, char c)
{
	buf_put(b, (struct slice){&c, 1});
}

void buf_u64(struct buf *b, uint64_t n)
{
	char digits[20]; /* 2^64 - 1 has twenty */
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	buf_put(b, (struct slice){digits + at, sizeof digits - at});
}

void buf_rewind(struct buf *b, size_t len)
{
	b->len = len;
	b->full = false;
}

struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->p, b->len};
}
