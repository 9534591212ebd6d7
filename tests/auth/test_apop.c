/* Digests of APOP. */
#include "auth/apop.h"

#include "check.h"

static const struct {
	struct slice stamp, secret, digest;
	bool right;
} digests[] = {
	/* RFC 1939, section 7 */
	{TEXT("<1896.697170952@dbc.mtview.ca.us>"), TEXT("tanstaaf"), TEXT("c4c9334bac560ecc979e58001b3e22fb"), true},
	{TEXT("<1896.697170952@dbc.mtview.ca.us>"), TEXT("tanstaaf"), TEXT("C4C9334BAC560ECC979E58001B3E22FB"), false},
	{TEXT("<1896.697170952@dbc.mtview.ca.us>"), TEXT("tanstaaf"), TEXT("c4c9334bac560ecc979e58001b3e22fc"), false},
	{TEXT("<1896.697170952@dbc.mtview.ca.us>"), TEXT("tanstaaf"), TEXT("c4c9334bac560ecc979e58001b3e22f"), false},
	{TEXT("<1896.697170952@dbc.mtview.ca.us>"), TEXT("tanstaaf"), TEXT("c4c9334bac560ecc979e58001b3e22fb0"), false},
	{TEXT("<1896.697170952@dbc.mtview.ca.us>"), TEXT("tanstaaf"), TEXT(""), false},
	{TEXT("<1896.697170952@dbc.mtview.ca.us>"), TEXT("tanstaa"), TEXT("c4c9334bac560ecc979e58001b3e22fb"), false},
	{TEXT("<1896.697170953@dbc.mtview.ca.us>"), TEXT("tanstaaf"), TEXT("c4c9334bac560ecc979e58001b3e22fb"), false},
	{TEXT(""), TEXT(""), TEXT("d41d8cd98f00b204e9800998ecf8427e"), true},
};

static void test_digests(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(digests); i++)
		check_row(i, digests[i].digest.p,
			  apop_is_right(digests[i].stamp, digests[i].secret, digests[i].digest) == digests[i].right);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_digests)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
