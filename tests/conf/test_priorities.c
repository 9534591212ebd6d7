/* tests/conf/test_priorities.c - ssl-priorities: what each string becomes, whether OpenSSL takes all of it, and what is refused */
#include "given.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static struct loaded load(const char *priorities)
{
	char text[512];

	(void)snprintf(text, sizeof text, "tls { ssl-priorities \"%s\"; }", priorities);
	return given_text(text);
}

#define CBC_SHA1(kx) ":" kx "AES256-SHA:" kx "AES128-SHA"
#define ALL_GROUPS "P-256:P-384:P-521:X25519:X448:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192"
#define SIGN_384_UP                                                                                                    \
	"rsa_pkcs1_sha384:rsa_pss_pss_sha384:rsa_pss_rsae_sha384:ecdsa_secp384r1_sha384:ed448:rsa_pkcs1_sha512:"       \
	"rsa_pss_pss_sha512:rsa_pss_rsae_sha512:ecdsa_secp521r1_sha512"
#define SIGN_ALL "rsa_pkcs1_sha256:rsa_pss_pss_sha256:rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256:ed25519:" SIGN_384_UP
#define SUITES_13 "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256"
#define SUITES_192 "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

enum { V12 = 1, V13 = 2, PRECEDENCE = 4, COMPAT = 8, NO_TICKETS = 16, CHACHA = 32 };

