/* All formats of libcrypt; and what is never the hash of a password. */
#include "auth/hash.h"

#include <crypt.h>
#include <string.h>

#include "check.h"

/* What crypt_gensalt calls each format; the cheapest cost. */
static const struct {
	const char *prefix;
	unsigned long count;
} formats[] = {
	{"$y$", 1},    {"$gy$", 1},  {"$7$", 6},  {"$2b$", 4}, {"$2y$", 4}, {"$2a$", 4}, {"$6$", 1000},
	{"$5$", 1000}, {"$sha1", 4}, {"$md5", 1}, {"$1$", 0},  {"_", 1},    {"", 0},     {"$3$", 0},
};

static void test_formats(void **state)
{
	static struct crypt_data data;
	static const char password[] = "s p\xc3\xa4se";

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(formats); i++) {
		char setting[CRYPT_GENSALT_OUTPUT_SIZE];
		char hash[CRYPT_OUTPUT_SIZE];

		assert_non_null(
			crypt_gensalt_rn(formats[i].prefix, formats[i].count, NULL, 0, setting, (int)sizeof setting));
		const char *made = crypt_rn(password, setting, &data, (int)sizeof data);

		check_row(i, formats[i].prefix, made != NULL);
		memcpy(hash, made, strlen(made) + 1);
		struct slice h = slice_str(hash);

		check_row(i, formats[i].prefix, hash_same(SLICE("s p\xc3\xa4se"), h));
		check_row(i, formats[i].prefix, !hash_same(SLICE("S p\xc3\xa4se"), h));
		check_row(i, formats[i].prefix, !hash_same(SLICE(""), h));
		check_row(i, formats[i].prefix, !hash_same(SLICE("s p\xc3\xa4se\0"), h)); /* not a C string */
		check_row(i, formats[i].prefix, !hash_same(h, h));                        /* the hash is no password */
		check_row(i, formats[i].prefix, !hash_same(SLICE("s p\xc3\xa4se"), (struct slice){h.p, h.n - 1}));
	}
}

/* Pairs that some server took for right (shadow's x as a password, empty fields), and plain text. */
static const struct {
	struct slice password, hash;
} never[] = {
	{TEXT("x"), TEXT("x")},
	{TEXT("x"), TEXT("x            ")},
	{TEXT("*"), TEXT("*")},
	{TEXT("!"), TEXT("!")},
	{TEXT("!!"), TEXT("!!")},
	{TEXT(""), TEXT("")},
	{TEXT("x"), TEXT("")},
	{TEXT(""), TEXT("x")},
	{TEXT(""), TEXT("*")},
	{TEXT("*0"), TEXT("*0")}, /* what crypt answers when it fails */
	{TEXT("*1"), TEXT("*1")},
	{TEXT("secret"), TEXT("secret")},
	{TEXT("secretsecretsecret"), TEXT("secretsecretsecret")},
	{TEXT("secret"), TEXT("{CLEARTEXT}secret")},
	{TEXT("secret"), TEXT("$99$unknown$secret")},
	{TEXT("secret"), TEXT("$6$salt$")},
	{TEXT("secret"), TEXT("$6$salt")},
	{TEXT("secret"), TEXT("*LOCKED*$1$salt$qsfXCLUJcrgYGMlGrBlDw0")},
	{TEXT("password"), TEXT("!$1$abcdefgh$G//4keteveJp0qb8z2DxG/")}, /* passwd -l */
	{TEXT("password"), TEXT("!!$1$abcdefgh$G//4keteveJp0qb8z2DxG/")},
	{TEXT("password"), TEXT("$1$abcdefgh$G//4keteveJp0qb8z2DxG/ ")},
	{TEXT("password"), TEXT("$1$abcdefgh$G//4keteveJp0qb8z2DxG/\0")},
	{TEXT("password"), TEXT("$1$abcdefgh$G//4keteveJp0qb8z2DxG/\0tail")},
};

static void test_never(void **state)
{
	(void)state;
	check(hash_same(SLICE("password"), SLICE("$1$abcdefgh$G//4keteveJp0qb8z2DxG/")));
	for (size_t i = 0; i < TABLE_ROWS(never); i++)
		check_row(i, never[i].hash.p, !hash_same(never[i].password, never[i].hash));
}

/* As long as libcrypt takes them, and longer. */
static void test_long_password(void **state)
{
	static struct crypt_data data;
	char text[CRYPT_MAX_PASSPHRASE_SIZE + 512];
	char hash[CRYPT_OUTPUT_SIZE];

	(void)state;
	memset(text, 'p', sizeof text);
	text[CRYPT_MAX_PASSPHRASE_SIZE - 1] = '\0';
	const char *made = crypt_rn(text, "$6$rounds=1000$salt$", &data, (int)sizeof data);

	assert_non_null(made);
	memcpy(hash, made, strlen(made) + 1);
	text[CRYPT_MAX_PASSPHRASE_SIZE - 1] = 'p';
	check(hash_same((struct slice){text, CRYPT_MAX_PASSPHRASE_SIZE - 1}, slice_str(hash)));
	check(!hash_same((struct slice){text, CRYPT_MAX_PASSPHRASE_SIZE}, slice_str(hash)));
	check(!hash_same((struct slice){text, CRYPT_MAX_PASSPHRASE_SIZE + 1}, slice_str(hash)));
	check(!hash_same((struct slice){text, sizeof text}, slice_str(hash)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_long_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
