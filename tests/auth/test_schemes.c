/* Stored passwords that other programs made; and what is never one. */
#include "auth/schemes.h"

#include <string.h>

#include "auth/scheme_scram.h"
#include "check.h"

/* All of the password "geheim pw". Made by slappasswd 2.5.13 (with pw-sha2), doveadm pw 2.3.19, gsasl --mkpasswd 2.2.0. */
static const char *const secrets[] = {
	"{CRYPT}d4T6kbWKDwimkR7TIpyFAayo", /* slappasswd */
	"{MD5}Ve/BDSa3EFEKUCjR2EtLcg==",
	"{SMD5}vDQibEr7zLIxRBdzVi6f9o6S3ws=",
	"{SHA}HUKvesk344fb6wvH40uXlY9OI3M=",
	"{SSHA}kUts3CoiRqXDL4jCulE+fC3meCgxRXfi",
	"{SHA256}1izr/jnllX0Ipt8SL4+X2O25Guyxs/m2PsqhdsaGPr8=",
	"{SSHA256}BfRNLCJ1mRUKAAY+OG7wfN6XOlGxjYKnx/xEgyAChs8UyL4sWGmMqA==",
	"{SHA512}XxGs8G+1ebiQcmzFKTzbQW+c+cAkOHxahZKgYp0+c7UvPjq8TzaZREaa9gnmOuXCXrdHmvybidwfs3K+qO6Utw==",
	"{SSHA512}4xCYHU1fQYyNPVKJT9Ny5l83PZXXn125zH37v4niifeAS0QMDPj9G9lgOk7fQMfdf/cSiY1fiPDs1DrfXiSlcqNVsZgz82cX",
	"{CRYPT}$2y$05$EDQARAGpRGPUvE4KTH8JZetFKdrnEJPmPwaIF0f6JlsZZNQlBnEy2", /* doveadm */
	"{MD5}$1$gECpSisD$Xcc/erIZU4rgcWus/fu5./",
	"{MD5-CRYPT}$1$aXYiamIj$ihqJgX5lVFkXDexvYd4eR0",
	"{SMD5}XyAWcEVJ+sHYlgwXSwm8ExGWgOc=",
	"{SSHA}Ahoh1M+Vf+7wYV+lCb0z0yljVF6uFb7t",
	"{SSHA256}4xd0IZ72q8MZmobAQpLRKkIh+2WGy3X5Da8U0tgdxiEkbxrv",
	"{SSHA512}5qzkWhPmgcs3T31I3u1tPHttVjf8mTDOnnbT54FIod1aUYXD4ZR6kaShYvNgyyvMQXM5fw3Py5y7gjiBEAqPhPRAUv0=",
	"{BLF-CRYPT}$2y$05$AbV0S61P/HPJknOsGOgGuuXRIBkbRRO7GmHXU1k0Bi0hHDM/5V0Be",
	"{SHA256-CRYPT}$5$DUOQirDuviKcGsYB$L1C3m6n9grlaAcnASIdWwURKj53Ehs3ttB2HODzr.GC",
	/* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one text on two lines */
	"{SHA512-CRYPT}$6$eoxGXT7MTN.T4zur$8FIaHG9iOmb6NrPVPQ.phrR3UWjWRUC/"
	"W39GLE1SQsGjnZDJpV.Y7c4.3H8jLiyNij2muh6Tkdg7arwNqO8st1",
	"{DES-CRYPT}nEnTepnzMMcwY",
	"{PLAIN}geheim pw",
	"{CLEARTEXT}geheim pw",
	"{SCRAM-SHA-1}4096,PpapvLqowtWjzuJBbMjglg==,dQRkVqdBabT32FHgpy6XSJIMhOY=,cnFF9+rI1gYAbi1Xa5YR6FrjDPI=",
	"{SCRAM-SHA-256}4096,HkvOJaL34HjwWv04UWAS+A==,uzBkN136m1P0bUwXjZEjVAEjBB1hF81bReHN3IObRls=,"
	"O4NLthQ2xaHmILTxhrL6uxDYxg6xOE4c934db0csyAc=",
	"{SCRAM-SHA-256}4096,z0hlIJHyA+cwYKub,vhpCKIPH8+W8mMpko5x6y6iEeaXTfR/+bWNZyJDhcSo=," /* gsasl */
	"oRbn+ohb9RkcxuFjXwgaEzvzsVjAEwZPlH2NnG4tonE=",
	"{SCRAM-SHA-1}65536,gMDEVrGSMK2SJbT7,VeBgoFzxnLKKZiBcSOoywRqLQRg=,eo4/BGTpmSKJ/fsYRIS52nJzV1U=",
	/* the same in the form of RFC 5803, in braces and as PostgreSQL stores it */
	"{SCRAM-SHA-1}65536:gMDEVrGSMK2SJbT7$VeBgoFzxnLKKZiBcSOoywRqLQRg=:eo4/BGTpmSKJ/fsYRIS52nJzV1U=",
	"SCRAM-SHA-1$65536:gMDEVrGSMK2SJbT7$VeBgoFzxnLKKZiBcSOoywRqLQRg=:eo4/BGTpmSKJ/fsYRIS52nJzV1U=",
	"SCRAM-SHA-256$4096:z0hlIJHyA+cwYKub$vhpCKIPH8+W8mMpko5x6y6iEeaXTfR/+bWNZyJDhcSo=:"
	"oRbn+ohb9RkcxuFjXwgaEzvzsVjAEwZPlH2NnG4tonE=",
	"$6$eoxGXT7MTN.T4zur$8FIaHG9iOmb6NrPVPQ.phrR3UWjWRUC/W39GLE1SQsGjnZDJpV.Y7c4.3H8jLiyNij2muh6Tkdg7arwNqO8st1",
	"{SCRAMBLED}*061F6821333EE9CE433F43DF47C7F3DD47024567", /* MariaDB 10.11: PASSWORD(), OLD_PASSWORD() */
	"{SCRAMBLED}*061f6821333ee9ce433f43df47c7f3dd47024567",
	"{SCRAMBLED}76a83cf84899b7ab",
};

