/* auth/sasl_names.h - who a response says it is, before the mechanism is run: what is stored of the user is looked up first
 *
 * The reading is strict: what is taken for a name here and is none for the mechanism ends the exchange there. */
#pragma once
#include "base/slice.h"
#include "ipc/mechanisms.h"

enum { SASL_NAME_ROOM = 256 };

/* The name, in `out` (a C string too) without what the mechanism quotes it with; false: there is none, or it is too long. */
bool sasl_name_scram(struct slice response, char out[static SASL_NAME_ROOM],
		     size_t *n); /* RFC 5802, section 7: client-first-message */
bool sasl_name_cram(struct slice response, char out[static SASL_NAME_ROOM], size_t *n);   /* RFC 2195, section 2 */
bool sasl_name_digest(struct slice response, char out[static SASL_NAME_ROOM], size_t *n); /* RFC 2831, section 2.1.2 */

/* A saslname (RFC 5801, section 4) without its quoting. */
bool sasl_name_unquote(struct slice name, char out[static SASL_NAME_ROOM], size_t *n);

/* Another value of a response of DIGEST-MD5: `digest-uri', SERVICE/HOST. */
bool sasl_value_digest(struct slice response, struct slice key, char out[static SASL_NAME_ROOM], size_t *n);
