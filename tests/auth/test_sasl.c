/* tests/auth/test_sasl.c - names in responses, stored secrets, keys of SCRAM */
#include <stdlib.h>
#include <string.h>

#include "auth/sasl_names.h"
#include "auth/sasl_secret.h"
#include "base/base64.h"
#include "check.h"

typedef bool reader(struct slice, char[static SASL_NAME_ROOM], size_t *);

static const struct {
	reader *read;
	struct slice response;
	const char *name; /* NULL: there is none */
} names[] = {
	{sasl_name_scram, TEXT("n,,n=user,r=fyko"), "user"},
	{sasl_name_scram, TEXT("y,,n=user,r=fyko"), "user"},
	{sasl_name_scram, TEXT("p=tls-unique,,n=user,r=fyko"), "user"},
	{sasl_name_scram, TEXT("n,a=other,n=user,r=fyko"), "user"},
	{sasl_name_scram, TEXT("n,,n=a=2Cb=3Dc@d,r=x"), "a,b=c@d"},
	{sasl_name_scram, TEXT("n,,n=a=2cb,r=x"), NULL},
	{sasl_name_scram, TEXT("n,,n=a=b,r=x"), NULL},
	{sasl_name_scram, TEXT("n,,n=,r=x"), NULL},
	{sasl_name_scram, TEXT("n,,r=x,n=user"), NULL},
	{sasl_name_scram, TEXT("n,,m=ext,n=user,r=x"), NULL}, /* RFC 5802, section 5.1: not to be ignored */
	{sasl_name_scram, TEXT("n,b=c,n=user,r=x"), NULL},
	{sasl_name_scram, TEXT("x,,n=user,r=x"), NULL},
	{sasl_name_scram, TEXT(",,n=user,r=x"), NULL},
	{sasl_name_scram, TEXT("n,,n=us\0er,r=x"), NULL},
	{sasl_name_scram, TEXT(""), NULL},
	{sasl_name_cram, TEXT("tim b913a602c7eda7a495b4e6e7334d3890"), "tim"},
	{sasl_name_cram, TEXT("tim b b913a602"), "tim b"},
	{sasl_name_cram, TEXT("tim"), NULL},
	{sasl_name_cram, TEXT(" b913a602"), NULL},
	{sasl_name_cram, TEXT(""), NULL},
	{sasl_name_digest, TEXT("username=\"chris\",realm=\"a,b\""), "chris"},
	{sasl_name_digest, TEXT("realm=\"x, username=\\\"no\\\"\", Username = \"a\\\\b\\\"c\""), "a\\b\"c"},
	{sasl_name_digest, TEXT("realm=\"x,username=\\\"no\\\"\" , Username=\"a\\\\b\\\"c\""), "a\\b\"c"},
	{sasl_name_digest, TEXT("username=chris,realm=x"), "chris"},
	{sasl_name_digest, TEXT("username=\"a\",username=\"b\""), NULL},
	{sasl_name_digest, TEXT("username=\"a"), NULL},
	{sasl_name_digest, TEXT("username=\"\""), NULL},
	{sasl_name_digest, TEXT("realm=\"a\""), NULL},
	{sasl_name_digest, TEXT("username"), NULL},
	{sasl_name_digest, TEXT(""), NULL},
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(names); i++) {
		char name[SASL_NAME_ROOM];
		size_t n = 0;
		bool read = names[i].read(names[i].response, name, &n);

		check_row(i, names[i].response.p, read == (names[i].name != NULL));
		check_row(i, names[i].response.p, !read || strcmp(name, names[i].name) == 0);
	}
}

/* As long as a name may be, and one octet more. */
static void test_long_names(void **state)
{
	char text[400] = "n,,n=", name[SASL_NAME_ROOM];
	size_t n;

	(void)state;
	memset(text + 5, 'a', 300);
	check(sasl_name_scram((struct slice){text, 5 + 255}, name, &n) && n == 255);
	check(!sasl_name_scram((struct slice){text, 5 + 256}, name, &n));
}

#define STORED "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
#define SERVER "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="