static char small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The name in small letters; what follows it as it is. */
static struct slice lowered(const char *secret, char *dst)
{
	size_t n = strlen(secret), end = secret[0] == '{' ? slice_find(slice_str(secret), '}') : 0;

	for (size_t i = 0; i < n; i++)
		dst[i] = i < end ? small(secret[i]) : secret[i];
	return (struct slice){dst, n};
}

static void test_others(void **state)
{
	char text[SECRET_TEXT_MOST];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(secrets); i++) {
		struct slice s = slice_str(secrets[i]);

		check_row(i, secrets[i], scheme_is_usable(s));
		check_row(i, secrets[i], scheme_same(SLICE("geheim pw"), s));
		check_row(i, secrets[i], scheme_same(SLICE("geheim pw"), lowered(secrets[i], text)));
		check_row(i, secrets[i], !scheme_same(SLICE("Geheim pw"), s));
		check_row(i, secrets[i], !scheme_same(SLICE("geheim"), s));
		check_row(i, secrets[i], !scheme_same(SLICE(""), s));
		check_row(i, secrets[i], !scheme_same(SLICE("geheim pw\0"), s));
		check_row(i, secrets[i], !scheme_same(s, s)); /* the secret is no password */
	}
}

/* What no password can have; and which of them is a mistake that the operator should hear of. */
static const struct {
	struct slice secret;
	enum err err;
	const char *says;
} never[] = {
	{TEXT(""), ERR_AUTH, "empty or locked"},
	{TEXT("x"), ERR_AUTH, "empty or locked"},
	{TEXT("*"), ERR_AUTH, "empty or locked"},
	{TEXT("!"), ERR_AUTH, "empty or locked"},
	{TEXT("!!"), ERR_AUTH, "empty or locked"},
	{TEXT("!$1$abcdefgh$G//4keteveJp0qb8z2DxG/"), ERR_AUTH, "empty or locked"},
	{TEXT("{CRYPT}"), ERR_AUTH, "empty or locked"},
	{TEXT("{CRYPT}x"), ERR_AUTH, "empty or locked"},
	{TEXT("{CRYPT}*"), ERR_AUTH, "empty or locked"},
	{TEXT("{CRYPT}!$1$abcdefgh$G//4keteveJp0qb8z2DxG/"), ERR_AUTH, "empty or locked"},
	{TEXT("{CRYPT}{PLAIN}geheim secret"), ERR_PERM, "is no CRYPT"},
	{TEXT("{CRYPT}secretsecretsecret"), ERR_PERM, "is no CRYPT"},
	{TEXT("{PLAIN}"), ERR_AUTH, "empty or locked"},
	{TEXT("{CLEARTEXT}x"), ERR_AUTH, "empty or locked"},
	{TEXT("{PLAIN}!"), ERR_AUTH, "empty or locked"},
	{TEXT("{plain}*"), ERR_AUTH, "empty or locked"},
	{TEXT("secret"), ERR_PERM, "has no scheme"},
	{TEXT("secretsecretsecret"), ERR_PERM, "has no scheme"},
	{TEXT("secret with blanks"), ERR_PERM, "has no scheme"},
	{TEXT("{FOO}secret"), ERR_PERM, "Unsupported password algorithm scheme: FOO"},
	{TEXT("{}secret"), ERR_PERM, "Unsupported password algorithm scheme: "},
	{TEXT("{SHA 1}secret"), ERR_PERM, "Unsupported password algorithm scheme: SHA 1"},
	{TEXT("{SASL}alice@dom"), ERR_PERM, "Unsupported password algorithm scheme: SASL"},
	{TEXT("{SHA"), ERR_PERM, "has no scheme"},
	{TEXT("{SHA}"), ERR_PERM, "is no SHA"},
	{TEXT("{SHA}HUKvesk344fb6wvH40uXlY9OI3M"), ERR_PERM, "is no SHA"}, /* its padding is gone */
	{TEXT("{SHA}HUKvesk344fb6wvH40uX lY9OI3M="), ERR_PERM, "is no SHA"},
	{TEXT("{SHA}HUKvesk344fb6wvH40uXlY9O==M="), ERR_PERM, "is no SHA"},
	{TEXT("{SHA}kUts3CoiRqXDL4jCulE+fC3meCgxRXfi"), ERR_PERM, "is no SHA"}, /* longer than one */
	{TEXT("{SSHA}HUKvesk344fb6wvH40uXlY9OI3M="), ERR_PERM, "is no SSHA"},   /* without salt */
	{TEXT("{SSHA}HUKvesk344fb6wvH40uX"), ERR_PERM, "is no SSHA"},           /* cut */
	{TEXT("{SCRAM-SHA-1}"), ERR_PERM, "is no SCRAM-SHA-1"},
	{TEXT("{SCRAM-SHA-1}4096,PpapvLqowtWjzuJBbMjglg=="), ERR_PERM, "is no SCRAM-SHA-1"},
	{TEXT("{SCRAM-SHA-1}0,gMDEVrGSMK2SJbT7,VeBgoFzxnLKKZiBcSOoywRqLQRg=,eo4/BGTpmSKJ/fsYRIS52nJzV1U="), ERR_PERM,
	 "is no SCRAM-SHA-1"},
	{TEXT("{SCRAM-SHA-1}1000001,gMDEVrGSMK2SJbT7,VeBgoFzxnLKKZiBcSOoywRqLQRg=,eo4/BGTpmSKJ/fsYRIS52nJzV1U="),
	 ERR_PERM, "is no SCRAM-SHA-1"}, /* would take for ever */
	{TEXT("{SCRAM-SHA-256}4096,gMDEVrGSMK2SJbT7,VeBgoFzxnLKKZiBcSOoywRqLQRg=,eo4/BGTpmSKJ/fsYRIS52nJzV1U="),
	 ERR_PERM, "is no SCRAM-SHA-256"}, /* keys of SHA-1 */
	{TEXT("{SCRAMBLED}"), ERR_AUTH, "empty or locked"},
	{TEXT("{SCRAMBLED}*"), ERR_AUTH, "empty or locked"},
	{TEXT("{SCRAMBLED}geheim pw"), ERR_PERM, "is no SCRAMBLED"},
	{TEXT("{SCRAMBLED}061F6821333EE9CE433F43DF47C7F3DD47024567"), ERR_PERM, "is no SCRAMBLED"},
	{TEXT("{SCRAMBLED}*061F6821333EE9CE433F43DF47C7F3DD4702456"), ERR_PERM, "is no SCRAMBLED"},
	{TEXT("{SCRAMBLED}*061F6821333EE9CE433F43DF47C7F3DD4702456g"), ERR_PERM, "is no SCRAMBLED"},
	{TEXT("{SCRAMBLED}76a83cf84899b7a"), ERR_PERM, "is no SCRAMBLED"},
	{TEXT("*061F6821333EE9CE433F43DF47C7F3DD47024567"), ERR_AUTH,
	 "empty or locked"}, /* without its name it is a lock */
	{TEXT("SCRAM-SHA-1$65536:gMDEVrGSMK2SJbT7$VeBgoFzxnLKKZiBcSOoywRqLQRg="), ERR_PERM, "has no scheme"},
};

