/* base/slice.h - borrowed text, and bounded buffers to write text into
 *
 * A slice owns nothing, has no NUL at its end, and lives as long as the bytes it points into.
 * A buf writes into storage that its owner lends. Nothing here allocates, logs or sets errno. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
	const char *p; /* may be NULL when n is 0 */
	size_t n;
};
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

/* The text of a C string; NULL gives the empty slice. */
struct slice slice_str(const char *s);

bool slice_eq(struct slice a, struct slice b);
bool slice_eq_nocase(struct slice a, struct slice b); /* ASCII letters only */
bool slice_starts(struct slice text, struct slice prefix);
bool slice_starts_nocase(struct slice text, struct slice prefix); /* ASCII letters only */

/* Position of `c` in text; text.n when it is not there. */
size_t slice_find(struct slice text, char c);

/* Takes the text before `sep` off the front of `rest`, and `sep`; without a `sep`, all. */
struct slice slice_take(struct slice *rest, char sep);

/* Without the blanks and tabs at both ends. */
struct slice slice_trim(struct slice text);

/* A whole decimal number (digits only) below 2^32 or 2^64; otherwise false, and *out is as it was. */
bool slice_u32(struct slice text, uint32_t *out);
bool slice_u64(struct slice text, uint64_t *out);

/* Copies text and a NUL into dst[cap]. False, and dst is "", when it does not fit or holds a NUL. */
bool slice_cstr(struct slice text, char *dst, size_t cap);

/* Appends are all or nothing. One that does not fit sets `full` and changes nothing else, and
 * so do all after it: check once, behind the last. */
struct buf {
	char *p;
	size_t len, cap;
	bool full;
};
#define BUF(array) ((struct buf){.p = (array), .cap = sizeof(array)})
void buf_put(struct buf *b, struct slice text);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_u64(struct buf *b, uint64_t n);
void buf_rewind(struct buf *b, size_t len); /* back to `len`, no longer full */
struct slice buf_slice(const struct buf *b);
