/* tests/store/keptbox.h - maildrops of each format that are kept for the next opening (store/kept.h) */
#pragma once
#include "box.h"

enum { KEPT_MAILDIR, KEPT_MBOX, KEPT_MH, KEPT_DOTMAIL, KEPT_FORMATS };

struct kept_format {
	const char *name;
	void (*new)(struct box *b);
	void (*put)(const struct box *b, unsigned i); /* message i comes: KEPT_TEXT */
	const char *index;                            /* from b->top */
	unsigned calls;                               /* that a warm opening costs */
};
extern const struct kept_format kept_formats[KEPT_FORMATS];

#define KEPT_TEXT "A: b\n\nc\n"
enum { KEPT_OCTETS = sizeof(KEPT_TEXT) - 1 + 3 }; /* on the wire */

/* `name' in `dir'; valid until the call after the next. */
const char *keptbox_path(const char *dir, const char *name);

/* Of three messages, open once by its index, and closed: so it is kept. The clock is ahead. */
void keptbox_begin(struct box *b, const struct kept_format *f);
void keptbox_end(struct box *b);

/* For main. */
void keptbox_keep(void);