static const struct {
	enum mechanism m;
	const char *text;
	enum { NOTHING, PASSWORD, VERIFIER } is;
} secrets[] = {
	{MECHANISM_CRAM_MD5, "a password", PASSWORD},
	{MECHANISM_SCRAM_SHA_1, "a password", PASSWORD},
	{MECHANISM_SCRAM_SHA_256, "", NOTHING},
	{MECHANISM_SCRAM_SHA_256, "{PLAIN}x", PASSWORD}, /* a password like any other */
	{MECHANISM_SCRAM_SHA_256, "{SCRAM-SHA-256}4096," SALT "," STORED "," SERVER, VERIFIER},
	{MECHANISM_SCRAM_SHA_256_PLUS, "{SCRAM-SHA-256}4096," SALT "," STORED "," SERVER, VERIFIER},
	{MECHANISM_SCRAM_SHA_256, "{SCRAM-SHA-256}4096:" SALT "$" STORED ":" SERVER, VERIFIER},
	{MECHANISM_SCRAM_SHA_256, "SCRAM-SHA-256$4096:" SALT "$" STORED ":" SERVER, VERIFIER},
	{MECHANISM_SCRAM_SHA_1, "{SCRAM-SHA-256}4096," SALT "," STORED "," SERVER, NOTHING},
	{MECHANISM_CRAM_MD5, "{SCRAM-SHA-256}4096," SALT "," STORED "," SERVER, NOTHING},
	{MECHANISM_CRAM_MD5, "SCRAM-SHA-256$4096:" SALT "$" STORED ":" SERVER, NOTHING},
	{MECHANISM_SCRAM_SHA_256, "SCRAM-SHA-2564096:" SALT "$" STORED ":" SERVER, NOTHING},
	{MECHANISM_SCRAM_SHA_256, "{SCRAM-SHA-256}0," SALT "," STORED "," SERVER, NOTHING},
	{MECHANISM_SCRAM_SHA_256, "{SCRAM-SHA-256}99999999," SALT "," STORED "," SERVER, NOTHING},
	{MECHANISM_SCRAM_SHA_256, "{SCRAM-SHA-256}4096," SALT "," STORED, NOTHING},
	{MECHANISM_SCRAM_SHA_256, "{SCRAM-SHA-256}4096,," STORED "," SERVER, NOTHING},
	{MECHANISM_SCRAM_SHA_256, "{SCRAM-SHA-256}4096," SALT ",AAAA," SERVER, NOTHING}, /* no key of SHA-256 */
	{MECHANISM_SCRAM_SHA_1, "{SCRAM-SHA-1}4096," SALT "," STORED "," SERVER, NOTHING},
};

static bool same(const unsigned char *octets, size_t n, const char *text)
{
	unsigned char given[64];

	return n > 0 && base64_take(slice_str(text), given, sizeof given) == n && memcmp(octets, given, n) == 0;
}

static void test_secrets(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(secrets); i++) {
		struct sasl_secret s = {0};
		bool read = sasl_secret_read(slice_str(secrets[i].text), secrets[i].m, &s);

		check_row(i, secrets[i].text, read == (secrets[i].is != NOTHING));
		if (secrets[i].is == PASSWORD)
			check_row(i, secrets[i].text, strcmp(s.password, secrets[i].text) == 0);
		else if (secrets[i].is == VERIFIER)
			check_row(i, secrets[i].text,
				  !s.password[0] && same(s.scram.stored, s.scram.key_n, STORED) &&
					  same(s.scram.server, s.scram.key_n, SERVER) &&
					  same(s.scram.salt, s.scram.salt_n, SALT));
	}
}

/* The examples of RFC 5802, section 5, and RFC 7677, section 3, whose proofs these keys make. */
static void test_derive(void **state)
{
	struct scram_verifier sha1 = {.iterations = 4096}, sha256 = {.sha256 = true, .iterations = 4096};

	(void)state;
	sha1.salt_n = base64_take(SLICE("QSXCR+Q6sek8bf92"), sha1.salt, sizeof sha1.salt);
	sha256.salt_n = base64_take(SLICE(SALT), sha256.salt, sizeof sha256.salt);
	check(scram_derive(SLICE("pencil"), &sha1));
	check(same(sha1.stored, sha1.key_n, "6dlGYMOdZcOPutkcNY8U2g7vK9Y="));
	check(same(sha1.server, sha1.key_n, "D+CSWLOshSulAsxiupA+qs2/fTE="));
	check(scram_derive(SLICE("pencil"), &sha256));
	check(same(sha256.stored, sha256.key_n, STORED) && same(sha256.server, sha256.key_n, SERVER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_long_names),
					   cmocka_unit_test(test_secrets), cmocka_unit_test(test_derive)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
