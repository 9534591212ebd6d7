/* auth/passwd.h - a line in the format of passwd(5): name:hash:uid:gid:gecos:home:shell */
#pragma once
#include "base/slice.h"

enum { PASSWD_LINE_MOST = 4096 }; /* octets, without the line's end */

/* Slices of the line. */
struct passwd_line {
	struct slice name, hash, gecos, home;
	uint32_t uid, gid;
};

/* False: not such a line. All seven fields must be there (a line that is cut off has fewer), uid and gid are
 * numbers, home is an absolute path or empty. Nothing is said about the hash; see hash_is_usable. */
bool passwd_parse(struct slice line, struct passwd_line *out);

/* For other formats of lines: as many fields as asked for, each with a colon behind it, taken off the front of `rest`. */
bool passwd_take_fields(struct slice *rest, struct slice *field, size_t n);

/* No control characters. */
bool passwd_is_plain(struct slice text);

/* An empty line or a comment. */
bool passwd_is_blank(struct slice line);
