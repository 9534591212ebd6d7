/* auth/penalty.c - see penalty.h */
#include "auth/penalty.h"

#include <openssl/evp.h>
#include <string.h>

#include "auth/penalty_entry.h"
#include "base/slice.h"

enum {
	USER_MOST = 512, /* octets of a user's name that count */
};

struct penalty_head {
	struct keyed_secret secret;
	_Atomic uint64_t quiet_ms; /* from then on nothing that was written counts any more */
	char pad[PENALTY_LINE - sizeof(struct keyed_secret) - 8];
	_Atomic uint64_t stat[PENALTY_STATS];
	char pad2[PENALTY_LINE - 8 * PENALTY_STATS];
};

_Static_assert(sizeof(struct penalty_head) % PENALTY_LINE == 0, "entries begin at a cache line");

/* What is counted; also what the hash of each begins with. */
enum of { OF_ADDRESS, OF_USER, OF_BOTH, OFS };

size_t penalties_octets(size_t entries)
{
	return sizeof(struct penalty_head) +
	       (entries + PENALTY_WAYS - 1) / PENALTY_WAYS * sizeof(struct penalty_bucket);
}

enum err penalties_open(struct penalties *p, void *memory, size_t octets, const struct penalty_rules *rules,
			struct why *why)
{
	*p = (struct penalties){.rules = *rules};
	if (!memory || rules->most_s == 0 || octets < penalties_octets(1))
		return OK;
	enum err err = keyed_open(&p->mac, &((struct penalty_head *)memory)->secret, why);

	if (err != OK)
		return err;
	p->head = memory;
	p->buckets = (struct penalty_bucket *)(p->head + 1);
	p->nbuckets = (octets - sizeof(struct penalty_head)) / sizeof(struct penalty_bucket);
	return OK;
}

void penalties_close(struct penalties *p)
{
	EVP_MAC_CTX_free(p->mac);
	*p = (struct penalties){0};
}

static void stat_count(const struct penalties *p, enum penalty_stat s)
{
	atomic_fetch_add_explicit(&p->head->stat[s], 1, memory_order_relaxed);
}

uint64_t penalties_stat(const struct penalties *p, enum penalty_stat s)
{
	return p->head ? atomic_load_explicit(&p->head->stat[s], memory_order_relaxed) : 0;
}

/* --- keys ------------------------------------------------------------------------------------------------------- */

static bool hash_of(const struct penalties *p, enum of of, struct slice a, struct slice b, uint64_t *out)
{
	struct slice field[] = {{(char[]){(char)of}, 1}, a, b};
	uint32_t mac[KEYED_OCTETS / 4];

	if (!keyed_hash(p->mac, field, sizeof field / sizeof *field, mac))
		return false;
	*out = (uint64_t)mac[0] << 32 | mac[1];
	*out += *out == 0;
	return true;
}

/* "Bob!example.com" and "bob@example.com" may be one user; whoever tells them apart has two that count as one. */
static struct slice user_fold(struct slice user, char text[static USER_MOST])
{
	size_t n = user.n < USER_MOST ? user.n : USER_MOST;

	for (size_t i = 0; i < n; i++) {
		char c = user.p[i];

		text[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c == ':' || c == '!' ? '@' : c);
	}
	return (struct slice){text, n};
}

/* key[OF_ADDRESS] and key[OF_USER]: 0 where there is none. False: libcrypto failed, and nothing counts. */
static bool keys_of(const struct penalties *p, const struct penalty_client *c, uint64_t key[static OFS])
{
	char text[USER_MOST];
	uint64_t number = address_key(c->address);
	struct slice address = {(const char *)&number, sizeof number}, user = user_fold(c->user, text);

	memset(key, 0, OFS * sizeof *key);
	if (number != 0 && !hash_of(p, OF_ADDRESS, address, SLICE(""), &key[OF_ADDRESS]))
		return false;
	if (user.n > 0 && !hash_of(p, OF_USER, user, SLICE(""), &key[OF_USER]))
		return false;
	/* both are what nobody can choose, and so is their mixture */
	key[OF_BOTH] = (key[OF_ADDRESS] + (key[OF_USER] << 31 | key[OF_USER] >> 33)) * UINT64_C(0x9E3779B97F4A7C15);
	key[OF_BOTH] += key[OF_BOTH] == 0;
	if (c->exempt)
		key[OF_ADDRESS] = 0;
	return true;
}

/* --- what it costs ---------------------------------------------------------------------------------------------- */

static uint32_t most_ms(const struct penalties *p)
{
	return p->rules.most_s * 1000;
}

