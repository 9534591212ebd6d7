/* backend/radius/mod_radius.c - the module for RADIUS: users and passwords that a server knows
 *
 * Requests are those of the configuration, `auth', `getpwnam' and `getpwuid'; in them are ${user}, ${passwd} (auth alone) and ${client}, the
 * client's address. A record is made of the attributes of an Access-Accept, and of nothing else: a rejection may carry the same ones.
 * GNU-MU-UID, -GID and -Dir must be there, -User-Name (else the login), -GECOS, -Shell, -Mailbox and -Quota may.
 *
 * There is no connection to lose. The password is checked by `auth' and never kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/backend.h"
#include "backend/radius/pairs.h"
#include "backend/radius/servers.h"

enum { ARENA_MOST = 64 * 1024 * 1024, TEXT_MOST = 253, NUMBER_MOST = 21 };

enum request { REQUEST_AUTH, REQUEST_GETPWNAM, REQUEST_GETPWUID, REQUESTS };
static const char *const request_name[] = {"auth", "getpwnam", "getpwuid"};

/* Attributes of a record. */
enum field { NAME, UID, GID, GECOS, DIR, SHELL, MAILBOX, QUOTA, FIELDS };
static const struct {
	const char *attribute;
	bool number, must;
} fields[] = {
	[NAME] = {"GNU-MU-User-Name", false, false},  [UID] = {"GNU-MU-UID", true, true},
	[GID] = {"GNU-MU-GID", true, true},           [GECOS] = {"GNU-MU-GECOS", false, false},
	[DIR] = {"GNU-MU-Dir", false, true},          [SHELL] = {"GNU-MU-Shell", false, false},
	[MAILBOX] = {"GNU-MU-Mailbox", false, false}, [QUOTA] = {"GNU-MU-Quota", false, false},
};

struct radius_priv {
	struct arena *arena; /* holds secrets */
	struct dictionary dictionary;
	const struct dictionary_attribute *field[FIELDS];
	struct pairs request[REQUESTS];
	struct radius_client client;
	char host[TEXT_MOST + 1];    /* who asks, where no request says so */
	struct radius_answer answer; /* records point into it */
	char quota[NUMBER_MOST];
};

/* --- configuration ---------------------------------------------------------------------------------------------- */

static enum err dictionaries_read(struct radius_priv *p, const char *directory, struct why *why)
{
	char path[4096];
	enum err err = dictionary_begin(&p->dictionary, p->arena, why);

	if (err == OK && directory) {
		int n = snprintf(path, sizeof path, "%s/dictionary", directory);

		err = n > 0 && (size_t)n < sizeof path ? dictionary_read(&p->dictionary, path, why)
						       : fail(why, ERR_PERM, "radius.directory: too long");
	}
	for (size_t i = 0; i < FIELDS && err == OK; i++) {
		p->field[i] = dictionary_find(&p->dictionary, slice_str(fields[i].attribute));
		if (!p->field[i])
			err = fail(why, ERR_PERM, "no dictionary has an attribute %s", fields[i].attribute);
	}
	return err;
}

/* One that a chain asks for must be there; the chains that stand where none is configured ask for none. */
static enum err requests_parse(struct radius_priv *p, const struct conf *cf, struct why *why)
{
	const char *const text[] = {cf->radius.auth, cf->radius.getpwnam, cf->radius.getpwuid};
	const struct conf_list *chain[] = {&cf->auth.authentication, &cf->auth.authorization};
	enum err err = OK;

	for (size_t i = 0; i < REQUESTS && err == OK; i++)
		if (text[i])
			err = pairs_parse(&p->request[i], &p->dictionary, request_name[i], text[i], why);
	for (size_t i = 0; i < 2 && err == OK; i++)
		if (!text[i] && chain[i]->given && conf_list_has(chain[i], "radius"))
			err = fail(why, ERR_PERM, "radius.%s is not set: which request %s?", request_name[i],
				   i == REQUEST_AUTH ? "checks a password" : "finds a user");
	for (size_t i = REQUEST_GETPWNAM; i < REQUESTS && err == OK; i++)
		if (p->request[i].secret)
			err = fail(why, ERR_PERM, "radius.%s: there is no password when a user is looked for",
				   request_name[i]);
	return err;
}

