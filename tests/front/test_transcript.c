/* tests/front/test_transcript.c - what may be shown of a client's line */
#include "front/transcript.h"

#include <string.h>

#include "check.h"

static const struct {
	struct slice in;
	const char *out;
} lines[] = {
	{TEXT("USER bob"), "USER bob"},
	{TEXT("user bob@example.test"), "user bob@example.test"},
	{TEXT("USER bob secret"), "USER bob ***"},
	{TEXT("USER  bob  "), "USER bob"},
	{TEXT("USER"), "USER"},
	{TEXT("USER b\x1b\r\"\0x"), "USER b\\x1b\\x0d\\\"\\x00x"},
	{TEXT("PASS secret"), "PASS ***"},
	{TEXT("PASS 1234"), "PASS ***"},
	{TEXT("pAsS a b c"), "pAsS ***"},
	{TEXT("PASS"), "PASS"},
	{TEXT("  PASS secret"), "PASS ***"},
	{TEXT("PASS\tsecret"), "PASS ***"},
	{TEXT("AUTH PLAIN AGJvYgBzZWNyZXQ="), "AUTH ***"},
	{TEXT("AUTH"), "AUTH"},
	{TEXT("AGJvYgBzZWNyZXQ="), "***"}, /* goes on with AUTH */
	{TEXT("secret"), "***"},
	{TEXT("bob secret"), "***"},
	{TEXT("PASSsecret"), "***"},
	{TEXT("PASS\0secret"), "***"},
	{TEXT("APOP bob c4c9334bac560ecc979e58001b3e22fb"), "APOP ***"},
	{TEXT("\x16\x03\x01\x02"), "***"}, /* TLS that nobody expects */
	{TEXT(""), ""},
	{TEXT(" "), "***"},
	{TEXT("STAT"), "STAT"},
	{TEXT("STAT secret"), "STAT ***"},
	{TEXT("NOOP 1234"), "NOOP ***"},
	{TEXT("QUIT"), "QUIT"},
	{TEXT("LIST 1"), "LIST 1"},
	{TEXT("LIST secret"), "LIST ***"},
	{TEXT("TOP 1 10"), "TOP 1 10"},
	{TEXT("TOP 1 10 secret"), "TOP 1 10 ***"},
	{TEXT("RETR 99999999999999999999"), "RETR ***"},
};

static void test_mask(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(lines); i++) {
		char text[256];
		struct buf b = BUF(text);

		transcript_mask(&b, lines[i].in);
		check_row(i, lines[i].out, slice_eq(buf_slice(&b), slice_str(lines[i].out)));
	}
}

/* Cut, and never more than there is room. */
static void test_long_line(void **state)
{
	char line[1000] = "USER ", text[64];
	struct buf b = BUF(text);

	(void)state;
	memset(line + 5, '\1', sizeof line - 5);
	transcript_mask(&b, (struct slice){line, sizeof line});
	check(b.len <= sizeof text && memcmp(text, "USER \\x01\\x01", 13) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_mask), cmocka_unit_test(test_long_line)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
