/* auth/sasl_oauth.h - OAUTHBEARER and XOAUTH2: a token, about which a module is asked in a process of its own (backend/oauth)
 *
 * Whose it is, is what the module says; the client's name must be the same. Whose maildrop that is, is then said by the chain, as with
 * any other login. */
#pragma once
#include "auth/sasl_exchange.h"

sasl_mechanism sasl_oauth;

/* Asks about the token of an exchange that waits for nothing else; it goes on with sasl_resume, or ends. */
void sasl_oauth_ask(struct sasl_exchange *e, struct slice token);