static void radius_close(void *priv)
{
	struct radius_priv *p = priv;

	if (p->arena)
		arena_wipe(p->arena);
	arena_free(p->arena);
	free(p);
}

static enum err radius_open(const struct conf *cf, void **priv, struct why *why)
{
	struct radius_priv *p = calloc(1, sizeof *p);
	enum err err = OK;

	if (p)
		p->arena = arena_new(ARENA_MOST);
	if (!p || !p->arena) {
		free(p);
		return fail(why, ERR_TEMP, "radius: not enough memory");
	}
	p->client.must_be_signed = cf->radius.require_message_authenticator;
	err = dictionaries_read(p, cf->radius.directory, why);
	if (err == OK)
		err = requests_parse(p, cf, why);
	if (err == OK)
		err = servers_find(&p->client, &cf->radius, p->arena, why);
	if (err != OK) {
		radius_close(p);
		return err;
	}
	if (gethostname(p->host, sizeof p->host) < 0 || !*p->host)
		memcpy(p->host, "pop3d", sizeof "pop3d");
	p->host[TEXT_MOST] = '\0';
	*priv = p;
	return OK;
}

/* --- asking ----------------------------------------------------------------------------------------------------- */

struct asking {
	struct radius_priv *p;
	const struct pairs *pairs;
	struct conf_var var[3];
};

static enum err put_request(void *arg, struct packet *request, struct slice secret, struct why *why)
{
	const struct asking *x = arg;
	enum err err =
		pairs_put(x->pairs, &x->p->dictionary, request, secret, x->var, sizeof x->var / sizeof x->var[0], why);

	if (err == OK && !x->pairs->names_us)
		packet_put(request, 0, 32, slice_str(x->p->host)); /* NAS-Identifier: RFC 2865, section 4.1 */
	return err;
}

/* Reply-Message, for the operator; a server may repeat a password in it, which must not be told. */
static struct slice reply_message(const struct radius_answer *a, struct slice password)
{
	struct attributes all = attributes_of(a->packet);
	struct attribute at;

	while (attribute_next(&all, &at)) {
		bool repeats = password.n > 0 && memmem(at.value.p, at.value.n, password.p, password.n);

		if (at.vendor == 0 && at.type == ATTRIBUTE_REPLY_MESSAGE && !repeats)
			return at.value;
	}
	return (struct slice){0};
}

/* OK: it was accepted, and p->answer has it. */
static enum err ask_servers(struct radius_priv *p, enum request which, const struct backend_ask *ask, struct slice user,
			    struct why *why)
{
	struct asking x = {p, &p->request[which], {{"user", user}, {"passwd", ask->password}, {"client", ask->client}}};
	const struct radius_question q = {put_request, &x};

	if (p->request[which].n == 0)
		return fail(why, ERR_PERM, "radius.%s is not set", request_name[which]);
	enum err err = radius_ask(&p->client, &q, ask->deadline_ms, &p->answer, why);

	if (err != OK || reply_code(p->answer.packet) == ACCESS_ACCEPT)
		return err;
	if (reply_code(p->answer.packet) == ACCESS_CHALLENGE)
		return fail(why, ERR_AUTH,
			    "radius %s wants a further step (Access-Challenge), which POP3 does not have",
			    p->answer.from);
	struct slice message = reply_message(&p->answer, ask->password);

	return fail(why, ERR_AUTH, "radius %s rejects %s%s%.*s", p->answer.from,
		    which == REQUEST_AUTH ? "user or password" : "the user", message.n ? ": " : "",
		    (int)(message.n < 100 ? message.n : 100), message.n ? message.p : "");
}