/* The suites are those that `gnutls-cli --list --priority STRING` of GnuTLS 3.7 shows. NULL: not looked at. */
static const struct {
	const char *text;
	unsigned what;
	const char *ciphers, *ciphersuites, *groups, *sigalgs;
} strings[] = {
	{"NORMAL", V12 | V13,
	 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-CCM:ECDHE-ECDSA-AES256-SHA:"
	 "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384:"
	 "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA:"
	 "AES256-GCM-SHA384:AES256-CCM:AES256-SHA:AES128-GCM-SHA256:AES128-CCM:AES128-SHA:DHE-RSA-AES256-GCM-SHA384:"
	 "DHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES256-CCM:DHE-RSA-AES256-SHA:DHE-RSA-AES128-GCM-SHA256:"
	 "DHE-RSA-AES128-CCM:DHE-RSA-AES128-SHA",
	 SUITES_13, ALL_GROUPS, SIGN_ALL},
	{"PFS:-DHE-RSA:-SHA1:-AES-256-CCM:-AES-128-CCM", V12 | V13,
	 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:"
	 "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256",
	 "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", ALL_GROUPS, SIGN_ALL},
	{"SECURE128:-KX-ALL:+RSA", V12 | V13,
	 "AES256-GCM-SHA384:AES256-SHA:AES256-CCM:AES128-GCM-SHA256:AES128-SHA:AES128-CCM", SUITES_13, ALL_GROUPS,
	 SIGN_ALL},
	{"SECURE192", V12 | V13,
	 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-CCM:"
	 "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:AES256-GCM-SHA384:AES256-CCM:"
	 "DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES256-CCM",
	 SUITES_192, "P-384:P-521:ffdhe8192", SIGN_384_UP},
	{"SECURE256", V12 | V13, NULL, SUITES_192, "P-384:P-521:ffdhe8192", SIGN_384_UP},
	{"SUITEB128", V12, "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256", NULL, "P-256:P-384",
	 "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384"},
	{"SUITEB192", V12, "ECDHE-ECDSA-AES256-GCM-SHA384", NULL, "P-384", "ecdsa_secp384r1_sha384"},
	{"PERFORMANCE:-CIPHER-ALL:+AES-128-GCM", V12 | V13,
	 "AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256",
	 "TLS_AES_128_GCM_SHA256", ALL_GROUPS, SIGN_ALL},

	/* versions */
	{"NORMAL:-VERS-TLS1.2", V13, NULL, SUITES_13, ALL_GROUPS, NULL},
	{"NORMAL:!VERS-TLS1.3", V12, NULL, NULL, NULL, NULL},
	{"NORMAL:-VERS-TLS-ALL:+VERS-TLS1.2", V12, NULL, NULL, NULL, NULL},
	{"NORMAL:-VERS-ALL:+VERS-TLS1.3:%SERVER_PRECEDENCE", V13 | PRECEDENCE, NULL, NULL, NULL, NULL},
	{"SECURE128:-VERS-SSL3.0:-VERS-TLS1.0:-VERS-TLS1.1:-ARCFOUR-128:-3DES-CBC:-MD5", V12 | V13, NULL, NULL, NULL,
	 NULL},

	/* a list of one's own; order is kept, nothing comes twice, letters of either case */
	{"NONE:+VERS-TLS1.2:+ECDHE-RSA:+AES-128-GCM:+AES-256-GCM:+AES-128-GCM:+AEAD:+COMP-NULL:+CTYPE-X509:+SIGN-ALL:"
	 "+CURVE-X25519:+CURVE-SECP256R1",
	 V12, "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384", NULL, "X25519:P-256", SIGN_ALL},
	{"none:+vers-all:+kx-all:-rsa:-dhe-rsa:+mac-all:+aes-128-cbc:+group-ec-all:+sign-ed25519", 0, NULL, NULL, NULL,
	 NULL}, /* see refused: sign-eddsa-ed25519 */
	{"none:+vers-all:+kx-all:-rsa:-dhe-rsa:+mac-all:+aes-128-cbc:+group-ec-all:+sign-eddsa-ed25519", V12,
	 "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES128-SHA256", NULL,
	 "P-256:P-384:P-521:X25519:X448", "ed25519"},
	{"SUITEB128:+SUITEB192:+VERS-TLS1.3", V12 | V13, NULL, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", NULL,
	 NULL},
	{"SECURE256:NORMAL", V12 | V13, NULL, SUITES_13, ALL_GROUPS, NULL},
	{"NORMAL:+CAMELLIA-256-CBC:-ECDHE-ECDSA:-ECDHE-RSA:-DHE-RSA:-AES-256-CBC:-AES-128-CBC:-AEAD:+SHA256", V12,
	 "CAMELLIA256-SHA:CAMELLIA256-SHA256", NULL, NULL, NULL},
	{"NORMAL:-SIGN-ECDSA-SHA256", V12 | V13, NULL, NULL, NULL, SIGN_ALL}, /* the curve's own is left */
	{"NORMAL:-GROUP-ALL:+GROUP-DH-ALL", V12 | V13, NULL, NULL, "ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192",
	 NULL},

	/* flags */
	{"NORMAL:%COMPAT", V12 | V13 | COMPAT, NULL, NULL, NULL, NULL},
	{"NORMAL:%NO_TICKETS:%compat:%SERVER_PRECEDENCE:%VERIFY_DISABLE_CRL_CHECKS:%PARTIAL_RENEGOTIATION",
	 V12 | V13 | COMPAT | NO_TICKETS | PRECEDENCE, NULL, NULL, NULL, NULL},
	{"NORMAL:%PRIORITIZE_CHACHA", V12 | V13 | CHACHA, NULL, NULL, NULL, NULL},
};

static bool is_same(const char *expected, const char *got)
{
	return !expected || strcmp(expected, got) == 0;
}

static void test_strings(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(strings); i++) {
		struct loaded l = load(strings[i].text);
		const struct conf_priorities *p = l.cf ? &l.cf->tls.priorities : NULL;

		check_row(i, strings[i].text, (l.status == 0) == (strings[i].what != 0));
		if (p) {
			unsigned what = (p->tls12 ? V12 : 0) | (p->tls13 ? V13 : 0) |
					(p->server_precedence ? PRECEDENCE : 0) | (p->compat ? COMPAT : 0) |
					(p->no_tickets ? NO_TICKETS : 0) | (p->prioritize_chacha ? CHACHA : 0);

			check_row(i, strings[i].text, what == strings[i].what);
			check_row(i, p->ciphers, is_same(strings[i].ciphers, p->ciphers));
			check_row(i, p->ciphersuites, is_same(strings[i].ciphersuites, p->ciphersuites));
			check_row(i, p->groups, is_same(strings[i].groups, p->groups));
			check_row(i, p->sigalgs, is_same(strings[i].sigalgs, p->sigalgs));
		}
		given_free(&l);
	}
}

