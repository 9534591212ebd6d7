/* conf/priorities.c - ssl-priorities: what GnuTLS calls it, and what OpenSSL does (kinds.h)
 *
 *	STRING = KEYWORD { ":" KEYWORD | ":" ("+" | "-" | "!") WORD | ":" FLAG }
 *
 * A keyword (NORMAL, ...) begins anew with its own words, in the order that GnuTLS 3.7 lists them in; `+' puts words at the
 * end, `-' and `!' take them away. A word that OpenSSL has nothing for may be taken away and not asked for; what NORMAL and
 * others have of these in GnuTLS (TLS 1.0 and 1.1, SHA-1 signatures) is left out. So a string never gives less security
 * here than there. */
#include <string.h>

#include "conf/kinds.h"

/* What a word chooses from. */
enum list { VERSION, CIPHER, KX, MAC, GROUP, SIGN, FIXED, LISTS };

struct word_row {
	const char *name;
	enum list list;
	const char *
		openssl; /* CIPHER: of TLS 1.3, perhaps none (""); NULL: OpenSSL has no such thing, or not in TLS 1.2 and 1.3 */
};

static const struct word_row words[] = {
	{"VERS-TLS1.3", VERSION, "TLSv1.3"},
	{"VERS-TLS1.2", VERSION, "TLSv1.2"},
	{"VERS-TLS1.1", VERSION, NULL},
	{"VERS-TLS1.0", VERSION, NULL},
	{"VERS-SSL3.0", VERSION, NULL},
	{"VERS-DTLS1.2", VERSION, NULL},
	{"VERS-DTLS1.0", VERSION, NULL},
	{"VERS-DTLS0.9", VERSION, NULL},
	{"VERS-DTLS-ALL", VERSION, NULL},

	{"AES-256-GCM", CIPHER, "TLS_AES_256_GCM_SHA384"},
	{"CHACHA20-POLY1305", CIPHER, "TLS_CHACHA20_POLY1305_SHA256"},
	{"AES-128-GCM", CIPHER, "TLS_AES_128_GCM_SHA256"},
	{"AES-128-CCM", CIPHER, "TLS_AES_128_CCM_SHA256"},
	{"AES-256-CCM", CIPHER, ""},
	{"AES-256-CBC", CIPHER, ""},
	{"AES-128-CBC", CIPHER, ""},
	{"CAMELLIA-256-CBC", CIPHER, ""},
	{"CAMELLIA-128-CBC", CIPHER, ""},
	{"AES-128-CCM-8", CIPHER, NULL},
	{"AES-256-CCM-8", CIPHER, NULL},
	{"AES-192-CBC", CIPHER, NULL},
	{"CAMELLIA-128-GCM", CIPHER, NULL},
	{"CAMELLIA-192-CBC", CIPHER, NULL},
	{"CAMELLIA-256-GCM", CIPHER, NULL},
	{"3DES-CBC", CIPHER, NULL},
	{"DES-CBC", CIPHER, NULL},
	{"RC2-40", CIPHER, NULL},
	{"ARCFOUR-128", CIPHER, NULL},
	{"ARCFOUR-40", CIPHER, NULL},
	{"SALSA20-256", CIPHER, NULL},
	{"ESTREAM-SALSA20-256", CIPHER, NULL},
	{"NULL", CIPHER, NULL},

	{"ECDHE-ECDSA", KX, ""},
	{"ECDHE-RSA", KX, ""},
	{"DHE-RSA", KX, ""},
	{"RSA", KX, ""},
	{"DHE-DSS", KX, NULL},
	{"PSK", KX, NULL},
	{"RSA-PSK", KX, NULL},
	{"DHE-PSK", KX, NULL},
	{"ECDHE-PSK", KX, NULL},
	{"SRP", KX, NULL},
	{"SRP-RSA", KX, NULL},
	{"SRP-DSS", KX, NULL},
	{"ANON-DH", KX, NULL},
	{"ANON-ECDH", KX, NULL},
	{"RSA-EXPORT", KX, NULL},

	{"AEAD", MAC, ""},
	{"SHA1", MAC, ""},
	{"SHA256", MAC, ""},
	{"SHA384", MAC, ""},
	{"SHA512", MAC, NULL},
	{"MD5", MAC, NULL},
	{"UMAC-96", MAC, NULL},
	{"UMAC-128", MAC, NULL},

	{"GROUP-SECP256R1", GROUP, "P-256"},
	{"GROUP-SECP384R1", GROUP, "P-384"},
	{"GROUP-SECP521R1", GROUP, "P-521"},
	{"GROUP-X25519", GROUP, "X25519"},
	{"GROUP-X448", GROUP, "X448"},
	{"GROUP-FFDHE2048", GROUP, "ffdhe2048"},
	{"GROUP-FFDHE3072", GROUP, "ffdhe3072"},
	{"GROUP-FFDHE4096", GROUP, "ffdhe4096"},
	{"GROUP-FFDHE6144", GROUP, "ffdhe6144"},
	{"GROUP-FFDHE8192", GROUP, "ffdhe8192"},
	{"GROUP-SECP224R1", GROUP, NULL},
	{"GROUP-SECP192R1", GROUP, NULL},

	{"SIGN-RSA-SHA256", SIGN, "rsa_pkcs1_sha256"},
	{"SIGN-RSA-PSS-SHA256", SIGN, "rsa_pss_pss_sha256"},
	{"SIGN-RSA-PSS-RSAE-SHA256", SIGN, "rsa_pss_rsae_sha256"},
	{"SIGN-ECDSA-SHA256", SIGN, "ecdsa_secp256r1_sha256"},
	{"SIGN-ECDSA-SECP256R1-SHA256", SIGN, "ecdsa_secp256r1_sha256"},
	{"SIGN-EdDSA-Ed25519", SIGN, "ed25519"},
	{"SIGN-RSA-SHA384", SIGN, "rsa_pkcs1_sha384"},
	{"SIGN-RSA-PSS-SHA384", SIGN, "rsa_pss_pss_sha384"},
	{"SIGN-RSA-PSS-RSAE-SHA384", SIGN, "rsa_pss_rsae_sha384"},
	{"SIGN-ECDSA-SHA384", SIGN, "ecdsa_secp384r1_sha384"},
	{"SIGN-ECDSA-SECP384R1-SHA384", SIGN, "ecdsa_secp384r1_sha384"},
	{"SIGN-EdDSA-Ed448", SIGN, "ed448"},
	{"SIGN-RSA-SHA512", SIGN, "rsa_pkcs1_sha512"},
	{"SIGN-RSA-PSS-SHA512", SIGN, "rsa_pss_pss_sha512"},
	{"SIGN-RSA-PSS-RSAE-SHA512", SIGN, "rsa_pss_rsae_sha512"},
	{"SIGN-ECDSA-SHA512", SIGN, "ecdsa_secp521r1_sha512"},
	{"SIGN-ECDSA-SECP521R1-SHA512", SIGN, "ecdsa_secp521r1_sha512"},
	{"SIGN-RSA-SHA224", SIGN, "rsa_pkcs1_sha224"},
	{"SIGN-ECDSA-SHA224", SIGN, "ECDSA+SHA224"},
	{"SIGN-RSA-SHA1", SIGN, NULL},
	{"SIGN-ECDSA-SHA1", SIGN, NULL},
	{"SIGN-RSA-MD5", SIGN, NULL},
	{"SIGN-DSA-SHA1", SIGN, NULL},
	{"SIGN-DSA-SHA224", SIGN, NULL},
	{"SIGN-DSA-SHA256", SIGN, NULL},
	{"SIGN-DSA-SHA384", SIGN, NULL},
	{"SIGN-DSA-SHA512", SIGN, NULL},

	/* There is nothing to choose: always so. */
	{"COMP-NULL", FIXED, ""},
	{"COMP-ALL", FIXED, ""},
	{"CTYPE-X509", FIXED, ""},
	{"CTYPE-X.509", FIXED, ""},
	{"CTYPE-SRV-X509", FIXED, ""},
	{"CTYPE-CLI-X509", FIXED, ""},
	{"CTYPE-ALL", FIXED, ""},
	{"COMP-DEFLATE", FIXED, NULL},
	{"CTYPE-OPENPGP", FIXED, NULL},
};

