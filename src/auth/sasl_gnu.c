/* auth/sasl_gnu.c - mechanisms that GNU SASL runs: SCRAM, CRAM-MD5, DIGEST-MD5; and the library for GSSAPI (sasl_gssapi.c)
 *
 * Its call-backs cannot wait. So the name is read out of the response that brings it, the secret is looked up (which may take another
 * process), and then the library is given the response. Whoever has no secret goes on with one that nobody knows, to the same end as with a wrong one. */
#include <gsasl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "auth/keytab.h"
#include "auth/names.h"
#include "auth/sasl_exchange.h"
#include "auth/sasl_names.h"
#include "base/base64.h"
#include "base/log.h"

static bool is_scram(enum mechanism m)
{
	bool sha256;

	return mechanism_is_scram(m, &sha256);
}

/* --- what the library asks --------------------------------------------------------------------------------------- */

static int set(Gsasl_session *session, Gsasl_property property, const char *value)
{
	return value && value[0] ? gsasl_property_set(session, property, value) : GSASL_NO_CALLBACK;
}

/* The name of the connection, where the mechanism asks for the kind that it has. */
static int set_binding(const struct sasl_exchange *e, Gsasl_session *session, Gsasl_property property)
{
	bool exporter = e->traits & SASL_BINDS_EXPORTER;
	char text[BASE64_ENCODED(BINDING_MOST) + 1] = "";
	struct buf b = BUF(text);

	if (e->binding_n == 0 || exporter != (property == GSASL_CB_TLS_EXPORTER))
		return GSASL_NO_CALLBACK;
	base64_encode(&b, (struct slice){e->binding, e->binding_n});
	buf_char(&b, '\0');
	return set(session, property, text);
}

static int set_octets(Gsasl_session *session, Gsasl_property property, const unsigned char *octets, size_t n)
{
	char text[BASE64_ENCODED(SCRAM_SALT_MOST) + 1] = "";
	struct buf b = BUF(text);

	base64_encode(&b, (struct slice){(const char *)octets, n});
	buf_char(&b, '\0');
	int rc = set(session, property, text);

	explicit_bzero(text, sizeof text);
	return rc;
}

static int set_iterations(const struct sasl_exchange *e, Gsasl_session *session)
{
	char text[12] = "";
	struct buf b = BUF(text);

	buf_u64(&b, e->secret.scram.iterations);
	buf_char(&b, '\0');
	return set(session, GSASL_SCRAM_ITER, text);
}

/* The keys are made where they are asked for: behind the client's proof, so that how long it takes is not seen. */
static int set_key(struct sasl_exchange *e, Gsasl_session *session, Gsasl_property property)
{
	struct scram_verifier *v = &e->secret.scram;

	if (!e->secret.known)
		return GSASL_NO_CALLBACK;
	if (v->key_n == 0) {
		char *prepared = NULL;
		bool made = gsasl_saslprep(e->secret.password, 0, &prepared, NULL) == GSASL_OK &&
			    scram_derive(slice_str(prepared), v);

		if (prepared)
			explicit_bzero(prepared, strlen(prepared));
		gsasl_free(prepared);
		if (!made)
			return GSASL_NO_CALLBACK;
	}
	return set_octets(session, property, property == GSASL_SCRAM_STOREDKEY ? v->stored : v->server, v->key_n);
}

static int on_property(Gsasl *lib, Gsasl_session *session, Gsasl_property property)
{
	struct sasl_exchange *e = gsasl_session_hook_get(session);
	const struct conf *cf = e->all->conf;

	(void)lib;
	switch ((int)property) {
	case GSASL_PASSWORD:
		return is_scram(e->mechanism) ? GSASL_NO_CALLBACK : set(session, property, e->secret.password);
	case GSASL_SCRAM_ITER:
		return set_iterations(e, session);
	case GSASL_SCRAM_SALT:
		return set_octets(session, property, e->secret.scram.salt, e->secret.scram.salt_n);
	case GSASL_SCRAM_STOREDKEY:
	case GSASL_SCRAM_SERVERKEY:
		return set_key(e, session, property);
	case GSASL_CB_TLS_UNIQUE:
	case GSASL_CB_TLS_EXPORTER:
		return set_binding(e, session, property);
	case GSASL_SERVICE:
		return set(session, property, service_name(cf));
	case GSASL_HOSTNAME:
		return set(session, property, e->all->host);
	case GSASL_REALM:
		return set(session, property, cf->gsasl.realm ? cf->gsasl.realm : e->all->host);
	case GSASL_QOPS:
		return set(session, property, "qop-auth"); /* nothing of the session is wrapped */
	case GSASL_VALIDATE_GSSAPI:
		return GSASL_OK; /* whose principal it is, is looked at behind it (sasl_gssapi.c) */
	default:
		return GSASL_NO_CALLBACK;
	}
}

