/* tests/front/test_places.c - never more clients than places, and no place free while somebody waits, over many fronts
 *
 * The fronts are processes that take and give back places as fast as they can. */
#include "ipc/places.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "ipc/role.h"

enum { SLOTS = 8, FRONTS = 4, PLACES = 3, ROUNDS = 3000, PATIENCE = 60 };

static struct conf_server servers[2];
static struct conf conf = {.max_children = PLACES, .max_per_address = 2, .servers = servers, .nservers = 2};

/* What the processes find out, beside the places. */
static struct {
	_Atomic uint32_t inside, most;
	_Atomic uint64_t served;
} * found;

static void *shared;

static void begin(void)
{
	int flags = MAP_SHARED | MAP_ANONYMOUS;

	shared = mmap(NULL, places_octets(SLOTS), PROT_READ | PROT_WRITE, flags, -1, 0);
	found = mmap(NULL, sizeof *found, PROT_READ | PROT_WRITE, flags, -1, 0);
	check(shared != MAP_FAILED && found != MAP_FAILED);
}

static void end(void)
{
	munmap(shared, places_octets(SLOTS));
	munmap(found, sizeof *found);
}

static void seat_take(struct places *p, unsigned slot, uint64_t seed)
{
	struct places_seat seat = {.shared = shared, .slots = SLOTS, .slot = slot, .first = 0, .peers = SLOTS};

	places_open(p, &seat, &conf, seed);
}

static void be_inside(void)
{
	uint32_t now = ++found->inside;

	for (uint32_t most = found->most; now > most;)
		if (atomic_compare_exchange_weak(&found->most, &most, now))
			break;
	found->served++;
	found->inside--;
}

/* One client: in at once, or with a ticket and in its turn. */
static void serve(struct places *p, unsigned slot)
{
	if (places_are_awaited(p) || !places_take(p)) {
		places_publish(p, places_ticket(p));
		while (places_next(p) != (int)slot || !places_take(p))
			usleep(1); /* a front would sleep until it is woken */
		places_publish(p, 0);
	}
	be_inside();
	places_give(p);
}

static _Noreturn void front(unsigned slot)
{
	struct places p;

	alarm(PATIENCE); /* whoever starves is killed, and that is a failure */
	seat_take(&p, slot, 12345);
	for (int i = 0; i < ROUNDS; i++)
		serve(&p, slot);
	_exit(0);
}

static void test_many_fronts(void **state)
{
	(void)state;
	begin();
	for (unsigned slot = 0; slot < FRONTS; slot++) {
		pid_t pid = fork();

		check(pid >= 0);
		if (pid == 0)
			front(slot);
	}
	for (unsigned slot = 0; slot < FRONTS; slot++) {
		int status = -1;

		check(wait(&status) > 0 && status == 0);
	}
	check(found->served == FRONTS * ROUNDS);
	check(found->most <= PLACES && found->inside == 0);
	end();
}

/* Who waits longest, and where. */
static void test_order(void **state)
{
	struct places a, b;

	(void)state;
	begin();
	seat_take(&a, 5, 1);
	seat_take(&b, 2, 1);
	for (int i = 0; i < PLACES; i++)
		check(places_take(i % 2 ? &a : &b));
	check(!places_take(&a) && !places_take(&b));
	check(places_next(&a) == -1 && !places_are_awaited(&a));
	uint64_t first = places_ticket(&a), second = places_ticket(&b);

	check(first > 0 && second > first);
	places_publish(&b, second);
	places_publish(&a, first);
	check(places_are_awaited(&b) && places_next(&b) == -1); /* nothing is free */
	places_give(&b);
	check(places_next(&a) == 5 && places_next(&b) == 5);
	check(places_take(&a));
	places_publish(&a, 0);
	check(places_next(&a) == -1);
	/* b's front dies: its client goes, and so does the one that waited. */
	places_reset(shared, SLOTS, 2);
	check(places_mine(&b) == 0 && !places_are_awaited(&a) && places_take(&a));
	end();
}

static void test_waiting_is_counted(void **state)
{
	struct places a, b;

	(void)state;
	begin();
	seat_take(&a, 0, 1);
	seat_take(&b, 1, 1);
	check(places_wait(&a, 1, 2) && places_wait(&b, 1, 2));
	check(!places_wait(&a, 1, 2) && !places_wait(&b, 1, 2));
	check(places_wait(&a, 0, 2)); /* another server */
	places_wait_over(&b, 1);
	check(places_wait(&a, 1, 2) && !places_wait(&b, 1, 2));
	places_reset(shared, SLOTS, 0);
	check(places_wait(&b, 1, 2) && places_wait(&b, 1, 2) && !places_wait(&b, 1, 2));
	check(places_spell_begins(&a) && !places_spell_begins(&b));
	places_spell_over(&b);
	check(places_spell_begins(&b));
	end();
}

static const struct {
	const char *name;
	struct address a, b;
	bool same;
} address[] = {
	{"itself", {AF_INET, 1, 0, {10, 0, 0, 1}}, {AF_INET, 2, 0, {10, 0, 0, 1}}, true},
	{"another", {AF_INET, 1, 0, {10, 0, 0, 1}}, {AF_INET, 1, 0, {10, 0, 0, 2}}, false},
	{"IPv6 network",
	 {AF_INET6, 1, 0, {0x20, 1, 2, 3, 4, 5, 6, 7, 8}},
	 {AF_INET6, 1, 0, {0x20, 1, 2, 3, 4, 5, 6, 7, 9}},
	 true},
	{"IPv6, another",
	 {AF_INET6, 1, 0, {0x20, 1, 2, 3, 4, 5, 6, 7}},
	 {AF_INET6, 1, 0, {0x20, 1, 2, 3, 4, 5, 6, 8}},
	 false},
	{"IPv4, IPv6", {AF_INET, 1, 0, {0, 0, 0, 1}}, {AF_INET6, 1, 0, {0, 0, 0, 0, 0, 0, 0, 1}}, false},
	{"Unix", {0, 0, 0, {0}}, {0, 0, 0, {0}}, false},
};