static size_t place(const char *name, const char *list)
{
	const char *at = strstr(list, name);

	check(at);
	return (size_t)(at - list);
}

/* What nobody has written: all of NORMAL, in our order, and what has no forward secrecy last. */
static void test_default(void **state)
{
	struct loaded l = given_text("tls { }"), normal = load("NORMAL");
	const struct conf_priorities *p = &l.cf->tls.priorities;

	(void)state;
	check(p->tls12 && p->tls13 && p->server_precedence && p->prioritize_chacha && !p->no_tickets && !p->compat);
	check(strcmp(p->ciphersuites, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
				      "TLS_AES_128_CCM_SHA256") == 0);
	check(place("ECDHE-RSA-AES128-GCM-SHA256", p->ciphers) < place("ECDHE-RSA-AES256-GCM-SHA384", p->ciphers));
	check(place("DHE-RSA-AES128-SHA", p->ciphers) < place(":AES128-GCM-SHA256", p->ciphers));
	check(strlen(p->ciphers) == strlen(normal.cf->tls.priorities.ciphers));
	check(is_same(ALL_GROUPS, p->groups) && is_same(SIGN_ALL, p->sigalgs));
	given_free(&normal);
	given_free(&l);
}

static size_t names(const char *list)
{
	size_t n = *list != '\0';

	for (; *list; list++)
		n += *list == ':';
	return n;
}

/* Every name that can come out is one that OpenSSL knows and would use: it drops others silently. */
static void test_openssl_takes_all(void **state)
{
	static const char everything[] =
		"NONE:+VERS-ALL:+KX-ALL:+MAC-ALL:+CIPHER-ALL:+CAMELLIA-256-CBC:+CAMELLIA-128-CBC:"
		"+GROUP-ALL:+SIGN-ALL:+SIGN-RSA-SHA224:+SIGN-ECDSA-SHA224";
	struct loaded l = load(everything);
	const struct conf_priorities *p = &l.cf->tls.priorities;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	(void)state;
	check(l.status == 0 && ctx);
	check(SSL_CTX_set_ciphersuites(ctx, p->ciphersuites) == 1 && SSL_CTX_set_cipher_list(ctx, p->ciphers) == 1);
	check(SSL_CTX_set1_groups_list(ctx, p->groups) == 1 && SSL_CTX_set1_sigalgs_list(ctx, p->sigalgs) == 1);
	check(names(p->ciphers) == 45 && names(p->ciphersuites) == 4);
	check((size_t)sk_SSL_CIPHER_num(SSL_CTX_get_ciphers(ctx)) == names(p->ciphers) + names(p->ciphersuites));
	SSL_CTX_free(ctx);
	given_free(&l);
}

static const struct {
	const char *suite, *name;
} names_of_gnutls[] = {
	{"TLS_AES_256_GCM_SHA384", "AES-256-GCM-AEAD"},
	{"TLS_CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305-AEAD"},
	{"ECDHE-ECDSA-AES128-GCM-SHA256", "AES-128-GCM-AEAD"},
	{"ECDHE-RSA-AES128-SHA", "AES-128-CBC-SHA1"},
	{"NOT-A-SUITE", "NOT-A-SUITE"},
};

static void test_names_of_gnutls(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(names_of_gnutls); i++) {
		char text[64];
		struct buf b = BUF(text);

		conf_gnutls_name(&b, names_of_gnutls[i].suite);
		check_row(i, names_of_gnutls[i].suite, slice_eq(buf_slice(&b), slice_str(names_of_gnutls[i].name)));
	}
}

