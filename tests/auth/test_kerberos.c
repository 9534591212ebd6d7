/* tests/auth/test_kerberos.c - tokens, principals, and files of keys of Kerberos */
#include <string.h>

#include "auth/kerberos_names.h"
#include "auth/keytab.h"
#include "base/slice.h"
#include "check.h"

#define OID "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"

static const struct {
	struct slice token;
	bool request, reply;
} tokens[] = {
	{TEXT("\x60\x0d" OID "\x01\x00"), true, false},
	{TEXT("\x60\x0e" OID "\x01\x00x"), true, false},
	{TEXT("\x60\x0e" OID "\x02\x00x"), false, true},
	{TEXT("\x60\x81\x0e" OID "\x01\x00x"), true, false},
	{TEXT("\x60\x82\x00\x0e" OID "\x01\x00x"), true, false},
	{TEXT("\x60\x83\x00\x00\x0e" OID "\x02\x00x"), false, true},
	{TEXT("\x60\x84\x00\x00\x00\x0e" OID "\x01\x00x"), false, false},
	{TEXT("\x60\x0f" OID "\x01\x00x"), false, false},
	{TEXT("\x60\x0d" OID "\x01\x00x"), false, false},
	{TEXT("\x60\x80" OID "\x01\x00x"), false, false},
	{TEXT("\x61\x0e" OID "\x01\x00x"), false, false},
	{TEXT("\x60\x0e" OID "\x01\x01x"), false, false},
	{TEXT("\x60\x0e" OID "\x03\x00x"), false, false},
	{TEXT("\x60\x0c" OID "\x01"), false, false},
	{TEXT("\x60\x0b" OID), false, false},
	{TEXT("\x60\x0a\x06\x06\x2b\x06\x01\x05\x05\x02\x01\x00"), false, false}, /* SPNEGO */
	{TEXT("\x60\x0a\x06\x06\x2b\x06\x01\x05\x02\x05\x01\x00"), false, false}, /* IAKERB */
	{TEXT("\x60\x82\x00"), false, false},
	{TEXT("\x60"), false, false},
	{TEXT(""), false, false},
};

static void test_tokens(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(tokens); i++) {
		check_row(i, "request", kerberos_token_is(tokens[i].token, KERBEROS_REQUEST) == tokens[i].request);
		check_row(i, "reply", kerberos_token_is(tokens[i].token, KERBEROS_REPLY) == tokens[i].reply);
	}
}

static const struct {
	struct slice principal;
	const char *local, *full; /* NULL: none */
} principals[] = {
	{TEXT("bob@EXAMPLE.ORG"), "bob", "bob@example.org"},
	{TEXT("Bob.B_2-c@EXAMPLE.ORG"), "Bob.B_2-c", "Bob.B_2-c@example.org"},
	{TEXT("bob@example.org"), NULL, NULL},
	{TEXT("bob@EXAMPLE.ORG.EVIL"), NULL, NULL},
	{TEXT("bob@OTHER.ORG"), NULL, NULL},
	{TEXT("bob@OTHER.ORG@EXAMPLE.ORG"), NULL, NULL},
	{TEXT("bob\\@OTHER.ORG@EXAMPLE.ORG"), NULL, NULL},
	{TEXT("bob\\0@EXAMPLE.ORG"), NULL, NULL},
	{TEXT("bob/admin@EXAMPLE.ORG"), NULL, NULL},
	{TEXT("WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS"), NULL, NULL},
	{TEXT("@EXAMPLE.ORG"), NULL, NULL},
	{TEXT("bob@"), NULL, NULL},
	{TEXT("bob"), NULL, NULL},
	{TEXT("bo\0b@EXAMPLE.ORG"), NULL, NULL},
	{TEXT(""), NULL, NULL},
};

static void test_principals(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(principals); i++)
		for (int full = 0; full < 2; full++) {
			const char *name = full ? principals[i].full : principals[i].local;
			char login[NAME_MOST + 1];
			bool is = kerberos_login(principals[i].principal, SLICE("EXAMPLE.ORG"), full, login);

			check_row(i, principals[i].principal.p,
				  is == (name != NULL) && (!is || strcmp(login, name) == 0));
		}
	char login[NAME_MOST + 1], text[300];

	check(!kerberos_login(SLICE("bob@"), SLICE(""), false, login));
	memset(text, 'a', sizeof text);
	memcpy(text + 255, "@R", 2);
	check(kerberos_login((struct slice){text, 257}, SLICE("R"), false, login) && strlen(login) == 255);
	check(!kerberos_login((struct slice){text, 257}, SLICE("R"), true, login));
	memcpy(text + 255, "a@R", 3);
	check(!kerberos_login((struct slice){text, 258}, SLICE("R"), false, login));
}

