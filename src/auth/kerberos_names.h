/* auth/kerberos_names.h - tokens of GSSAPI from outside, and what a principal of Kerberos is called here */
#pragma once
#include "base/slice.h"
#include "ipc/catalogue.h"

/* RFC 4121, section 4.1: what a token of Kerberos 5 says it is. */
enum { KERBEROS_REQUEST = 0x0100, KERBEROS_REPLY = 0x0200 };

/* The token has the frame of RFC 2743, section 3.1, with Kerberos 5 as its mechanism, no other, and is such a one. */
bool kerberos_token_is(struct slice token, unsigned kind);

/* The login name of a principal as libraries write it: `alice' of alice@REALM; with `full' alice@realm, in lower case. False: it is of another
 * realm, or no plain name: one with an instance (alice/admin), or with what they quote by a backslash. Realms are compared octet by octet. */
bool kerberos_login(struct slice principal, struct slice realm, bool full, char out[static NAME_MOST + 1]);