enum err sasl_gnu_open(struct sasl *s, struct why *why)
{
	int rc = gsasl_init(&s->gnu);

	if (rc != GSASL_OK)
		return fail(why, ERR_TEMP, "GNU SASL: %s", gsasl_strerror(rc));
	gsasl_callback_set(s->gnu, on_property);
	return OK;
}

void sasl_gnu_close(struct sasl *s)
{
	if (s->gnu)
		gsasl_done(s->gnu);
	s->gnu = NULL;
}

/* What the library has copied of the secret is wiped before it frees it. */
void sasl_gnu_end(struct sasl_exchange *e)
{
	static const Gsasl_property secrets[] = {GSASL_PASSWORD, GSASL_SCRAM_SALTED_PASSWORD, GSASL_SCRAM_STOREDKEY,
						 GSASL_SCRAM_SERVERKEY};

	for (size_t i = 0; e->session && i < sizeof secrets / sizeof *secrets; i++) {
		const char *value = gsasl_property_fast(e->session, secrets[i]);

		if (value)
			explicit_bzero((char *)value, strlen(value));
	}
	if (e->session)
		gsasl_finish(e->session);
	e->session = NULL;
}

/* --- an exchange ------------------------------------------------------------------------------------------------- */

/* The turn in which the response brings the name. */
static bool brings_name(const struct sasl_exchange *e, bool given)
{
	return given && e->name_n == 0;
}

static bool name_read(struct sasl_exchange *e, struct slice response)
{
	char name[SASL_NAME_ROOM], *prepared = NULL;
	size_t n;
	bool read = is_scram(e->mechanism)               ? sasl_name_scram(response, name, &n)
		    : e->mechanism == MECHANISM_CRAM_MD5 ? sasl_name_cram(response, name, &n)
							 : sasl_name_digest(response, name, &n);

	if (!read)
		return false;
	/* RFC 5802, section 5.1: as the client must have prepared it, whatever it has done. */
	if (is_scram(e->mechanism) && gsasl_saslprep(name, 0, &prepared, NULL) != GSASL_OK)
		return false;
	bool set = sasl_name_set(e, prepared ? slice_str(prepared) : (struct slice){name, n});

	gsasl_free(prepared);
	return set;
}

/* RFC 5801, section 4, for SCRAM; others have the like. The library has read it; nobody acts for somebody else. */
static bool acts_for_another(const struct sasl_exchange *e)
{
	const char *authzid = gsasl_property_fast(e->session, GSASL_AUTHZID);

	return authzid && authzid[0] && !slice_eq(slice_str(authzid), (struct slice){e->name, e->name_n});
}

/* RFC 2831, section 2.1.2: the response was made for us, and not for another service of whoever speaks for us. Clients know us by
 * many names, so ours counts where it is configured. */
static bool is_for_us(const struct sasl_exchange *e, struct slice response)
{
	const struct conf *cf = e->all->conf;
	char uri[SASL_NAME_ROOM];
	size_t n;

	if (e->mechanism != MECHANISM_DIGEST_MD5)
		return true;
	if (!sasl_value_digest(response, SLICE("digest-uri"), uri, &n))
		return false;
	struct slice rest = {uri, n}, service = slice_take(&rest, '/'), host = slice_take(&rest, '/');

	return slice_eq_nocase(service, slice_str(service_name(cf))) &&
	       (!cf->gsasl.hostname || slice_eq_nocase(host, slice_str(cf->gsasl.hostname)));
}

/* RFC 5802, section 6: the client could have bound the exchange, and believes that we cannot. But we have offered it: somebody may have
 * taken it out of our list. */
static bool was_misled(const struct sasl_exchange *e, struct slice response)
{
	return mechanisms[e->mechanism].traits & MECHANISM_COULD_BIND && e->binding_n > 0 &&
	       slice_starts(response, SLICE("y"));
}