static const struct {
	const char *text, *said;
} refused[] = {
	{"", "`' is no priority"},
	{"NORMAL:", NULL}, /* nothing behind it */
	{"+VERS-TLS1.2", "leave no cipher"},
	{"VERS-TLS1.2", "`VERS-TLS1.2' is no priority"},
	{"LEGACY", "`LEGACY' is no priority that has an equal in OpenSSL"},
	{"SYSTEM", "`SYSTEM' is no priority"},
	{"@SYSTEM", "`@SYSTEM' is no priority"},
	{"NORMAl:-VERS-TLS1.4",
	 "`VERS-TLS1.4' is no priority that has an equal in OpenSSL; did you mean `VERS-TLS1.3'?"},
	{"NORMAL:+VERS-TLS1.1", "`+VERS-TLS1.1' has no equal in OpenSSL with TLS 1.2 and 1.3"},
	{"NORMAL:+VERS-SSL3.0", "`+VERS-SSL3.0' has no equal"},
	{"NORMAL:+ARCFOUR-128", "`+ARCFOUR-128' has no equal"},
	{"NORMAL:+3DES-CBC", "`+3DES-CBC' has no equal"},
	{"NORMAL:+ANON-DH", "`+ANON-DH' has no equal"},
	{"NORMAL:+ANON-ECDH:+PSK", "`+ANON-ECDH' has no equal"},
	{"NORMAL:+SRP", "`+SRP' has no equal"},
	{"NORMAL:+SIGN-RSA-SHA1", "`+SIGN-RSA-SHA1' has no equal"},
	{"NORMAL:+NULL", "`+NULL' has no equal"},
	{"NORMAL:+MD5", "`+MD5' has no equal"},
	{"NORMAL:+COMP-DEFLATE", "`+COMP-DEFLATE' has no equal"},
	{"NORMAL:-COMP-NULL", "`-COMP-NULL' cannot be taken away"},
	{"NORMAL:!CTYPE-X509", "`!CTYPE-X509' cannot be taken away"},
	{"NORMAL:%UNSAFE_RENEGOTIATION", "`%UNSAFE_RENEGOTIATION' is no priority"},
	{"NORMAL:%SAFE_RENEGOTIATION", "`%SAFE_RENEGOTIATION' is no priority"},
	{"NORMAL:%FORCE_ETM", "is no priority"},
	{"NORMAL:%PROFILE_HIGH", "is no priority"},
	{"NORMAL:%SERVER_PRECEDENC", "did you mean `%SERVER_PRECEDENCE'?"},
	{"NORMAL:AES-128-GCM", "`AES-128-GCM' is no priority"},
	{"NORMAL:-VERS-ALL", "leave no cipher of TLS 1.2 or 1.3"},
	{"NORMAL:-CIPHER-ALL", "leave no cipher"},
	{"NORMAL:-MAC-ALL", "leave no cipher"},
	{"NORMAL:-VERS-TLS1.3:-KX-ALL", "leave no cipher"},
	{"NORMAL:-GROUP-ALL", "leave no group (+GROUP-ALL)"},
	{"NORMAL:-SIGN-ALL", "leave no signature algorithm (+SIGN-ALL)"},
	{"NONE:+VERS-TLS1.3:+AES-128-GCM", "leave no cipher"}, /* +AEAD */
};

/* With file, line and column. */
static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(refused); i++) {
		struct loaded l = load(refused[i].text);

		check_row(i, refused[i].text, (l.status == 78) == (refused[i].said != NULL));
		check_row(i, l.said, !refused[i].said || strstr(l.said, refused[i].said));
		check_row(i, l.said, !refused[i].said || strstr(l.said, "pop3d: f.conf:1.7-"));
		given_free(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),           cmocka_unit_test(test_default),
		cmocka_unit_test(test_openssl_takes_all), cmocka_unit_test(test_names_of_gnutls),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, given_begin, given_end);
}