/* --- keytabs ------------------------------------------------------------------------------------------------------ */

#define BEGINS "\x05\x02"
#define BESIDES                                                                                                        \
	"\0\0\0\1"                                                                                                     \
	"\0\0\0\0"                                                                                                     \
	"\2" /* type of the name, time, version */
#define KEY(type)                                                                                                      \
	"\0" type "\0\4"                                                                                               \
	"keys"
#define REALM                                                                                                          \
	"\0\4"                                                                                                         \
	"R.RG"
/* 2 + 6 + 5 + 6 + 9 + 8 octets */
#define ENTRY(service, host, type)                                                                                     \
	"\0\0\0\x24"                                                                                                   \
	"\0\2" REALM "\0\3" service "\0\4" host BESIDES                                                                \
	KEY(type)
#define HOLE                                                                                                           \
	"\xff\xff\xff\xfd"                                                                                             \
	"xyz"

static const struct {
	struct slice octets;
	bool is_keytab, found;
} keytabs[] = {
	{TEXT(BEGINS ENTRY("pop", "host", "\x12")), true, true},
	{TEXT(BEGINS ENTRY("pop", "host", "\x14")), true, true},
	{TEXT(BEGINS ENTRY("pop", "host", "\x1a")), true, true},
	{TEXT(BEGINS ENTRY("pop", "host", "\x17")), true, false}, /* RC4 */
	{TEXT(BEGINS ENTRY("pop", "host", "\x10")), true, false}, /* triple DES */
	{TEXT(BEGINS ENTRY("smb", "host", "\x12")), true, false},
	{TEXT(BEGINS ENTRY("pop", "ghos", "\x12")), true, false},
	{TEXT(BEGINS ENTRY("pop", "Host", "\x12")), true, false},
	{TEXT(BEGINS ENTRY("smb", "host", "\x12") HOLE ENTRY("pop", "host", "\x12")), true, true},
	{TEXT(BEGINS "\0\0\0\0" ENTRY("pop", "host", "\x12")), true, false}, /* the end */
	{TEXT(BEGINS "\xff\xff\xff\x00" ENTRY("pop", "host", "\x12")), true, false},
	{TEXT(BEGINS "\x80\0\0\0" ENTRY("pop", "host", "\x12")), true, false},
	{TEXT(BEGINS "\0\0\0\x25"
		     "\0\2" REALM "\0\3"
		     "pop"
		     "\0\4"
		     "host" BESIDES KEY("\x12")),
	 true, false},
	{TEXT(BEGINS "\0\0\0\x1c"
		     "\0\2" REALM "\0\3"
		     "pop"
		     "\0\4"
		     "host" BESIDES),
	 true, false},
	{TEXT(BEGINS "\0\0\0\x08"
		     "\0\2"
		     "\0\xff"
		     "R.RG"),
	 true, false},
	{TEXT(BEGINS "\0\0\0\x01"
		     "\0"),
	 true, false},
	{TEXT(BEGINS), true, false},
	{TEXT("\x05\x01" ENTRY("pop", "host", "\x12")), false, false},
	{TEXT("\x05"), false, false},
	{TEXT(""), false, false},
};

static void test_keytabs(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(keytabs); i++)
		for (size_t j = 0; j < 3; j++) {
			const char *of[] = {NULL, "R.RG", "R.ORG"};
			struct keytab_wanted wanted = {"pop", "HOST", of[j]};
			char realm[NAME_MOST + 1] = "";
			bool is_keytab, found = keytab_find(keytabs[i].octets, &wanted, realm, &is_keytab);

			check_row(i, "is one", is_keytab == keytabs[i].is_keytab);
			check_row(i, "found", found == (keytabs[i].found && j < 2));
			check_row(i, "realm", !found || strcmp(realm, "R.RG") == 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_principals),
		cmocka_unit_test(test_keytabs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
