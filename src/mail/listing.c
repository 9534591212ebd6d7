/* mail/listing.c - see listing.h */
#include "mail/listing.h"

#include <string.h>

#include <isa-l/crc.h>

enum { CRC_PIECE = 1 << 30 }; /* the library counts in int */

/* Octets on the wire exceed those stored by one per line end, and by the end of a last line; lines take two of them. */
static bool sizes_are_sane(const struct listing_rec *r)
{
	if (r->raw > INT64_MAX / 4 || r->pos > INT64_MAX / 4)
		return false;
	return r->octets <= 2 * r->raw + 2 && r->lines <= r->octets / 2 && (r->raw > 0 || r->octets == 0) &&
	       (r->lines > 0) == (r->octets > 0);
}

#define EACH(octet) (UINT64_MAX / UINT8_MAX * (octet))

/* Eight octets in one look. The highest bit of an octet is 0 in those below 0x80 alone, and then is left over by x + 1 up to 0x7E, and
 * by x + 0x80 - 0x21 from 0x21 on; no octet of these carries into the next. */
static bool are_visible(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof x);
	return ((x | (x + EACH(1)) | ~((x | EACH(0x80)) - EACH(0x21))) & EACH(0x80)) == 0;
}

/* Those at the end are looked at twice. */
static bool uidl_is_visible(const char *p, size_t n)
{
	if (n >= sizeof(uint64_t)) {
		for (size_t i = 0; i + sizeof(uint64_t) <= n; i += sizeof(uint64_t))
			if (!are_visible(p + i))
				return false;
		return are_visible(p + n - sizeof(uint64_t));
	}
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x21 || p[i] > 0x7E)
			return false;
	return true;
}

bool listing_is_sane(const struct listing_rec *r)
{
	return r->uidl_len >= 1 && r->uidl_len <= UIDL_MOST && sizes_are_sane(r) &&
	       uidl_is_visible(r->uidl, r->uidl_len);
}

uint64_t listing_at(const struct listing_place *p, uint32_t i)
{
	return p->at + (uint64_t)(i / p->block) * p->block_octets + (i % p->block) * sizeof(struct listing_rec);
}

uint32_t listing_run(const struct listing_place *p, uint32_t i)
{
	return p->block - i % p->block;
}

bool listing_place_is_sane(const struct listing_place *p)
{
	return p->block > 0 && p->block <= p->block_octets / sizeof(struct listing_rec) && p->at <= INT64_MAX / 4 &&
	       p->block_octets <= INT32_MAX;
}

struct slice listing_uidl(const struct listing_rec *r)
{
	return (struct slice){r->uidl, r->uidl_len <= UIDL_MOST ? r->uidl_len : 0};
}

/* The library leaves the wide registers as it used them last. On some processors, the next instruction of the older kind then takes longer
 * than the checksum of a small message: 155 ns of 190 for 500 octets. */
#ifdef __x86_64__
__attribute__((target("avx"))) static void wide_registers_done(void)
{
	__builtin_ia32_vzeroupper();
}

static bool has_wide_registers(void)
{
	return __builtin_cpu_supports("avx");
}
#else
static void wide_registers_done(void)
{
}

static bool has_wide_registers(void)
{
	return false;
}
#endif

uint32_t listing_crc(uint32_t crc, struct slice octets)
{
	while (octets.n > 0) {
		int n = octets.n < CRC_PIECE ? (int)octets.n : CRC_PIECE;

		crc = ~crc32_iscsi((unsigned char *)octets.p, n, ~crc);
		octets = (struct slice){octets.p + n, octets.n - (size_t)n};
	}
	if (has_wide_registers())
		wide_registers_done();
	return crc;
}

/* ---- joining: what a checksum becomes by n octets of 0 is a multiplication by x^(8n), modulo the polynomial ---- */

#define POLYNOMIAL 0x82F63B78U /* bits reversed, as the checksum itself: 1 << 31 is x^0 */

/* x times `a`, and what four bits that go out at x^31 come to at the other end. */
static uint32_t times_x(uint32_t a)
{
	return a >> 1 ^ (POLYNOMIAL & -(a & 1));
}

static uint32_t outgoing[16];

/* Four bits of `a` at a time, the lowest first: what is there already moves on by x^4 each time. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t times[16] = {[8] = b}; /* b, times the four bits of the index */
	uint32_t product = 0;

	for (unsigned i = 4; i > 0; i /= 2)
		times[i] = times_x(times[2 * i]);
	for (unsigned i = 2; i < 16; i *= 2)
		for (unsigned k = 1; k < i; k++)
			times[i + k] = times[i] ^ times[k];
	for (unsigned shift = 0; shift < 32; shift += 4)
		product = product >> 4 ^ outgoing[product & 15] ^ times[a >> shift & 15];
	return product;
}

enum { DIGITS = sizeof(uint64_t), DIGIT = 256 };

/* [d]: x^(8 * d * 256^k). Most messages have a length of two digits, so only some of these are ever made. */
static const uint32_t *powers(size_t k)
{
	static uint32_t power[DIGITS][DIGIT];
	uint32_t step = 1U << (31 - 8);

	if (power[k][0] != 0)
		return power[k];
	for (uint32_t bits = 1; bits < 16; bits++)
		outgoing[bits] = times_x(times_x(times_x(times_x(bits))));
	if (k > 0) {
		const uint32_t *before = powers(k - 1);

		step = multiply(before[DIGIT - 1], before[1]);
	}
	power[k][0] = 1U << 31;
	for (size_t d = 1; d < DIGIT; d++)
		power[k][d] = multiply(power[k][d - 1], step);
	return power[k];
}

uint32_t listing_crc_join(uint32_t a, uint32_t b, uint64_t b_octets)
{
	for (size_t k = 0; b_octets != 0; k++, b_octets /= DIGIT)
		if (b_octets % DIGIT != 0)
			a = multiply(powers(k)[b_octets % DIGIT], a);
	return a ^ b;
}