static void test_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(address); i++) {
		const char *name = address[i].name;
		struct places a, b;

		begin();
		seat_take(&a, 0, 77);
		seat_take(&b, 1, 78);
		check_row(i, name, places_address_take(&a, &address[i].a) && places_address_take(&b, &address[i].a));
		check_row(i, name, places_address_take(&a, &address[i].b) == !address[i].same);
		check_row(i, name, places_address_take(&b, &address[i].a) == (address[i].a.family == 0));
		places_address_give(&b, &address[i].a);
		check_row(i, name, places_address_take(&a, &address[i].a));
		places_reset(shared, SLOTS, 0);
		check_row(i, name, places_address_take(&b, &address[i].a) && places_address_take(&b, &address[i].a));
		end();
	}
}

/* All clients that there may be, each from its own address, fit into the table, and leave it empty. */
static void test_address_table(void **state)
{
	enum { CLIENTS = 10000 };
	struct places p;

	(void)state;
	conf.max_children = CLIENTS;
	begin();
	seat_take(&p, 0, 99);
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < CLIENTS; i++) {
			struct address a = {AF_INET, 1, 0, {(uint8_t)round, 1, (uint8_t)(i >> 8), (uint8_t)i}};

			check(places_address_take(&p, &a));
		}
		for (uint32_t i = 0; i < CLIENTS; i++) {
			struct address a = {AF_INET, 1, 0, {(uint8_t)round, 1, (uint8_t)(i >> 8), (uint8_t)i}};

			places_address_give(&p, &a);
		}
	}
	end();
	conf.max_children = PLACES;
}

static void test_balance(void **state)
{
	struct places a, b;

	(void)state;
	conf.max_children = 0;
	begin();
	seat_take(&a, 0, 1);
	for (int i = 0; i < 100; i++)
		check(places_take(&a));
	check(!places_are_ahead(&a)); /* alone */
	seat_take(&b, 1, 1);
	check(places_are_ahead(&a) && !places_are_ahead(&b));
	for (int i = 0; i < 90; i++)
		check(places_take(&b));
	check(!places_are_ahead(&a));
	places_reset(shared, SLOTS, 1);
	check(!places_are_ahead(&a)); /* alone again */
	end();
	conf.max_children = PLACES;
}

/* Two configurations at once: fronts 0 and 1 have the old one, 2 and 3 the new. */
static void test_generations(void **state)
{
	static const struct address one = {AF_INET, 1, 0, {10, 0, 0, 1}};
	struct conf old = {.max_children = 100000}, young = {.max_children = 2, .max_per_address = 2};
	struct places_seat seats[] = {
		{.slots = SLOTS, .slot = 0, .first = 0, .peers = 2},
		{.slots = SLOTS, .slot = 1, .first = 0, .peers = 2},
		{.slots = SLOTS, .slot = 2, .first = 2, .peers = 2},
		{.slots = SLOTS, .slot = 3, .first = 2, .peers = 2},
	};
	struct places p[TABLE_ROWS(seats)];

	(void)state;
	begin();
	for (size_t i = 0; i < TABLE_ROWS(seats); i++) {
		seats[i].shared = shared;
		places_open(&p[i], &seats[i], i < 2 ? &old : &young, 7);
	}
	/* clients of the old count for the new, also by address, in tables of another size, where there was no limit */
	check(places_take(&p[0]) && places_address_take(&p[0], &one));
	check(places_take(&p[3]) && !places_take(&p[2]));
	check(places_address_take(&p[2], &one) && !places_address_take(&p[3], &one));
	places_address_give(&p[0], &one);
	check(places_address_take(&p[3], &one));
	/* servers have numbers of their own in each */
	check(places_wait(&p[0], 5, 1) && places_wait(&p[3], 5, 1));
	check(!places_wait(&p[1], 5, 1) && !places_wait(&p[2], 5, 1));
	/* tickets are of one row */
	places_publish(&p[1], places_ticket(&p[1]));
	places_publish(&p[2], places_ticket(&p[2]));
	places_give(&p[0]);
	check(places_next(&p[3]) == 1);
	/* who has left is no match for others, and takes nothing of theirs */
	places_leave(&p[0]);
	places_leave(&p[1]);
	check(places_idlest(&p[2]) == 3 && places_idlest(&p[3]) == 2);
	places_leave(&p[2]);
	check(places_idlest(&p[3]) == -1);
	end();
}

/* Numbers that a front which was taken over writes lead nobody out of the memory. */
static void test_hostile_front(void **state)
{
	static const struct address one = {AF_INET, 1, 0, {10, 0, 0, 1}};
	struct places good, bad;

	(void)state;
	begin();
	seat_take(&good, 0, 1);
	seat_take(&bad, 1, 1);
	memset((char *)shared, 0xFF, 64 + SLOTS * 64); /* head and parts, as far as they are not good's own by then */
	seat_take(&good, 0, 1);
	(void)places_take(&good);
	(void)places_address_take(&good, &one);
	places_address_give(&good, &one);
	check(places_next(&good) < SLOTS && places_idlest(&good) < SLOTS);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generations),        cmocka_unit_test(test_hostile_front),
		cmocka_unit_test(test_many_fronts),        cmocka_unit_test(test_order),
		cmocka_unit_test(test_waiting_is_counted), cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_address_table),      cmocka_unit_test(test_balance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