#define ALL_GROUPS_EC " GROUP-SECP256R1 GROUP-SECP384R1 GROUP-SECP521R1 GROUP-X25519 GROUP-X448"
#define ALL_GROUPS_DH " GROUP-FFDHE2048 GROUP-FFDHE3072 GROUP-FFDHE4096 GROUP-FFDHE6144 GROUP-FFDHE8192"
#define SIGN_384_UP                                                                                                    \
	" SIGN-RSA-SHA384 SIGN-RSA-PSS-SHA384 SIGN-RSA-PSS-RSAE-SHA384 SIGN-ECDSA-SHA384"                              \
	" SIGN-ECDSA-SECP384R1-SHA384 SIGN-EdDSA-Ed448 SIGN-RSA-SHA512 SIGN-RSA-PSS-SHA512"                            \
	" SIGN-RSA-PSS-RSAE-SHA512 SIGN-ECDSA-SHA512 SIGN-ECDSA-SECP521R1-SHA512"
#define SIGN_256_UP                                                                                                    \
	" SIGN-RSA-SHA256 SIGN-RSA-PSS-SHA256 SIGN-RSA-PSS-RSAE-SHA256 SIGN-ECDSA-SHA256"                              \
	" SIGN-ECDSA-SECP256R1-SHA256 SIGN-EdDSA-Ed25519" SIGN_384_UP