static uint32_t delay_ms(const struct penalties *p, uint32_t count)
{
	uint32_t failures = count / PENALTY_ONE, most = most_ms(p);

	if (failures < PENALTY_FREE)
		return 0;
	return failures - PENALTY_FREE >= 16 || 1000U << (failures - PENALTY_FREE) > most
		       ? most
		       : 1000U << (failures - PENALTY_FREE);
}

/* When the next from this address would go on. */
static uint64_t turn(uint64_t next, uint64_t key, uint64_t now_ms, uint32_t delay)
{
	uint64_t last = entry_time(next, key);

	return (last > now_ms ? last : now_ms) + delay;
}

static bool is_full(const struct penalties *p, uint64_t turn_ms, uint64_t now_ms)
{
	return turn_ms - now_ms > most_ms(p);
}

/* Nothing can be in force: the common case where nobody attacks. */
static bool is_quiet(const struct penalties *p, uint64_t now_ms)
{
	return !p->head || now_ms >= atomic_load_explicit(&p->head->quiet_ms, memory_order_relaxed);
}

static void stir(const struct penalties *p, uint64_t until_ms)
{
	uint64_t old = atomic_load(&p->head->quiet_ms);

	while (old < until_ms && !atomic_compare_exchange_weak(&p->head->quiet_ms, &old, until_ms))
		continue;
}

static bool is_locked(const struct penalties *p, const uint64_t key[static OFS], uint64_t now_ms)
{
	if (entry_locked(entry_find(p, key[OF_ADDRESS]), key[OF_ADDRESS], now_ms) == 0 &&
	    entry_locked(entry_find(p, key[OF_USER]), key[OF_USER], now_ms) == 0)
		return false;
	stat_count(p, PENALTY_STAT_LOCKED);
	return true;
}

bool penalties_locked(const struct penalties *p, const struct penalty_client *c, uint64_t now_ms)
{
	uint64_t key[OFS];

	return !is_quiet(p, now_ms) && keys_of(p, c, key) && is_locked(p, key, now_ms);
}

enum penalty penalties_look(const struct penalties *p, const struct penalty_client *c, uint64_t now_ms)
{
	uint64_t key[OFS];

	if (is_quiet(p, now_ms) || !keys_of(p, c, key))
		return PENALTY_NONE;
	const struct penalty_entry *address = entry_find(p, key[OF_ADDRESS]);

	if (is_locked(p, key, now_ms))
		return PENALTY_LOCKED;
	uint32_t delay = delay_ms(p, entry_count(address, key[OF_ADDRESS], now_ms));

	if (delay == 0 || !is_full(p, turn(atomic_load(&address->next), key[OF_ADDRESS], now_ms, delay), now_ms))
		return PENALTY_NONE;
	stat_count(p, PENALTY_STAT_REFUSED);
	return PENALTY_FULL;
}

/* Takes the next turn. False: it would be too late. */
static bool turn_take(const struct penalties *p, struct penalty_entry *e, uint64_t key, uint64_t now_ms,
		      uint32_t *wait_ms)
{
	uint32_t delay = delay_ms(p, entry_count(e, key, now_ms));
	uint64_t old = delay > 0 ? atomic_load(&e->next) : 0, at;

	*wait_ms = 0;
	if (delay == 0)
		return true;
	do {
		at = turn(old, key, now_ms, delay);
		if (is_full(p, at, now_ms))
			return false;
	} while (!atomic_compare_exchange_weak(&e->next, &old, entry_word(at, key)));
	*wait_ms = (uint32_t)(at - now_ms);
	return true;
}

enum penalty penalties_take(const struct penalties *p, const struct penalty_client *c, bool known, uint64_t now_ms,
			    uint32_t *wait_ms)
{
	uint64_t key[OFS];

	*wait_ms = 0;
	if (is_quiet(p, now_ms) || !keys_of(p, c, key))
		return PENALTY_NONE;
	uint32_t own = entry_count(entry_find(p, key[OF_BOTH]), key[OF_BOTH], now_ms) / PENALTY_ONE;
	uint32_t of_user = delay_ms(p, entry_count(entry_find(p, key[OF_USER]), key[OF_USER], now_ms));

	if (!turn_take(p, entry_find(p, key[OF_ADDRESS]), key[OF_ADDRESS], now_ms, wait_ms)) {
		stat_count(p, PENALTY_STAT_REFUSED);
		return PENALTY_FULL;
	}
	/* Without the second condition the cache would tell a right guess at once, however many were wrong. */
	if (known && own < PENALTY_FREE)
		of_user = 0;
	if (of_user > *wait_ms)
		*wait_ms = of_user;
	if (*wait_ms > 0)
		stat_count(p, PENALTY_STAT_DELAYED);
	return PENALTY_NONE;
}

