/* auth/sasl_exchange.h - one exchange of AUTH, as mechanisms see it */
#pragma once
#include "auth/login.h"
#include "auth/sasl.h"
#include "auth/search.h"
#include "base/secret.h"

struct Gsasl_session;

struct sasl_exchange {
	struct sasl_exchange *next; /* of the bucket */
	struct sasl *all;
	struct msg_login login; /* who asks, from where */
	enum mechanism mechanism;
	uint32_t traits; /* enum sasl_trait */
	unsigned turns;  /* responses so far */
	bool told;       /* front knows the name */
	bool last;       /* all is said but the client's empty answer */
	bool looks;      /* the chain is being asked for the secret */
	/* The login that is due as soon as front knows the name. */
	bool due;
	enum login_by by;
	struct secret password;
	char binding[BINDING_MOST];
	size_t binding_n;
	char certified[NAME_MOST];
	size_t certified_n;
	char name[NAME_MOST]; /* as the client has said */
	size_t name_n;
	/* of mechanisms with a token */
	struct sasl_question *asked; /* an answer to it is waited for, and nothing from front; NULL: none */
	struct why refused; /* why the token is not taken, while the client answers to that; empty: it is not known */
	/* of mechanisms that GNU SASL runs */
	struct Gsasl_session *session;
	bool answered;  /* GSSAPI: the client has our answer to its ticket, or what follows it */
	bool empty_due; /* it has nothing to say to that */
	/* of those with a stored secret */
	struct sasl_secret secret;
};

enum sasl_result {
	SASL_GOES_ON, /* out->challenge is to be answered */
	SASL_LOOKS, /* the chain is to be asked for the secret of e->name; then the mechanism goes on with the same response */
	SASL_PASSWORD, /* e->name and out->password are to be checked */
	SASL_TOKEN,    /* out->password is a token that somebody else is to be asked about */
	SASL_SHOWN,    /* it is e->name */
	SASL_REFUSED,  /* it is not, or the response makes no sense; out->reason */
	SASL_TROUBLE,  /* out->err, out->reason: nobody could tell */
};

struct sasl_out {
	char challenge[SASL_CHALLENGE_MOST];
	size_t challenge_n;
	struct slice password; /* of the response */
	const char *reason;    /* stays until the exchange has ended */
	enum err err;
	struct why why; /* a place for the reason */
};

/* True, and the name of the exchange is this one; false: it is too long, or empty, or has octets that no name has. */
bool sasl_name_set(struct sasl_exchange *e, struct slice name);

/* NULL: it has ended. */
struct sasl_exchange *sasl_exchange_find(struct sasl *s, uint64_t sid);

/* What came of an exchange that waited for somebody else (SASL_TOKEN, SASL_LOOKS). It may be gone afterwards. */
void sasl_resume(struct sasl_exchange *e, enum sasl_result result, struct sasl_out *out);

/* A challenge of this text. */
enum sasl_result sasl_ask(struct sasl_out *out, struct slice text);
enum sasl_result sasl_refuse(struct sasl_out *out, const char *reason);

/* What a mechanism makes of a response. `given` is false in the first turn of a client that came without one. */
typedef enum sasl_result sasl_mechanism(struct sasl_exchange *e, struct slice response, bool given,
					struct sasl_out *out);
sasl_mechanism sasl_plain, sasl_login, sasl_external, sasl_anonymous; /* sasl_plain.c */
sasl_mechanism sasl_gssapi;                                           /* sasl_gssapi.c */
sasl_mechanism sasl_gnu;                                              /* sasl_gnu.c: all others */

/* The library: begins; and makes a challenge of a response (SASL_GOES_ON), or comes to its end, as SASL_SHOWN or SASL_REFUSED, with *rc. */
enum sasl_result sasl_gnu_start(struct sasl_exchange *e, struct sasl_out *out);
enum sasl_result sasl_gnu_turn(struct sasl_exchange *e, struct slice response, bool given, struct sasl_out *out,
			       int *rc);

/* SASL_LOOKS: behind it, with the secret. */
enum sasl_result sasl_gnu_go_on(struct sasl_exchange *e, struct slice response, struct sasl_out *out);

/* Asks the chain (sasl_look.c), whatever becomes of the exchange meanwhile. The answer may come before it returns. False: no memory. */
bool sasl_look(const struct sasl_exchange *e, struct slice response);

enum err sasl_gnu_open(struct sasl *s, struct why *why);
void sasl_gnu_close(struct sasl *s);
void sasl_gnu_end(struct sasl_exchange *e);
