/* store/url.h - where a maildrop is: [SCHEME:[//]]/absolute/path[;parameter[=value]...] */
#pragma once
#include "base/slice.h"
#include "base/why.h"

struct url {
	struct slice scheme; /* empty: to be found out */
	struct slice path;   /* absolute, without NUL */
};

/* Parameters are parsed only behind a scheme (without one they are part of the path), and those that spread maildrops
 * over directories are refused. */
enum err url_parse(struct slice text, struct url *out, struct why *why);
