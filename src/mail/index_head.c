/* mail/index_head.c - see index_head.h */
#include "mail/index_head.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { VERSION = 3, ORDER = 0x01020304 };
static const char magic[8] = "pop3idx";

static const int64_t second_ns = 1000000000;
static const int64_t settle_ns = 2 * 1000000000LL; /* a change this short before a look may have been missed by it */
static const int64_t boot_slack_ns = 60 * 1000000000LL;

static_assert(sizeof(struct index_head) == 200, "a head has no padding");
static_assert(sizeof(struct listing_rec) == 112, "nor have records");
static_assert((int)INDEX_BLOCK_LEAST >= (int)INDEX_INLINE, "a small listing lies together");

void index_head_begin(struct index_head *h, const char *driver)
{
	*h = (struct index_head){.version = VERSION, .order = ORDER};
	memcpy(h->magic, magic, sizeof magic);
	strncpy(h->driver, driver, sizeof h->driver - 1);
}

uint32_t index_head_crc(const struct index_head *h)
{
	return listing_crc(0, (struct slice){(const char *)h, offsetof(struct index_head, head_crc)});
}

bool index_head_is_ours(const struct index_head *h, size_t got, const char *driver)
{
	struct index_head want;

	index_head_begin(&want, driver);
	return got >= sizeof *h && memcmp(h, &want, offsetof(struct index_head, count)) == 0 &&
	       h->head_crc == index_head_crc(h) && h->block >= INDEX_BLOCK_LEAST && h->block <= INDEX_BLOCK_MOST &&
	       (h->block & (h->block - 1)) == 0 && h->room <= INDEX_ROOM_MOST && h->room % INDEX_ROOM_STEP == 0;
}

bool index_first_is_sane(const struct index_first *first, size_t got)
{
	size_t n = (got - sizeof first->head) / sizeof *first->rec;
	uint64_t octets = 0;

	if (n > first->head.count)
		n = first->head.count;
	for (size_t i = 0; i < n; i++) {
		if (!listing_is_sane(&first->rec[i]))
			return false;
		octets += first->rec[i].octets;
	}
	return n < first->head.count || octets == first->head.octets;
}

static bool is_settled(int64_t taken_ns, int64_t changed_ns)
{
	int64_t since;

	return !__builtin_sub_overflow(taken_ns, changed_ns, &since) && since > settle_ns;
}

bool index_is_calm(const struct stamp *s, int64_t now_ns)
{
	return is_settled(now_ns, s->mtime_ns) && is_settled(now_ns, s->ctime_ns);
}

struct listing_place index_records_at(uint32_t block, uint32_t room)
{
	const uint32_t octets = block * (uint32_t)(sizeof(struct listing_rec) + INDEX_ENTRY_OCTETS + room);

	return (struct listing_place){sizeof(struct index_head), block, octets};
}

uint64_t index_end(uint32_t count, uint32_t block, uint32_t room)
{
	const struct listing_place p = index_records_at(block, room);
	const uint32_t last = count - 1, n = last % block + 1;
	const uint64_t at = p.at + (uint64_t)(last / block) * p.block_octets + block * sizeof(struct listing_rec);

	if (count == 0)
		return p.at;
	return room > 0 ? at + (uint64_t)block * INDEX_ENTRY_OCTETS + (uint64_t)n * room
			: at + (uint64_t)n * INDEX_ENTRY_OCTETS;
}

bool index_is_of_this_boot(int64_t mtime_ns)
{
	struct timespec up;

	return clock_gettime(CLOCK_BOOTTIME, &up) == 0 &&
	       mtime_ns > clock_wall_ns() - (up.tv_sec * second_ns + up.tv_nsec) + boot_slack_ns;
}
