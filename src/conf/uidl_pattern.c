/* conf/uidl_pattern.c - see uidl_pattern.h */
#include "conf/uidl_pattern.h"

struct field {
	char letter; /* of "uvmfg%"; 0: it is text, an octet of it */
	unsigned width;
	bool hex, zeros;
	char text;
};

enum { WIDTH_MOST = 20 };

/* Takes the next one off the front. False: it is none. */
static bool take_field(struct slice *rest, struct field *f)
{
	const char *p = rest->p, *end = rest->p + rest->n;

	*f = (struct field){.text = *p};
	if (*p++ != '%') {
		*rest = (struct slice){p, (size_t)(end - p)};
		return true;
	}
	if (p < end && *p == '0') {
		f->zeros = true;
		p++;
	}
	for (; p < end && *p >= '0' && *p <= '9' && f->width <= WIDTH_MOST; p++)
		f->width = f->width * 10 + (unsigned)(*p - '0');
	if (p < end && (*p == 'X' || *p == 'x')) {
		f->hex = true;
		p++;
	}
	f->letter = p < end ? *p++ : '\0';
	*rest = (struct slice){p, (size_t)(end - p)};
	struct slice plain = SLICE("mfg%"), numbers = SLICE("uv");
	bool is_plain = slice_find(plain, f->letter) < plain.n, is_number = slice_find(numbers, f->letter) < numbers.n;

	return f->width <= WIDTH_MOST && (is_number || (is_plain && !f->hex && !f->zeros && f->width == 0));
}

static bool is_printable(char c)
{
	return c >= 0x21 && c <= 0x7E;
}

bool uidl_pattern_is(struct slice pattern, bool *numbers)
{
	bool any = false;

	*numbers = false;
	while (pattern.n > 0) {
		struct field f;

		if (!take_field(&pattern, &f) || (!f.letter && !is_printable(f.text)))
			return false;
		any |= f.letter && f.letter != 'v' && f.letter != '%';
		*numbers |= f.letter == 'u' || f.letter == 'v';
	}
	return any; /* else all messages would have one id */
}

static void put_number(struct buf *out, uint64_t n, const struct field *f)
{
	char digits[24];
	size_t len = 0;

	do {
		digits[len++] = "0123456789abcdef"[f->hex ? n & 15 : n % 10];
		n = f->hex ? n >> 4 : n / 10;
	} while (n > 0);
	while (len < f->width && len < sizeof digits)
		digits[len++] = f->zeros ? '0' : ' ';
	while (len > 0)
		buf_char(out, digits[--len]);
}

bool uidl_pattern_put(struct buf *out, struct slice pattern, const struct uidl_facts *facts)
{
	while (pattern.n > 0) {
		struct field f;

		if (!take_field(&pattern, &f))
			return false;
		struct slice text = f.letter == 'm'   ? facts->md5
				    : f.letter == 'f' ? facts->name
				    : f.letter == 'g' ? facts->guid
						      : (struct slice){f.letter ? "%" : &f.text, 1};

		if (f.letter == 'u' || f.letter == 'v') {
			uint64_t n = f.letter == 'u' ? facts->number : facts->validity;

			if (n == 0)
				return false;
			put_number(out, n, &f);
			continue;
		}
		if (text.n == 0)
			return false;
		buf_put(out, text);
	}
	return !out->full;
}