static enum sasl_result look_up(struct sasl_exchange *e, struct slice response, struct sasl_out *out)
{
	enum err err;

	if (!name_read(e, response))
		return sasl_refuse(out, "malformed response");
	if (!is_for_us(e, response))
		return sasl_refuse(out, "a response for another service or host");
	if (was_misled(e, response))
		return sasl_refuse(out, "the client does not know that the exchange could be bound");
	err = sasl_secret_find(&e->all->secrets, (struct slice){e->name, e->name_n}, e->mechanism, &e->secret,
			       &out->why);
	if (err == OK)
		return e->secret.known || !e->all->conf->gsasl.stored_passwords ? SASL_GOES_ON : SASL_LOOKS;
	out->err = err;
	out->reason = out->why.text;
	log_line(LOG_ERR, "%s", out->why.text);
	return SASL_TROUBLE;
}

static enum sasl_result failed(const struct sasl_exchange *e, int rc, struct sasl_out *out)
{
	if (e->name_n > 0 && !e->secret.known)
		return sasl_refuse(out, "has no secret for this mechanism");
	return sasl_refuse(out, rc == GSASL_AUTHENTICATION_ERROR ? "wrong secret" : gsasl_strerror(rc));
}

static enum sasl_result shown(struct sasl_exchange *e, struct sasl_out *out)
{
	if (!e->secret.known)
		return failed(e, GSASL_AUTHENTICATION_ERROR, out);
	return acts_for_another(e) ? sasl_refuse(out, "wants to act for another user") : SASL_SHOWN;
}

enum sasl_result sasl_gnu_start(struct sasl_exchange *e, struct sasl_out *out)
{
	if (gsasl_server_start(e->all->gnu, mechanisms[e->mechanism].name, &e->session) != GSASL_OK) {
		out->reason = "GNU SASL cannot run the mechanism";
		return SASL_TROUBLE;
	}
	gsasl_session_hook_set(e->session, e);
	return SASL_GOES_ON;
}

/* Some end with something to say to the client, which it has to acknowledge with an empty line: in POP3 +OK carries no more. */
enum sasl_result sasl_gnu_turn(struct sasl_exchange *e, struct slice response, bool given, struct sasl_out *out,
			       int *rc)
{
	char *said = NULL;
	size_t n = 0;
	enum sasl_result result;

	*rc = gsasl_step(e->session, given ? response.p : NULL, given ? response.n : 0, &said, &n);
	if (*rc == GSASL_NEEDS_MORE || (*rc == GSASL_OK && n > 0)) {
		result = sasl_ask(out, (struct slice){said, n});
		e->last = *rc == GSASL_OK;
	} else {
		result = *rc == GSASL_OK ? SASL_SHOWN : SASL_REFUSED;
	}
	if (said)
		explicit_bzero(said, n);
	gsasl_free(said);
	return result;
}

static enum sasl_result step(struct sasl_exchange *e, struct slice response, bool given, struct sasl_out *out)
{
	int rc;
	enum sasl_result result = sasl_gnu_turn(e, response, given, out, &rc);

	return result == SASL_SHOWN                     ? shown(e, out)
	       : result == SASL_REFUSED && !out->reason ? failed(e, rc, out)
							: result;
}

static bool speaks_first(enum mechanism m)
{
	return m == MECHANISM_CRAM_MD5 || m == MECHANISM_DIGEST_MD5;
}

enum sasl_result sasl_gnu(struct sasl_exchange *e, struct slice response, bool given, struct sasl_out *out)
{
	enum sasl_result result = SASL_GOES_ON;

	if (e->last)
		return response.n == 0 ? shown(e, out) : sasl_refuse(out, "a response where none is due");
	if (!given && !speaks_first(e->mechanism))
		return sasl_ask(out, SLICE(""));
	if (given && e->turns == 0 && speaks_first(e->mechanism))
		return sasl_refuse(out, "an initial response where none is due");
	if (memchr(response.p, '\0', response.n))
		return sasl_refuse(out, "malformed response");
	if (!e->session)
		result = sasl_gnu_start(e, out);
	if (result == SASL_GOES_ON && brings_name(e, given))
		result = look_up(e, response, out);
	return result == SASL_GOES_ON ? step(e, response, given, out) : result;
}

enum sasl_result sasl_gnu_go_on(struct sasl_exchange *e, struct slice response, struct sasl_out *out)
{
	return step(e, response, true, out);
}
