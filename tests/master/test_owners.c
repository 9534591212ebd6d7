/* Places of store workers and whose they are; who is asked to go when places run out. No process runs here. */
#include "master/owners.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "master/child.h"

/* Spawning needs them. */
int front_main(const struct role_env *env)
{
	return env != NULL;
}

int auth_main(const struct role_env *env)
{
	return env != NULL;
}

int hash_main(const struct role_env *env)
{
	return env != NULL;
}

int access_main(const struct role_env *env)
{
	return env != NULL;
}

int state_main(const struct role_env *env)
{
	return env != NULL;
}

int store_main(const struct role_env *env)
{
	return env != NULL;
}

int opener_main(const struct role_env *env)
{
	return env != NULL;
}

enum err auth_kerberos_load(struct role_env *env, struct why *why)
{
	return env && why ? OK : ERR_TEMP;
}

enum { MOST = OWNERS_RESERVE + 40, IDLERS = 30 };

static struct master m;
static int peer[MOST]; /* the other ends of the workers' channels */

static int setup(void **state)
{
	(void)state;
	memset(&m, 0, sizeof m);
	m.loop = ev_loop_new(EVFLAG_AUTO);
	m.pool[ROLE_STORE] = (struct pool){.child = calloc(MOST, sizeof(struct child)), .most = MOST};
	check(m.pool[ROLE_STORE].child);
	m.owners.most = owners_most(MOST);
	check(region_new(&m.slots, "test", (size_t)MOST * STORE_SLOT_OCTETS, NULL) == OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < m.pool[ROLE_STORE].n; i++)
		chan_done(&m.pool[ROLE_STORE].child[i].chan);
	free(m.pool[ROLE_STORE].child);
	region_free(&m.slots);
	ev_loop_destroy(m.loop);
	return 0;
}

static void on_closed(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
}

/* A worker that has been idle since then; 0: it has sessions. */
static struct child *worker(uid_t uid, uint64_t idle_since)
{
	static const struct chan_ops ops = {.closed = on_closed};
	struct child *c = place_take(&m);
	int fds[2];

	check(c && chan_pair(fds, NULL) == OK);
	c->owner = (struct identity){uid, uid};
	c->pid = (pid_t)1 << 30; /* of nobody */
	chan_init(&c->chan, m.loop, fds[0], ROLE_MASTER, ROLE_STORE, c->slot + 1, &ops, c);
	peer[c->slot] = fds[1];
	off_t at = (off_t)c->slot * STORE_SLOT_OCTETS + (off_t)offsetof(struct store_slot, idle_since_ms);

	check(pwrite(m.slots.rw, &idle_since, sizeof idle_since, at) == sizeof idle_since);
	owners_add(&m.owners, c);
	return c;
}

static void end(struct child *c)
{
	c->pid = 0;
	owners_remove(&m.owners, c);
	place_give(&m, c);
}

static void test_by_owner(void **state)
{
	(void)state;
	struct child *a = worker(1000, 0), *b = worker(1000, 0), *other = worker(1001, 0);
	struct identity ab = {1000, 1000}, group = {1000, 1001};

	check(owners_first(&m.owners, ab) == a && owners_next(a) == b && !owners_next(b));
	check(owners_first(&m.owners, other->owner) == other && !owners_next(other));
	check(!owners_first(&m.owners, group));
	end(a);
	check(owners_first(&m.owners, ab) == b && m.owners.used == 2);
	owners_remove(&m.owners, a); /* does nothing */
	check(owners_first(&m.owners, ab) == b && place_take(&m) == a);
}

/* All of them; then those that failed and were not asked for again. */
static void test_places(void **state)
{
	struct child *c = NULL;

	(void)state;
	for (unsigned i = 0; i < MOST; i++)
		c = worker(1000 + i, 0);
	check(!place_take(&m));
	c->pid = 0; /* its owner keeps the place ... */
	c->early = 3;
	c->again_ms = clock_ms() + 1000000;
	check(!place_take(&m));
	c->again_ms = 1; /* ... until it may be tried again */
	check(place_take(&m) == c && c->early == 0 && !owners_first(&m.owners, c->owner));
	c->pid = (pid_t)1 << 30;
	check(!place_take(&m) && m.owners.used == MOST);
}

/* Was it told? */
static bool is_told(const struct child *c)
{
	char octets[64];

	return read(peer[c->slot], octets, sizeof octets) > 0;
}

/* Memory may be what is short; and where all have sessions, nobody looks again at once. */
static void test_few_may_be_idle(void **state)
{
	(void)state;
	check(m.owners.most == MOST - OWNERS_RESERVE);
	m.owners.most = 2;
	for (unsigned i = 0; i < 3; i++)
		(void)worker(1000 + i, 0);
	owners_retire(&m);
	check(m.owners.retiring == 0 && m.owners.look_ms > clock_ms());
	struct child *idler = worker(2000, 1);

	owners_retire(&m);
	check(!is_told(idler));
	m.owners.look_ms = 0;
	owners_retire(&m);
	check(is_told(idler) && m.owners.retiring == 1);
}

static void test_longest_idle_go(void **state)
{
	struct child *idler[IDLERS];
	unsigned told = 0;

	(void)state;
	for (unsigned i = 0; i < IDLERS; i++)
		idler[i] = worker(1000 + i, 1000 + (i * 7) % IDLERS); /* not in the order of their places */
	owners_retire(&m);
	check(!is_told(idler[0])); /* there are places enough */
	while (MOST - m.owners.used >= OWNERS_RESERVE)
		(void)worker(3000, 0);
	struct child *spare = worker(0, 1);

	spare->spare = true;
	owners_retire(&m);
	owners_retire(&m); /* asks nobody else: those are going */
	for (unsigned i = 0; i < IDLERS; i++) {
		bool is = is_told(idler[i]);

		told += is;
		check_row(i, "idle", is == ((i * 7) % IDLERS < 16) && is == idler[i]->leaving);
	}
	check(told == 16 && m.owners.retiring == 16 && !is_told(spare));
	for (unsigned i = IDLERS; i < m.pool[ROLE_STORE].n; i++)
		check_row(i, "busy", !m.pool[ROLE_STORE].child[i].leaving);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_by_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_few_may_be_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_idle_go, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
