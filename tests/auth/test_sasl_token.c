/* tests/auth/test_sasl_token.c - responses with a token, and what is answered where it is refused */
#include <stdlib.h>
#include <string.h>

#include "auth/sasl_token.h"
#include "check.h"

typedef bool reader(struct slice, struct sasl_token *);

#define G "n,a=user@example.com,"
#define T "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="

static const struct {
	reader *read;
	struct slice response;
	const char *name, *token; /* NULL: it is none */
} responses[] = {
	/* RFC 7628, section 4.1 */
	{sasl_token_oauthbearer, TEXT(G "\1host=server.example.com\1port=143\1auth=Bearer " T "\1\1"),
	 "user@example.com", T},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer abc\1\1"), "", "abc"},
	{sasl_token_oauthbearer, TEXT("y,,\1auth=bEARER   abc\1\1"), "", "abc"},
	{sasl_token_oauthbearer, TEXT("n,a=a=2Cb=3Dc,\1auth=Bearer a.b-c_d~e+f/0=\1\1"), "a,b=c", "a.b-c_d~e+f/0="},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer abc\1user=x\1\1"), "", "abc"}, /* an unknown key */
	{sasl_token_oauthbearer, TEXT("n,a=user=,\1auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,a=,\1auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,user,\1auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,a=us\0er,\1auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("p=tls-unique,,\1auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT(",,\1auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,\1auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer abc\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer abc"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer abc\1\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer abc\1\1x"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer abc\1auth=Bearer d\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=\1auth=Bearer d\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Basic abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer \1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer =\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer a b\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer a=b\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer a\"b\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer a\0b\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1auth=Bearer a\r\nb\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1host\1auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1=x\1auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1h0st=x\1auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1host=\2\1auth=Bearer abc\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("n,,\1\1"), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("\1"), NULL, NULL}, /* an answer to an error that there was none of */
	{sasl_token_oauthbearer, TEXT(""), NULL, NULL},
	{sasl_token_oauthbearer, TEXT("user=x\1auth=Bearer abc\1\1"), NULL, NULL},
	/* https://developers.google.com/gmail/imap/xoauth2-protocol */
	{sasl_token_xoauth2, TEXT("user=someuser@example.com\1auth=Bearer ya29." T "\1\1"), "someuser@example.com",
	 "ya29." T},
	{sasl_token_xoauth2, TEXT("user=a,b=c\1auth=Bearer x\1\1"), "a,b=c", "x"},
	{sasl_token_xoauth2, TEXT("auth=Bearer x\1user=a\1\1"), "a", "x"},
	{sasl_token_xoauth2, TEXT("user=\1auth=Bearer x\1\1"), NULL, NULL},
	{sasl_token_xoauth2, TEXT("auth=Bearer x\1\1"), NULL, NULL},
	{sasl_token_xoauth2, TEXT("user=a\1user=a\1auth=Bearer x\1\1"), NULL, NULL},
	{sasl_token_xoauth2, TEXT("user=a\1\1"), NULL, NULL},
	{sasl_token_xoauth2, TEXT("user=a\0b\1auth=Bearer x\1\1"), NULL, NULL},
	{sasl_token_xoauth2, TEXT("n,a=a,\1auth=Bearer x\1\1"), NULL, NULL},
};

static void test_responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(responses); i++) {
		struct sasl_token got;
		bool read = responses[i].read(responses[i].response, &got);

		check_row(i, responses[i].response.p, read == (responses[i].name != NULL));
		check_row(i, responses[i].response.p,
			  !read ||
				  (slice_eq((struct slice){got.name, got.name_n}, slice_str(responses[i].name)) &&
				   got.name[got.name_n] == '\0' && slice_eq(got.token, slice_str(responses[i].token))));
	}
}

/* As long as name and token may be, and one octet more. */
static void test_long(void **state)
{
	static char text[TOKEN_MOST + 1024];
	struct sasl_token got;

	(void)state;
	for (size_t name_n = NAME_MOST; name_n <= NAME_MOST + 1; name_n++)
		for (size_t token_n = TOKEN_MOST; token_n <= TOKEN_MOST + 1; token_n++) {
			int n = snprintf(text, sizeof text, "user=%0*d\1auth=Bearer %0*d\1\1", (int)name_n, 1,
					 (int)token_n, 1);

			check(sasl_token_xoauth2((struct slice){text, (size_t)n}, &got) ==
			      (name_n == NAME_MOST && token_n == TOKEN_MOST));
		}
}

static const struct {
	enum mechanism m;
	const char *scope, *configuration, *want;
} errors[] = {
	{MECHANISM_OAUTHBEARER, NULL, NULL, "{\"status\":\"invalid_token\"}"},
	{MECHANISM_OAUTHBEARER, "mail", "https://e.test/x",
	 "{\"status\":\"invalid_token\",\"scope\":\"mail\",\"openid-configuration\":\"https://e.test/x\"}"},
	{MECHANISM_OAUTHBEARER, "a\"b\\c\n", NULL, "{\"status\":\"invalid_token\",\"scope\":\"a\\\"b\\\\c\"}"},
	{MECHANISM_OAUTHBEARER, NULL, "0123456789012345678901234567890123456789012345678901234567890123456789",
	 "{\"status\":\"invalid_token\"}"}, /* it has no room */
	{MECHANISM_XOAUTH2, "mail", "https://e.test/x",
	 "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"mail\"}"},
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(errors); i++) {
		struct conf *cf = conf_default();
		char text[100];
		struct buf b = BUF(text);

		cf->oauth.scope = errors[i].scope;
		cf->oauth.openid_configuration = errors[i].configuration;
		sasl_token_error(&b, errors[i].m, cf);
		check_row(i, errors[i].want, !b.full && slice_eq(buf_slice(&b), slice_str(errors[i].want)));
		conf_free(cf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_responses), cmocka_unit_test(test_long),
					   cmocka_unit_test(test_errors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
