/* tests/mail/test_listing.c - records that may come from a hostile user, and the checksum */
#include "mail/listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct fact {
	const char *about;
	uint64_t pos, raw, octets;
	uint32_t lines;
	uint8_t uidl_len;
	char uidl[UIDL_MOST + 1];
	bool sane;
} facts[] = {
	{"a message", 0, 100, 105, 5, 3, "abc", true},
	{"an empty one", 0, 0, 0, 0, 1, "!", true},
	{"LF only", 0, 5, 10, 5, 1, "~", true},
	{"without its last end", 0, 1, 3, 1, 1, "a", true},
	{"header hidden", 0, 1000, 2, 1, 1, "a", true},
	{"too many octets", 0, 100, 203, 5, 1, "a", false},
	{"too many lines", 0, 100, 105, 53, 1, "a", false},
	{"no lines", 0, 100, 105, 0, 1, "a", false},
	{"no octets", 0, 100, 0, 1, 1, "a", false},
	{"octets of nothing", 0, 0, 2, 1, 1, "a", false},
	{"raw beyond files", 0, UINT64_MAX, 105, 5, 1, "a", false},
	{"position beyond files", UINT64_MAX, 100, 105, 5, 1, "a", false},
	{"no UIDL", 0, 100, 105, 5, 0, "", false},
	{"UIDL too long", 0, 100, 105, 5, UIDL_MOST + 1, "a", false},
	{"blank in UIDL", 0, 100, 105, 5, 3, "a b", false},
	{"control character in UIDL", 0, 100, 105, 5, 3, "a\nb", false},
	{"8 bit in UIDL", 0, 100, 105, 5, 3,
	 "a\xFF"
	 "b",
	 false},
};

static void test_sane(void **state)
{
	(void)state;
	for (const struct fact *f = facts; f < facts + sizeof facts / sizeof *facts; f++) {
		struct listing_rec r = {
			.pos = f->pos, .raw = f->raw, .octets = f->octets, .lines = f->lines, .uidl_len = f->uidl_len};

		memcpy(r.uidl, f->uidl, sizeof r.uidl);
		if (listing_is_sane(&r) != f->sane)
			print_error("%s\n", f->about);
		assert_true(listing_is_sane(&r) == f->sane);
	}
}

/* Each octet at each place of a unique-id of each length. */
static void test_uidl_octets(void **state)
{
	struct listing_rec r = {.raw = 5, .octets = 10, .lines = 5};

	(void)state;
	for (r.uidl_len = 1; r.uidl_len <= UIDL_MOST; r.uidl_len++)
		for (size_t at = 0; at < r.uidl_len; at++)
			for (unsigned octet = 0; octet <= UINT8_MAX; octet++) {
				memset(r.uidl, octet % 2 ? '!' : '~', sizeof r.uidl);
				memset(r.uidl + r.uidl_len, 0, sizeof r.uidl - r.uidl_len);
				r.uidl[at] = (char)octet;
				assert_true(listing_is_sane(&r) == (octet >= 0x21 && octet <= 0x7E));
			}
}

/* The check value of CRC-32C, and that pieces add up. */
static void test_crc(void **state)
{
	(void)state;
	assert_int_equal(listing_crc(0, SLICE("123456789")), 0xE3069283);
	assert_int_equal(listing_crc(listing_crc(0, SLICE("1234")), SLICE("56789")), 0xE3069283);
	assert_int_equal(listing_crc(0, SLICE("")), 0);
}

static void test_crc_join(void **state)
{
	static char octets[3000];
	uint32_t seed = 1;

	(void)state;
	for (size_t i = 0; i < sizeof octets; i++)
		octets[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
	for (size_t n = 0; n <= sizeof octets; n += n / 3 + 1) {
		uint32_t a = listing_crc(0, (struct slice){octets, n});
		uint32_t b = listing_crc(0, (struct slice){octets + n, sizeof octets - n});

		assert_int_equal(listing_crc_join(a, b, sizeof octets - n),
				 listing_crc(0, (struct slice){octets, sizeof octets}));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sane), cmocka_unit_test(test_uidl_octets),
					   cmocka_unit_test(test_crc), cmocka_unit_test(test_crc_join)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
