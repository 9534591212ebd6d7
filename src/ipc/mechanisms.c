/* ipc/mechanisms.c - see mechanisms.h */
#include "ipc/mechanisms.h"

/* clang-format off */
const struct mechanism_row mechanisms[MECHANISM_COUNT] = {
	[MECHANISM_SCRAM_SHA_256_PLUS] = {"SCRAM-SHA-256-PLUS", MECHANISM_STORED | MECHANISM_BINDS},
	[MECHANISM_SCRAM_SHA_1_PLUS] =   {"SCRAM-SHA-1-PLUS",   MECHANISM_STORED | MECHANISM_BINDS},
	[MECHANISM_SCRAM_SHA_256] =      {"SCRAM-SHA-256",      MECHANISM_STORED | MECHANISM_COULD_BIND},
	[MECHANISM_SCRAM_SHA_1] =        {"SCRAM-SHA-1",        MECHANISM_STORED | MECHANISM_COULD_BIND},
	[MECHANISM_EXTERNAL] =           {"EXTERNAL",           MECHANISM_CERTIFIED},
	[MECHANISM_GSSAPI] =             {"GSSAPI",             0},
	[MECHANISM_DIGEST_MD5] =         {"DIGEST-MD5",         MECHANISM_STORED},
	[MECHANISM_CRAM_MD5] =           {"CRAM-MD5",           MECHANISM_STORED},
	[MECHANISM_PLAIN] =              {"PLAIN",              MECHANISM_TELLS},
	[MECHANISM_LOGIN] =              {"LOGIN",              MECHANISM_TELLS},
	[MECHANISM_OAUTHBEARER] =        {"OAUTHBEARER",        MECHANISM_TELLS | MECHANISM_TOKEN},
	[MECHANISM_XOAUTH2] =            {"XOAUTH2",            MECHANISM_TELLS | MECHANISM_TOKEN},
	[MECHANISM_ANONYMOUS] =          {"ANONYMOUS",          0},
};
/* clang-format on */

enum mechanism mechanism_find(struct slice name)
{
	enum mechanism m = 0;

	while (m < MECHANISM_COUNT && !slice_eq_nocase(name, slice_str(mechanisms[m].name)))
		m++;
	return m;
}

static bool clients_are_asked(const struct conf *cf)
{
	for (size_t i = 0; i < cf->nservers; i++)
		if (cf->servers[i].tls.client_ca_file)
			return true;
	return false;
}

bool mechanism_is_configured(enum mechanism m, const struct conf *cf)
{
	bool stored = cf->gsasl.cram_passwd || cf->gsasl.stored_passwords;

	if (!cf->gsasl.enable || (mechanisms[m].traits & MECHANISM_STORED && !stored))
		return false;
	if (mechanisms[m].traits & MECHANISM_TOKEN)
		return cf->oauth.given;
	if (m == MECHANISM_EXTERNAL)
		return clients_are_asked(cf);
	if (m == MECHANISM_GSSAPI)
		return cf->gsasl.keytab.path;
	if (m == MECHANISM_ANONYMOUS)
		return cf->gsasl.anonymous_user;
	return m != MECHANISM_DIGEST_MD5 || cf->gsasl.digest_md5;
}