/* Neither these are their passwords, nor the secret itself, nor what stands behind a brace. */
static void test_never(void **state)
{
	static const char *const typed[] = {"", "x", "*", "!", "!!", "secret", "geheim pw", "geheim secret"};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(never); i++) {
		struct slice s = never[i].secret;
		size_t behind = slice_find(s, '}') < s.n ? slice_find(s, '}') + 1 : 0;
		struct why why = {""};

		check_row(i, s.p, scheme_check(s, &why) == never[i].err);
		check_row(i, why.text, strstr(why.text, never[i].says) != NULL);
		check_row(i, s.p, !scheme_is_usable(s) && !scheme_same(s, s));
		check_row(i, s.p, !scheme_same((struct slice){s.p + behind, s.n - behind}, s));
		for (size_t t = 0; t < TABLE_ROWS(typed); t++)
			check_row(i, typed[t], !scheme_same(slice_str(typed[t]), s));
	}
}

/* Nothing of a secret is shown. */
static void test_reasons(void **state)
{
	char text[SECRET_TEXT_MOST + 1];
	struct why why;

	(void)state;
	memset(text, 's', sizeof text);
	check(scheme_check((struct slice){text, sizeof text}, &why) == ERR_PERM && !strstr(why.text, "sss"));
	check(!scheme_same((struct slice){text, sizeof text}, (struct slice){text, sizeof text}));
	check(scheme_check(SLICE("secret"), &why) == ERR_PERM && !strstr(why.text, "secret"));
	check(scheme_check(SLICE("{SHA}secret"), &why) == ERR_PERM && !strstr(why.text, "secret"));
	check(scheme_check(SLICE("{SCRAM-SHA-1}secret"), &why) == ERR_PERM && !strstr(why.text, "secret"));
}

/* Secrets end at any place, in memory that ends there. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(secrets); i++)
		for (size_t n = 0; n < strlen(secrets[i]); n++) {
			char *cut = malloc(n + 1);

			assert_non_null(cut);
			memcpy(cut, secrets[i], n);
			/* Those are too slow for so many; and the first half of the first is a hash of eight octets. */
			if (i > 0 && strstr(secrets[i], "65536") == NULL)
				check_row(i, secrets[i], !scheme_same(SLICE("geheim pw"), (struct slice){cut, n}));
			free(cut);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