#define VERSIONS "VERS-TLS1.3 VERS-TLS1.2"
#define COMMON " SHA1 AEAD" ALL_GROUPS_EC ALL_GROUPS_DH SIGN_256_UP
#define CIPHERS_256 " AES-256-GCM CHACHA20-POLY1305 AES-256-CBC AES-256-CCM"
#define LEVEL_192                                                                                                      \
	VERSIONS CIPHERS_256 " AEAD ECDHE-ECDSA ECDHE-RSA RSA DHE-RSA GROUP-SECP384R1 GROUP-SECP521R1 "                \
			     "GROUP-FFDHE8192" SIGN_384_UP
#define CIPHERS_NORMAL " AES-256-GCM CHACHA20-POLY1305 AES-256-CCM AES-256-CBC AES-128-GCM AES-128-CCM AES-128-CBC"

/* Names for several words. */
static const struct several {
	const char *name;
	bool is_keyword;   /* may stand alone */
	const char *words; /* in order */
} several[] = {
	{"NORMAL", true, VERSIONS CIPHERS_NORMAL " ECDHE-ECDSA ECDHE-RSA RSA DHE-RSA" COMMON},
	{"PFS", true, VERSIONS CIPHERS_NORMAL " ECDHE-ECDSA ECDHE-RSA DHE-RSA" COMMON},
	{"SECURE128", true,
	 VERSIONS CIPHERS_256 " AES-128-GCM AES-128-CBC AES-128-CCM ECDHE-ECDSA ECDHE-RSA RSA DHE-RSA" COMMON},
	{"SECURE192", true, LEVEL_192},
	{"SECURE256", true, LEVEL_192}, /* a key of 256 bits is all that it promises */
	{"SUITEB128", true,
	 "VERS-TLS1.2 AES-256-GCM AES-128-GCM AEAD ECDHE-ECDSA GROUP-SECP256R1 GROUP-SECP384R1 SIGN-ECDSA-SHA256 "
	 "SIGN-ECDSA-SECP256R1-SHA256 SIGN-ECDSA-SHA384 SIGN-ECDSA-SECP384R1-SHA384"},
	{"SUITEB192", true,
	 "VERS-TLS1.2 AES-256-GCM AEAD ECDHE-ECDSA GROUP-SECP384R1 SIGN-ECDSA-SHA384 SIGN-ECDSA-SECP384R1-SHA384"},
	{"PERFORMANCE", true,
	 VERSIONS " AES-128-GCM AES-256-GCM CHACHA20-POLY1305 AES-128-CCM AES-256-CCM AES-128-CBC AES-256-CBC"
		  " RSA ECDHE-ECDSA ECDHE-RSA DHE-RSA" COMMON},
	{"NONE", true, ""},
	{"VERS-ALL", false, VERSIONS},
	{"VERS-TLS-ALL", false, VERSIONS},
	{"CIPHER-ALL", false, CIPHERS_NORMAL},
	{"KX-ALL", false, "ECDHE-ECDSA ECDHE-RSA RSA DHE-RSA"},
	{"MAC-ALL", false, "SHA1 SHA256 SHA384 AEAD"},
	{"GROUP-ALL", false, ALL_GROUPS_EC ALL_GROUPS_DH},
	{"GROUP-EC-ALL", false, ALL_GROUPS_EC},
	{"GROUP-DH-ALL", false, ALL_GROUPS_DH},
	{"CURVE-ALL", false, ALL_GROUPS_EC},
	/* of before there were groups */
	{"CURVE-SECP256R1", false, "GROUP-SECP256R1"},
	{"CURVE-SECP384R1", false, "GROUP-SECP384R1"},
	{"CURVE-SECP521R1", false, "GROUP-SECP521R1"},
	{"CURVE-X25519", false, "GROUP-X25519"},
	{"CURVE-X448", false, "GROUP-X448"},
	{"SIGN-ALL", false, SIGN_256_UP},
};

