/* fuzz/fuzz_sasl.c - what strangers say within AUTH, and what stands in a file of secrets, or of keys
 *
 * base64 has one form for each value; a name is what the response holds, no longer than there is room, and no NUL; a verifier that is
 * taken has all its parts. */
#include <stdlib.h>
#include <string.h>

#include "auth/kerberos_names.h"
#include "auth/keytab.h"
#include "auth/sasl_names.h"
#include "auth/sasl_secret.h"
#include "auth/sasl_token.h"
#include "base/base64.h"
#include "fuzz.h"

static void check_base64(struct slice text)
{
	char *out = malloc(text.n + 1), *again = malloc(BASE64_ENCODED(text.n) + 1);
	struct buf b = {.p = again, .cap = BASE64_ENCODED(text.n) + 1};
	size_t n;

	must(out && again);
	if (base64_decode(text, out, &n)) {
		base64_encode(&b, (struct slice){out, n});
		must(slice_eq(buf_slice(&b), text));
	}
	buf_rewind(&b, 0);
	base64_encode(&b, text);
	must(!b.full && b.len == BASE64_ENCODED(text.n));
	free(out);
	free(again);
}

static void check_names(struct slice text)
{
	static bool (*const readers[])(struct slice, char[static SASL_NAME_ROOM],
				       size_t *) = {sasl_name_scram, sasl_name_cram, sasl_name_digest};

	for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
		char name[SASL_NAME_ROOM];
		size_t n;

		if (readers[i](text, name, &n))
			must(n > 0 && n < SASL_NAME_ROOM && n <= text.n && strlen(name) == n);
	}
}

static void check_token(struct slice text)
{
	static bool (*const readers[])(struct slice, struct sasl_token *) = {sasl_token_oauthbearer,
									     sasl_token_xoauth2};
	struct sasl_token t;

	for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
		if (readers[i](text, &t)) {
			must(t.token.n > 0 && t.token.n <= TOKEN_MOST && t.token.p > text.p);
			must(t.token.p + t.token.n < text.p + text.n && !memchr(t.token.p, '\1', t.token.n));
			must(t.name_n < SASL_NAME_ROOM && strlen(t.name) == t.name_n && (i == 0 || t.name_n > 0));
		}
}

static void check_secret(struct slice text, enum mechanism m)
{
	struct sasl_secret s = {0};

	if (!sasl_secret_read(text, m, &s))
		return;
	bool sha256;

	must((s.password[0] != '\0') != (s.scram.iterations > 0));
	if (!s.password[0])
		must(mechanism_is_scram(m, &sha256) && s.scram.sha256 == sha256 && s.scram.salt_n > 0 &&
		     s.scram.key_n > 0);
}

static void check_kerberos(struct slice text)
{
	struct keytab_wanted wanted = {"pop", "host", NULL};
	char name[NAME_MOST + 1];
	bool is_keytab;

	if (kerberos_token_is(text, KERBEROS_REQUEST))
		must(text.n > 14 && !kerberos_token_is(text, KERBEROS_REPLY));
	if (kerberos_login(text, SLICE("R"), false, name))
		must(text.n == strlen(name) + 2 && !strpbrk(name, "@/\\"));
	if (keytab_find(text, &wanted, name, &is_keytab))
		must(is_keytab && strlen(name) + 30 < text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = {(const char *)data, n};

	check_base64(text);
	check_names(text);
	check_token(text);
	check_kerberos(text);
	for (enum mechanism m = 0; m < MECHANISM_COUNT; m++)
		check_secret(text, m);
	return 0;
}
