/* state/reservations.c - see reservations.h */
#include "state/reservations.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOOK_MOST = 64 }; /* rows that are looked at for a free one before the oldest is given up */

size_t reservations_octets(void)
{
	return RESERVATIONS_MOST * sizeof(struct reservation);
}

void reservations_open(struct reservations *rs, void *shared)
{
	*rs = (struct reservations){.row = shared, .since_ms = clock_ms()};
	for (uint32_t i = 0; i < RESERVATIONS_MOST; i++)
		rs->inherited += rs->row[i].number != 0;
}

struct reservation *reservations_new(struct reservations *rs, struct slice key)
{
	struct reservation *oldest = &rs->row[rs->next], *r = oldest;

	for (unsigned i = 0; r->number != 0 && i < LOOK_MOST; i++) {
		rs->next = (rs->next + 1) % RESERVATIONS_MOST;
		r = &rs->row[rs->next];
	}
	if (r->number != 0)
		r = oldest;
	rs->next = (uint32_t)(r - rs->row + 1) % RESERVATIONS_MOST;
	*r = (struct reservation){.key_len = (uint16_t)key.n};
	memcpy(r->key, key.p, key.n);
	return r;
}

/* The kernel is asked for many at once. */
static bool secret_take(struct reservations *rs, uint32_t *out)
{
	if (rs->secrets == 0 && getrandom(rs->secret, sizeof rs->secret, 0) == sizeof rs->secret)
		rs->secrets = RESERVATION_SECRETS;
	if (rs->secrets == 0)
		return false;
	*out = rs->secret[--rs->secrets];
	return true;
}

bool reservation_begin(struct reservations *rs, struct reservation *r)
{
	uint32_t secret;

	if (!secret_take(rs, &secret))
		return false;
	atomic_thread_fence(memory_order_release); /* the row is whole before it counts, whenever we are killed */
	r->number = (uint64_t)(r - rs->row + 1) << 32 | secret;
	rs->begun++;
	return true;
}

void reservation_end(struct reservation *r)
{
	r->number = 0;
}

struct slice reservation_key(const struct reservation *r)
{
	return (struct slice){r->key, r->key_len};
}

struct reservation *reservations_find(const struct reservations *rs, uint64_t number)
{
	uint64_t at = number >> 32;
	struct reservation *r = at >= 1 && at <= RESERVATIONS_MOST ? &rs->row[at - 1] : NULL;

	return r && r->number == number ? r : NULL;
}

/* Whose numbers begin anywhere: one store cannot hide what another writes. What is left, too little for a number, is returned. */
static size_t end_all(const struct reservations *rs, const char *text, size_t n)
{
	size_t at = 0;

	while (n - at >= sizeof(uint64_t)) {
		uint64_t number;

		memcpy(&number, text + at, sizeof number);
		struct reservation *r = reservations_find(rs, number);

		if (r)
			reservation_end(r);
		at += r ? sizeof number : 1;
	}
	return n - at;
}

void reservations_take_confirmed(struct reservations *rs, int fd)
{
	char text[4096];
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, text + have, sizeof text - have)) > 0 || (n < 0 && errno == EINTR)) {
		size_t all = have + (n > 0 ? (size_t)n : 0);

		have = end_all(rs, text, all);
		memmove(text, text + all - have, have);
	}
	rs->begun = 0;
}

struct reservation *reservations_inherited(struct reservations *rs, uint64_t sid, struct slice key)
{
	if (rs->inherited == 0)
		return NULL;
	for (uint32_t i = 0; i < RESERVATIONS_MOST; i++) {
		struct reservation *r = &rs->row[i];

		if (r->number != 0 && r->sid == sid && slice_eq(reservation_key(r), key))
			return r;
	}
	return NULL;
}

void reservations_doubt(const struct reservations *rs, uint32_t auth, uint64_t now_ms)
{
	for (uint32_t i = 0; i < RESERVATIONS_MOST; i++)
		if (rs->row[i].number != 0 && rs->row[i].auth == auth && rs->row[i].doubt_ms == 0)
			rs->row[i].doubt_ms = now_ms;
}

struct reservation *reservations_doubtful(const struct reservations *rs, const struct reservation *r, uint64_t since_ms)
{
	for (uint32_t i = r ? (uint32_t)(r - rs->row) + 1 : 0; i < RESERVATIONS_MOST; i++)
		if (rs->row[i].number != 0 && rs->row[i].doubt_ms != 0 && rs->row[i].doubt_ms <= since_ms)
			return &rs->row[i];
	return NULL;
}
