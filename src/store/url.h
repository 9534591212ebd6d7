/* store/url.h - where a maildrop is: [SCHEME:[//]]/absolute/path[;parameter[=value]...]
 *
 * Parameters spread maildrops over directories below the path, as Mailutils does:
 *
 *	type=index	a directory for each of the first `param' letters of the user's name, the last one again where there are less
 *	type=rev-index	the same from its end, and the first one again
 *	type=hash	one directory: the sum of its first `param' octets modulo 256, in two hexadecimal digits
 *	param=N		0 where it is missing: no directory between
 *	user=NAME	whose it is; the last part of the path
 *
 * A letter is the octet of the name that it stands for in lower case, or `a' and so many letters farther as the octet's code is above the last
 * multiple of 26 (of '[': 'b', of '{': 'b', above 0x7F: of 0x80). */
#pragma once
#include "base/slice.h"
#include "base/why.h"

enum url_type { URL_PLAIN, URL_INDEX, URL_REV_INDEX, URL_HASH };

struct url {
	struct slice scheme; /* empty: to be found out */
	struct slice path;   /* absolute, without NUL */
	enum url_type type;
	uint32_t depth;    /* param */
	struct slice user; /* of a type; one part of a path */
};

/* Parameters are parsed only behind a scheme (without one they are part of the path). One that is not known is an error. */
enum err url_parse(struct slice text, struct url *out, struct why *why);

/* The path with the directories of its type, and a NUL. ERR_PERM: it is too long. */
enum err url_path(const struct url *url, struct buf *out, struct why *why);