/* What TLS 1.2 makes of the words. */
static const struct suite {
	const char *kx, *cipher, *mac, *openssl;
} suites[] = {
	{"ECDHE-ECDSA", "AES-256-GCM", "AEAD", "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{"ECDHE-ECDSA", "CHACHA20-POLY1305", "AEAD", "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{"ECDHE-ECDSA", "AES-128-GCM", "AEAD", "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{"ECDHE-ECDSA", "AES-256-CCM", "AEAD", "ECDHE-ECDSA-AES256-CCM"},
	{"ECDHE-ECDSA", "AES-128-CCM", "AEAD", "ECDHE-ECDSA-AES128-CCM"},
	{"ECDHE-ECDSA", "AES-256-CBC", "SHA384", "ECDHE-ECDSA-AES256-SHA384"},
	{"ECDHE-ECDSA", "AES-256-CBC", "SHA1", "ECDHE-ECDSA-AES256-SHA"},
	{"ECDHE-ECDSA", "AES-128-CBC", "SHA256", "ECDHE-ECDSA-AES128-SHA256"},
	{"ECDHE-ECDSA", "AES-128-CBC", "SHA1", "ECDHE-ECDSA-AES128-SHA"},
	{"ECDHE-ECDSA", "CAMELLIA-256-CBC", "SHA384", "ECDHE-ECDSA-CAMELLIA256-SHA384"},
	{"ECDHE-ECDSA", "CAMELLIA-128-CBC", "SHA256", "ECDHE-ECDSA-CAMELLIA128-SHA256"},
	{"ECDHE-RSA", "AES-256-GCM", "AEAD", "ECDHE-RSA-AES256-GCM-SHA384"},
	{"ECDHE-RSA", "CHACHA20-POLY1305", "AEAD", "ECDHE-RSA-CHACHA20-POLY1305"},
	{"ECDHE-RSA", "AES-128-GCM", "AEAD", "ECDHE-RSA-AES128-GCM-SHA256"},
	{"ECDHE-RSA", "AES-256-CBC", "SHA384", "ECDHE-RSA-AES256-SHA384"},
	{"ECDHE-RSA", "AES-256-CBC", "SHA1", "ECDHE-RSA-AES256-SHA"},
	{"ECDHE-RSA", "AES-128-CBC", "SHA256", "ECDHE-RSA-AES128-SHA256"},
	{"ECDHE-RSA", "AES-128-CBC", "SHA1", "ECDHE-RSA-AES128-SHA"},
	{"ECDHE-RSA", "CAMELLIA-256-CBC", "SHA384", "ECDHE-RSA-CAMELLIA256-SHA384"},
	{"ECDHE-RSA", "CAMELLIA-128-CBC", "SHA256", "ECDHE-RSA-CAMELLIA128-SHA256"},
	{"RSA", "AES-256-GCM", "AEAD", "AES256-GCM-SHA384"},
	{"RSA", "AES-128-GCM", "AEAD", "AES128-GCM-SHA256"},
	{"RSA", "AES-256-CCM", "AEAD", "AES256-CCM"},
	{"RSA", "AES-128-CCM", "AEAD", "AES128-CCM"},
	{"RSA", "AES-256-CBC", "SHA256", "AES256-SHA256"},
	{"RSA", "AES-256-CBC", "SHA1", "AES256-SHA"},
	{"RSA", "AES-128-CBC", "SHA256", "AES128-SHA256"},
	{"RSA", "AES-128-CBC", "SHA1", "AES128-SHA"},
	{"RSA", "CAMELLIA-256-CBC", "SHA256", "CAMELLIA256-SHA256"},
	{"RSA", "CAMELLIA-256-CBC", "SHA1", "CAMELLIA256-SHA"},
	{"RSA", "CAMELLIA-128-CBC", "SHA256", "CAMELLIA128-SHA256"},
	{"RSA", "CAMELLIA-128-CBC", "SHA1", "CAMELLIA128-SHA"},
	{"DHE-RSA", "AES-256-GCM", "AEAD", "DHE-RSA-AES256-GCM-SHA384"},
	{"DHE-RSA", "CHACHA20-POLY1305", "AEAD", "DHE-RSA-CHACHA20-POLY1305"},
	{"DHE-RSA", "AES-128-GCM", "AEAD", "DHE-RSA-AES128-GCM-SHA256"},
	{"DHE-RSA", "AES-256-CCM", "AEAD", "DHE-RSA-AES256-CCM"},
	{"DHE-RSA", "AES-128-CCM", "AEAD", "DHE-RSA-AES128-CCM"},
	{"DHE-RSA", "AES-256-CBC", "SHA256", "DHE-RSA-AES256-SHA256"},
	{"DHE-RSA", "AES-256-CBC", "SHA1", "DHE-RSA-AES256-SHA"},
	{"DHE-RSA", "AES-128-CBC", "SHA256", "DHE-RSA-AES128-SHA256"},
	{"DHE-RSA", "AES-128-CBC", "SHA1", "DHE-RSA-AES128-SHA"},
	{"DHE-RSA", "CAMELLIA-256-CBC", "SHA256", "DHE-RSA-CAMELLIA256-SHA256"},
	{"DHE-RSA", "CAMELLIA-256-CBC", "SHA1", "DHE-RSA-CAMELLIA256-SHA"},
	{"DHE-RSA", "CAMELLIA-128-CBC", "SHA256", "DHE-RSA-CAMELLIA128-SHA256"},
	{"DHE-RSA", "CAMELLIA-128-CBC", "SHA1", "DHE-RSA-CAMELLIA128-SHA"},
};

/* Flags, with what they set. Those that set nothing are about what a server does not do here: it looks at no client's
 * certificate, sends no client hello, and neither renegotiates nor compresses. */
#define NOTHING SIZE_MAX
static const struct flag {
	const char *name;
	size_t at; /* of the bool, in struct conf_priorities */
} flags[] = {
	{"%SERVER_PRECEDENCE", offsetof(struct conf_priorities, server_precedence)},
	{"%COMPAT", offsetof(struct conf_priorities, compat)},
	{"%NO_TICKETS", offsetof(struct conf_priorities, no_tickets)},
	{"%PARTIAL_RENEGOTIATION", NOTHING},
	{"%STATELESS_COMPRESSION", NOTHING},
	{"%SSL3_RECORD_VERSION", NOTHING},
	{"%LATEST_RECORD_VERSION", NOTHING},
	{"%FALLBACK_SCSV", NOTHING},
	{"%DISABLE_WILDCARDS", NOTHING},
	{"%VERIFY_ALLOW_SIGN_RSA_MD5", NOTHING},
	{"%VERIFY_ALLOW_SIGN_WITH_SHA1", NOTHING},
	{"%VERIFY_ALLOW_BROKEN", NOTHING},
	{"%VERIFY_ALLOW_X509_V1_CA_CRT", NOTHING},
	{"%VERIFY_DISABLE_CRL_CHECKS", NOTHING},
};

#define ROWS(table) (sizeof(table) / sizeof *(table))

/* The words that are chosen, in order; each list ends with NULL, and has room for all words: none is in it twice. */
struct choice {
	const struct word_row *of[LISTS][ROWS(words) + 1];
};

static bool is_chosen(const struct choice *c, enum list list, const char *name)
{
	for (const struct word_row *const *w = c->of[list]; *w; w++)
		if (strcmp((*w)->name, name) == 0)
			return true;
	return false;
}

static void put(struct choice *c, const struct word_row *w)
{
	const struct word_row **at = c->of[w->list];

	while (*at && *at != w)
		at++;
	*at = w;
}

static void take_away(struct choice *c, const struct word_row *w)
{
	const struct word_row **at = c->of[w->list];

	while (*at && *at != w)
		at++;
	for (; *at; at++)
		at[0] = at[1];
}

static const struct word_row *word_row_find(struct slice name)
{
	for (const struct word_row *w = words; w < words + ROWS(words); w++)
		if (slice_eq_nocase(slice_str(w->name), name))
			return w;
	return NULL;
}

static const struct several *several_find(struct slice name)
{
	for (const struct several *m = several; m < several + ROWS(several); m++)
		if (slice_eq_nocase(slice_str(m->name), name))
			return m;
	return NULL;
}

static void change_several(struct choice *c, const struct several *m,
			   void (*change)(struct choice *, const struct word_row *))
{
	struct slice text = slice_str(m->words);

	for (struct slice word = word_take(&text); word.n > 0; word = word_take(&text)) {
		const struct word_row *w = word_row_find(word);

		if (w)
			change(c, w);
	}
}

static enum err unknown(const char *given, struct why *why)
{
	struct nearest near = nearest_new(given);

	for (const struct word_row *w = words; w < words + ROWS(words); w++)
		nearest_try(&near, w->name);
	for (const struct several *m = several; m < several + ROWS(several); m++)
		nearest_try(&near, m->name);
	for (const struct flag *f = flags; f < flags + ROWS(flags); f++)
		nearest_try(&near, f->name);
	return fail(why, ERR_PERM, "`%.64s' is no priority that has an equal in OpenSSL%s%s%s", given,
		    near.best ? "; did you mean `" : "", near.best ? near.best : "", near.best ? "'?" : "");
}

/* A word behind its sign. */
static enum err change(struct choice *c, char sign, struct slice name, struct why *why)
{
	const struct word_row *w = word_row_find(name);
	const struct several *m = several_find(name);
	char text[64];

	if (m) {
		change_several(c, m, sign == '+' ? put : take_away);
		return OK;
	}
	if (!w)
		return unknown(slice_cstr(name, text, sizeof text) ? text : "", why);
	if (w->list == FIXED && (sign == '+') != (w->openssl != NULL))
		return sign == '+' ? fail(why, ERR_PERM, "`+%s' has no equal in OpenSSL", w->name)
				   : fail(why, ERR_PERM, "`%c%s' cannot be taken away", sign, w->name);
	if (sign == '+' && !w->openssl)
		return fail(why, ERR_PERM, "`+%s' has no equal in OpenSSL with TLS 1.2 and 1.3", w->name);
	if (w->openssl && w->list != FIXED)
		(sign == '+' ? put : take_away)(c, w);
	return OK;
}

static enum err flag_set(struct conf_priorities *p, struct slice name, struct why *why)
{
	char text[64];

	for (const struct flag *f = flags; f < flags + ROWS(flags); f++) {
		if (!slice_eq_nocase(slice_str(f->name), name))
			continue;
		if (f->at != NOTHING)
			*((bool *)p + f->at) = true;
		return OK;
	}
	return unknown(slice_cstr(name, text, sizeof text) ? text : "", why);
}

static enum err read_one(struct choice *c, struct conf_priorities *p, struct slice text, struct why *why)
{
	const struct several *m = several_find(text);
	char word[64];

	if (text.n > 1 && text.p[0] == '%')
		return flag_set(p, text, why);
	if (text.n > 1 && (text.p[0] == '+' || text.p[0] == '-' || text.p[0] == '!'))
		return change(c, text.p[0], (struct slice){text.p + 1, text.n - 1}, why);
	if (!m || !m->is_keyword)
		return unknown(slice_cstr(text, word, sizeof word) ? word : "", why);
	*c = (struct choice){0};
	change_several(c, m, put);
	return OK;
}

/* Appends a name to a list with colons, once. */
static void put_name(struct buf *b, const char *name)
{
	struct slice rest = buf_slice(b);

	while (rest.n > 0)
		if (slice_eq(slice_take(&rest, ':'), slice_str(name)))
			return;
	if (b->len > 0)
		buf_char(b, ':');
	buf_str(b, name);
}

static void put_names(struct buf *b, const struct choice *c, enum list list)
{
	for (const struct word_row *const *w = c->of[list]; *w; w++)
		if (*(*w)->openssl)
			put_name(b, (*w)->openssl);
}

static void put_suite(struct buf *b, const char *kx, const char *cipher, const char *mac)
{
	for (const struct suite *s = suites; s < suites + ROWS(suites); s++)
		if (strcmp(s->kx, kx) == 0 && strcmp(s->cipher, cipher) == 0 && strcmp(s->mac, mac) == 0)
			put_name(b, s->openssl);
}

/* As GnuTLS orders them: by key exchange, then cipher, then MAC. */
static void put_suites(struct buf *b, const struct choice *c)
{
	for (const struct word_row *const *kx = c->of[KX]; *kx; kx++)
		for (const struct word_row *const *cipher = c->of[CIPHER]; *cipher; cipher++)
			for (const struct word_row *const *mac = c->of[MAC]; *mac; mac++)
				put_suite(b, (*kx)->name, (*cipher)->name, (*mac)->name);
}

void conf_gnutls_name(struct buf *out, const char *suite)
{
	const char *cipher = suite, *mac = NULL;

	for (const struct word_row *w = words; w < words + ROWS(words); w++)
		if (w->list == CIPHER && w->openssl && strcmp(w->openssl, suite) == 0) {
			cipher = w->name;
			mac = "AEAD";
		}
	for (const struct suite *s = suites; s < suites + ROWS(suites); s++)
		if (strcmp(s->openssl, suite) == 0) {
			cipher = s->cipher;
			mac = s->mac;
		}
	buf_str(out, cipher);
	if (mac) {
		buf_char(out, '-');
		buf_str(out, mac);
	}
}

enum { NAMES_OCTETS = 2048 }; /* all suites together are shorter */

static bool keep_names(struct arena *a, const char **to, struct buf *b)
{
	*to = arena_str(a, buf_slice(b));
	b->len = 0;
	return *to && !b->full;
}

static enum err translate(struct arena *a, const struct choice *c, struct conf_priorities *p, struct why *why)
{
	char names[NAMES_OCTETS];
	struct buf b = BUF(names);
	bool fine;

	put_suites(&b, c);
	fine = keep_names(a, &p->ciphers, &b);
	if (is_chosen(c, MAC, "AEAD"))
		put_names(&b, c, CIPHER);
	fine &= keep_names(a, &p->ciphersuites, &b);
	put_names(&b, c, GROUP);
	fine &= keep_names(a, &p->groups, &b);
	put_names(&b, c, SIGN);
	fine &= keep_names(a, &p->sigalgs, &b);
	if (!fine)
		return fail(why, ERR_TEMP, "not enough memory");
	p->tls12 = is_chosen(c, VERSION, "VERS-TLS1.2") && *p->ciphers;
	p->tls13 = is_chosen(c, VERSION, "VERS-TLS1.3") && *p->ciphersuites;
	return OK;
}

enum err priorities_parse(struct setting *s, const char *text, struct why *why)
{
	struct conf_priorities p = {.text = arena_str(s->arena, slice_str(text))};
	struct slice rest = slice_str(text);
	struct choice c = {0};
	enum err err = p.text ? OK : fail(why, ERR_TEMP, "not enough memory");

	do
		err = err == OK ? read_one(&c, &p, slice_trim(slice_take(&rest, ':')), why) : err;
	while (err == OK && rest.n > 0);
	if (err == OK)
		err = translate(s->arena, &c, &p, why);
	if (err != OK)
		return err;
	if (!p.tls12 && !p.tls13)
		return fail(why, ERR_PERM, "these priorities leave no cipher of TLS 1.2 or 1.3");
	if (!*p.groups || !*p.sigalgs)
		return fail(why, ERR_PERM, "these priorities leave no %s (+%s-ALL)",
			    *p.groups ? "signature algorithm" : "group", *p.groups ? "SIGN" : "GROUP");
	*(struct conf_priorities *)s->member = p;
	return OK;
}