/* --- what is counted -------------------------------------------------------------------------------------------- */

/* One more of this key. True, and *failures: it is locked out from now on. */
static bool key_failed(const struct penalties *p, uint64_t key, uint32_t tag, uint64_t now_ms, uint32_t *failures)
{
	const struct penalty_rules *r = &p->rules;
	struct penalty_entry *e = key != 0 ? entry_claim(p, key, now_ms) : NULL;

	if (!e || entry_tag(e, tag))
		return false;
	*failures = entry_change(e, key, PENALTY_ONE, now_ms) / PENALTY_ONE;
	if (r->lockout_s == 0 || r->lockout_failures == 0 || *failures < r->lockout_failures ||
	    entry_locked(e, key, now_ms) > 0)
		return false;
	atomic_store(&e->locked, entry_word(now_ms + UINT64_C(1000) * r->lockout_s, key));
	stir(p, now_ms + UINT64_C(1000) * r->lockout_s);
	stat_count(p, PENALTY_STAT_LOCKOUTS);
	return true;
}

void penalties_wrong(const struct penalties *p, const struct penalty_client *c, struct slice password, uint64_t now_ms,
		     struct penalty_news *news)
{
	char text[USER_MOST];
	uint64_t key[OFS], tag;
	uint32_t failures = 0;

	*news = (struct penalty_news){0};
	if (!p->head || !keys_of(p, c, key) || !hash_of(p, OFS, user_fold(c->user, text), password, &tag))
		return;
	struct penalty_entry *both = entry_claim(p, key[OF_BOTH], now_ms);
	uint32_t short_tag = (uint32_t)tag | 1; /* 0 is none */

	if (entry_tag(both, short_tag)) {
		stat_count(p, PENALTY_STAT_REPEATED);
		return;
	}
	stir(p, now_ms + UINT64_C(16000) * PENALTY_HALF_S);
	entry_change(both, key[OF_BOTH], PENALTY_ONE, now_ms);
	if (key_failed(p, key[OF_ADDRESS], short_tag, now_ms, &failures))
		news->address = failures;
	if (key_failed(p, key[OF_USER], short_tag, now_ms, &failures))
		news->user = failures;
	stat_count(p, PENALTY_STAT_FAILURES);
}

static void take_back(const struct penalties *p, uint64_t key, uint32_t count, uint64_t now_ms)
{
	struct penalty_entry *e = entry_find(p, key);

	if (e)
		entry_change(e, key, -(int64_t)count, now_ms);
}

void penalties_right(const struct penalties *p, const struct penalty_client *c, uint64_t now_ms)
{
	uint64_t key[OFS];

	if (is_quiet(p, now_ms) || !keys_of(p, c, key))
		return;
	struct penalty_entry *both = entry_find(p, key[OF_BOTH]);
	uint32_t count = both ? entry_take(both, key[OF_BOTH], now_ms) : 0;

	if (count == 0)
		return;
	take_back(p, key[OF_ADDRESS], count, now_ms);
	take_back(p, key[OF_USER], count, now_ms);
}

/* --- for the administrator -------------------------------------------------------------------------------------- */

static struct penalty_standing stand(const struct penalties *p, uint64_t key, uint64_t now_ms)
{
	const struct penalty_entry *e = entry_find(p, key);

	return (struct penalty_standing){.failures = entry_count(e, key, now_ms) / PENALTY_ONE,
					 .locked_s = (uint32_t)((entry_locked(e, key, now_ms) + 999) / 1000)};
}

void penalties_stand(const struct penalties *p, const struct penalty_client *c, uint64_t now_ms,
		     struct penalty_standings *out)
{
	uint64_t key[OFS];

	*out = (struct penalty_standings){{0}, {0}};
	if (is_quiet(p, now_ms) || !keys_of(p, c, key))
		return;
	out->address = stand(p, key[OF_ADDRESS], now_ms);
	out->user = stand(p, key[OF_USER], now_ms);
}

static void forget(const struct penalties *p, uint64_t key)
{
	struct penalty_entry *e = entry_find(p, key);

	if (e)
		atomic_store(&e->key, 0);
}

void penalties_clear(const struct penalties *p, const struct penalty_client *c)
{
	uint64_t key[OFS];

	if (!p->head || !keys_of(p, c, key))
		return;
	forget(p, key[OF_ADDRESS]);
	forget(p, key[OF_USER]);
}
