/* store/url.c - see url.h */
#include "store/url.h"

enum err url_parse(struct slice text, struct url *out, struct why *why)
{
	struct slice rest = text;

	*out = (struct url){.path = text};
	if (!slice_starts(text, SLICE("/"))) {
		if (slice_find(text, ':') == text.n)
			return fail(why, ERR_PERM, "a mailbox needs an absolute path");
		out->scheme = slice_take(&rest, ':');
		if (slice_starts(rest, SLICE("//")))
			rest = (struct slice){rest.p + 2, rest.n - 2};
		out->path = slice_take(&rest, ';');
		if (rest.n > 0)
			return fail(why, ERR_PERM, "parameters of a mailbox (%.*s) are not known", (int)rest.n, rest.p);
	}
	if (!slice_starts(out->path, SLICE("/")) || slice_find(out->path, '\0') < out->path.n)
		return fail(why, ERR_PERM, "a mailbox needs an absolute path");
	return OK;
}
