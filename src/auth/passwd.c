/* auth/passwd.c - see passwd.h */
#include "auth/passwd.h"

bool passwd_is_plain(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7F)
			return false;
	return true;
}

static bool is_path(struct slice text)
{
	return text.n > 0 && text.p[0] == '/' && passwd_is_plain(text);
}

/* The last number means "no change" to chown and setresuid. */
static bool is_id(struct slice text, uint32_t *out)
{
	return slice_u32(text, out) && *out != UINT32_MAX;
}

bool passwd_take_fields(struct slice *rest, struct slice *field, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_find(*rest, ':') == rest->n)
			return false;
		field[i] = slice_take(rest, ':');
	}
	return true;
}

bool passwd_parse(struct slice line, struct passwd_line *out)
{
	enum { NAME, HASH, UID, GID, GECOS, HOME, FIELDS };
	struct slice f[FIELDS];

	if (line.n > PASSWD_LINE_MOST || !passwd_take_fields(&line, f, FIELDS))
		return false;
	if (f[NAME].n == 0 || !passwd_is_plain(f[NAME]) || !passwd_is_plain(f[HASH]) ||
	    (f[HOME].n > 0 && !is_path(f[HOME])))
		return false;
	*out = (struct passwd_line){.name = f[NAME], .hash = f[HASH], .gecos = f[GECOS], .home = f[HOME]};
	return is_id(f[UID], &out->uid) && is_id(f[GID], &out->gid);
}

bool passwd_is_blank(struct slice line)
{
	line = slice_trim(line);
	return line.n == 0 || line.p[0] == '#' || (line.n == 1 && line.p[0] == '\r');
}
