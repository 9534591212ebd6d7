/* backend/radius/servers.c - see servers.h */
#include "backend/radius/servers.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { SERVERS_MOST = 16, WORDS_MOST = 6, LINE_MOST = 1024 };
#define RADIUS_PORT SLICE("1812")

static enum err server_add(struct radius_client *c, struct arena *arena, struct slice host, struct slice port,
			   const struct secret *secret, struct why *why)
{
	char label[320];
	struct buf b = BUF(label);
	struct radius_server *sv = &c->server[c->n];

	if (c->n == SERVERS_MOST)
		return fail(why, ERR_PERM, "radius: more than %d servers", SERVERS_MOST);
	bool six = slice_find(host, ':') < host.n;

	buf_str(&b, six ? "[" : "");
	buf_put(&b, host);
	buf_str(&b, six ? "]:" : ":");
	buf_put(&b, port);
	*sv = (struct radius_server){arena_str(arena, host), arena_str(arena, port), arena_str(arena, buf_slice(&b)),
				     secret};
	if (!sv->host || !sv->port || !sv->label)
		return fail(why, ERR_TEMP, "radius: not enough memory");
	c->n++;
	return OK;
}

static const struct secret *secret_keep(struct arena *arena, struct slice text)
{
	struct secret *s = arena_zero(arena, sizeof *s);

	return s && secret_set(s, text) ? s : NULL;
}

/* HOST, HOST:PORT, [IPv6] or [IPv6]:PORT, as the configuration has checked. */
static enum err server_parse(struct radius_client *c, struct arena *arena, const char *text,
			     const struct secret *secret, struct why *why)
{
	struct slice rest = slice_str(text), host;

	if (slice_starts(rest, SLICE("["))) {
		rest = (struct slice){rest.p + 1, rest.n - 1};
		host = slice_take(&rest, ']');
		(void)slice_take(&rest, ':');
	} else {
		host = slice_take(&rest, ':');
	}
	return server_add(c, arena, host, rest.n > 0 ? rest : RADIUS_PORT, secret, why);
}

/* --- client.conf ------------------------------------------------------------------------------------------------ */

static size_t words_take(struct slice line, struct slice word[static WORDS_MOST])
{
	size_t n = 0;

	line.n = slice_find(line, '#');
	for (size_t i = 0; i < line.n && n < WORDS_MOST;) {
		size_t start;

		while (i < line.n && memchr(" \t\r\n", line.p[i], 4))
			i++;
		for (start = i; i < line.n && !memchr(" \t\r\n", line.p[i], 4);)
			i++;
		if (i > start)
			word[n++] = (struct slice){line.p + start, i - start};
	}
	return n;
}

static enum err on_line(struct radius_client *c, struct arena *arena, struct slice line, struct why *why)
{
	struct slice word[WORDS_MOST];
	size_t n = words_take(line, word);
	uint32_t number = 0;

	if (n >= 5 && slice_eq(word[0], SLICE("server")) && slice_u32(word[4], &number) && number > 0 &&
	    number <= UINT16_MAX) {
		const struct secret *secret = secret_keep(arena, word[3]);

		return secret ? server_add(c, arena, word[2], word[4], secret, why)
			      : fail(why, ERR_TEMP, "not enough memory");
	}
	if (n >= 2 && slice_eq(word[0], SLICE("timeout")) && slice_u32(word[1], &number) && number > 0 &&
	    number <= 60) {
		c->timeout_ms = number * UINT64_C(1000);
		return OK;
	}
	if (n == 0 || (!slice_eq(word[0], SLICE("server")) && !slice_eq(word[0], SLICE("timeout"))))
		return OK;
	return fail(why, ERR_PERM, "expected server NAME ADDRESS SECRET AUTH-PORT ACCT-PORT, or timeout SECONDS");
}

static enum err client_conf_read(struct radius_client *c, struct arena *arena, FILE *f, const char *path,
				 struct why *why)
{
	char line[LINE_MOST];
	enum err err = OK;

	for (unsigned n = 1; err == OK && fgets(line, sizeof line, f); n++) {
		struct why reason = {""};

		err = strchr(line, '\n') || feof(f) ? on_line(c, arena, slice_str(line), &reason)
						    : fail(&reason, ERR_PERM, "the line is too long");
		if (err != OK)
			(void)fail(why, err, "%s:%u: %s", path, n, reason.text);
	}
	explicit_bzero(line, sizeof line);
	if (err == OK && ferror(f))
		err = fail_errno(why, ERR_PERM, "%s", path);
	if (err == OK && c->n == 0)
		err = fail(why, ERR_PERM, "%s names no server", path);
	return err;
}

static enum err client_conf(struct radius_client *c, const char *directory, struct arena *arena, struct why *why)
{
	char path[PATH_MAX], buffer[LINE_MOST];
	int n = snprintf(path, sizeof path, "%s/client.conf", directory);
	FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;

	if (!f)
		return fail(why, ERR_PERM, "no server is configured: radius { server HOST; secret ...; } (and %s: %s)",
			    path, strerror(errno));
	(void)setvbuf(f, buffer, _IOFBF, sizeof buffer); /* ours to wipe */
	enum err err = client_conf_read(c, arena, f, path, why);

	(void)fclose(f); /* only read from */
	explicit_bzero(buffer, sizeof buffer);
	return err;
}

enum err servers_find(struct radius_client *c, const struct conf_radius *cf, struct arena *arena, struct why *why)
{
	enum err err = OK;

	c->server = arena_zero(arena, SERVERS_MOST * sizeof *c->server);
	c->timeout_ms = cf->timeout.n * 1000;
	if (!c->server)
		return fail(why, ERR_TEMP, "radius: not enough memory");
	if (cf->server.n == 0 && cf->directory)
		return client_conf(c, cf->directory, arena, why);
	if (cf->server.n == 0)
		return fail(why, ERR_PERM, "no server is configured: radius { server HOST; secret ...; }");
	const struct secret *secret = secret_keep(arena, secret_slice(&cf->secret));

	if (!secret)
		return fail(why, ERR_TEMP, "radius: not enough memory");
	if (secret->n == 0)
		return fail(why, ERR_PERM, "radius.secret is not set: it is what the server has for this client");
	for (size_t i = 0; i < cf->server.n && err == OK; i++)
		err = server_parse(c, arena, cf->server.item[i], secret, why);
	return err;
}