/* The first one of its kind. */
static struct slice field_find(const struct radius_priv *p, enum field f)
{
	struct attributes all = attributes_of(p->answer.packet);
	struct attribute at;

	while (attribute_next(&all, &at))
		if (at.vendor == p->field[f]->vendor && at.type == p->field[f]->number)
			return at.value;
	return (struct slice){0};
}

static bool number_of(struct slice octets, uint64_t *n)
{
	*n = 0;
	for (size_t i = 0; i < octets.n && i < sizeof *n; i++)
		*n = *n << 8 | (uint8_t)octets.p[i];
	return octets.n == 1 || octets.n == 2 || octets.n == 4 || octets.n == 8;
}

static bool is_text(struct slice s)
{
	return s.n == 0 || (!memchr(s.p, '\0', s.n) && !memchr(s.p, '\r', s.n) && !memchr(s.p, '\n', s.n));
}

static enum err field_check(const struct radius_priv *p, enum field f, struct slice value, uint32_t *number,
			    struct why *why)
{
	uint64_t n = 0;

	if (value.n == 0 && fields[f].must)
		return fail(why, ERR_PERM, "radius %s: the answer has no %s", p->answer.from, fields[f].attribute);
	if (fields[f].number && (!number_of(value, &n) || n >= UINT32_MAX))
		return fail(why, ERR_PERM, "radius %s: %s is no number of a user or group", p->answer.from,
			    fields[f].attribute);
	if (!fields[f].number && p->field[f]->type != TYPE_INTEGER && !is_text(value))
		return fail(why, ERR_PERM, "radius %s: %s holds control characters", p->answer.from,
			    fields[f].attribute);
	*number = (uint32_t)n;
	return OK;
}

/* A number of octets, or a text where the dictionary says so. */
static struct slice quota_of(struct radius_priv *p, struct slice value)
{
	struct buf b = BUF(p->quota);
	uint64_t n;

	if (p->field[QUOTA]->type != TYPE_INTEGER || value.n == 0)
		return value;
	if (number_of(value, &n))
		buf_u64(&b, n);
	return buf_slice(&b);
}

static enum err record_make(struct radius_priv *p, struct slice user, struct backend_record *r, struct why *why)
{
	struct slice value[FIELDS];
	uint32_t number[FIELDS];

	for (enum field f = 0; f < FIELDS; f++) {
		value[f] = field_find(p, f);
		enum err err = field_check(p, f, value[f], &number[f], why);

		if (err != OK)
			return err;
	}
	*r = (struct backend_record){.name = value[NAME],
				     .asks_source = true,
				     .gecos = value[GECOS],
				     .home = value[DIR],
				     .shell = value[SHELL],
				     .mailbox = value[MAILBOX],
				     .quota = quota_of(p, value[QUOTA]),
				     .uid = number[UID],
				     .gid = number[GID]};
	(void)snprintf(r->place, sizeof r->place, "radius %s, user %.*s", p->answer.from,
		       (int)(user.n < 128 ? user.n : 128), user.n ? user.p : ""); /* may be cut */
	return OK;
}

static enum err radius_lookup(void *priv, const struct backend_ask *ask, struct backend_record *r, struct why *why)
{
	struct radius_priv *p = priv;
	enum err err = ask_servers(p, ask->by_uid ? REQUEST_GETPWUID : REQUEST_GETPWNAM, ask, ask->login, why);

	return err == OK ? record_make(p, ask->login, r, why) : err;
}

static enum err radius_check(void *priv, const struct backend_ask *ask, struct why *why)
{
	return ask_servers(priv, REQUEST_AUTH, ask, ask->name.n > 0 ? ask->name : ask->login, why);
}

const struct backend backend_module = {
	.version = BACKEND_VERSION,
	.name = "radius",
	.open = radius_open,
	.lookup = radius_lookup,
	.check = radius_check,
	.close = radius_close,
};
