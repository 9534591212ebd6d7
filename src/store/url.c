/* store/url.c - see url.h */
#include "store/url.h"

enum { DEPTH_MOST = 255 }; /* more than any name has letters, and any path room */

static const struct type {
	const char *name;
	enum url_type type;
} types[] = {{"index", URL_INDEX}, {"rev-index", URL_REV_INDEX}, {"hash", URL_HASH}};

static bool set_type(struct url *out, struct slice value)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (slice_eq(value, slice_str(types[i].name))) {
			out->type = types[i].type;
			return true;
		}
	return false;
}

static bool set_depth(struct url *out, struct slice value)
{
	return slice_u32(value, &out->depth) && out->depth <= DEPTH_MOST;
}

/* It becomes a part of a path. */
static bool set_user(struct url *out, struct slice value)
{
	out->user = value;
	return value.n > 0 && !slice_eq(value, SLICE(".")) && !slice_eq(value, SLICE("..")) &&
	       slice_find(value, '/') == value.n;
}

static const struct parameter {
	const char *name;
	bool (*set)(struct url *out, struct slice value);
} parameters[] = {{"type", set_type}, {"param", set_depth}, {"user", set_user}};

static enum err take_parameter(struct url *out, struct slice text, struct why *why)
{
	struct slice value = text, name = slice_take(&value, '=');

	for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
		if (slice_eq(name, slice_str(parameters[i].name)))
			return parameters[i].set(out, value)
				       ? OK
				       : fail(why, ERR_PERM, "parameter %s of a mailbox is wrong", parameters[i].name);
	return fail(why, ERR_PERM, "parameter %.*s of a mailbox is not known", (int)name.n, name.p);
}

static enum err take_parameters(struct url *out, struct slice text, struct why *why)
{
	enum err err = OK;

	while (text.n > 0 && err == OK) {
		struct slice one = slice_take(&text, ';');

		err = one.n > 0 ? take_parameter(out, one, why) : OK;
	}
	if (err == OK && out->type != URL_PLAIN && out->user.n == 0)
		err = fail(why, ERR_PERM, "parameter type of a mailbox needs user");
	return err;
}

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
		enum err err = take_parameters(out, rest, why);

		if (err != OK)
			return err;
	}
	if (!slice_starts(out->path, SLICE("/")) || slice_find(text, '\0') < text.n)
		return fail(why, ERR_PERM, "a mailbox needs an absolute path");
	return OK;
}

/* ---- directories ---- */

static char letter(unsigned char c)
{
	if (c >= 'a' && c <= 'z')
		return (char)c;
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	if (c > 'z')
		return (char)('b' + (c < 0x80 ? c - '{' : 0));
	return c > 'Z' ? (char)('b' + c - '[') : (char)('a' + c % 26);
}

static void put_index(const struct url *url, struct buf *out)
{
	struct slice user = url->user;

	for (uint32_t i = 0; i < url->depth; i++) {
		size_t at = i < user.n ? i : user.n - 1;

		if (url->type == URL_REV_INDEX)
			at = user.n - 1 - at;
		buf_char(out, '/');
		buf_char(out, letter((unsigned char)user.p[at]));
	}
}

static void put_hash(const struct url *url, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	unsigned sum = 0;

	for (size_t i = 0; i < url->user.n && i < url->depth; i++)
		sum += (unsigned char)url->user.p[i];
	buf_char(out, '/');
	buf_char(out, hex[sum >> 4 & 15]);
	buf_char(out, hex[sum & 15]);
}

enum err url_path(const struct url *url, struct buf *out, struct why *why)
{
	buf_put(out, url->path);
	if (url->type == URL_HASH && url->depth > 0)
		put_hash(url, out);
	else if (url->type != URL_PLAIN)
		put_index(url, out);
	if (url->type != URL_PLAIN) {
		buf_char(out, '/');
		buf_put(out, url->user);
	}
	buf_char(out, '\0');
	return out->full ? fail(why, ERR_PERM, "the path of a mailbox is too long") : OK;
}
