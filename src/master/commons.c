/* master/commons.c - see commons.h */
#include "master/commons.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/places.h"

static unsigned cores(void)
{
	cpu_set_t set;
	unsigned n = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;

	return n < FRONTS_MOST ? n : FRONTS_MOST;
}

static unsigned slots(const struct commons *c)
{
	return c->fronts * c->generations;
}

enum err commons_open(struct commons *c, unsigned generations, size_t penalties, struct why *why)
{
	*c = (struct commons){.fronts = cores()};
	c->generations = generations < SLOTS_MOST / c->fronts ? generations : SLOTS_MOST / c->fronts;
	for (unsigned i = 0; i < SLOTS_MOST; i++)
		c->wake[i] = -1;
	enum err err = region_new(&c->places, "pop3d places", places_octets(slots(c)), why);

	c->tickets = c->penalties = (struct region){.rw = -1, .ro = -1};
	if (err == OK)
		err = region_new(&c->tickets, "pop3d tickets", sizeof(struct tickets), why);
	if (err == OK)
		err = tickets_rotate(&c->tickets, why);
	if (err == OK && penalties > 0)
		err = region_new(&c->penalties, PENALTIES_NAME, penalties, why);
	for (unsigned i = 0; err == OK && i < slots(c); i++) {
		c->wake[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (c->wake[i] < 0)
			err = fail_errno(why, ERR_TEMP, "eventfd");
	}
	if (err != OK)
		commons_close(c);
	return err;
}

void commons_close(struct commons *c)
{
	region_free(&c->places);
	region_free(&c->tickets);
	region_free(&c->penalties);
	for (unsigned i = 0; i < SLOTS_MOST; i++)
		if (c->wake[i] >= 0)
			close(c->wake[i]);
}

void commons_clear(const struct commons *c, unsigned slot)
{
	void *p = region_map(&c->places, true, 0, c->places.size);

	if (!p) {
		log_line(LOG_ERR, "cannot clear the places of a front: %s", strerror(errno));
		return;
	}
	places_reset(p, slots(c), slot);
	munmap(p, c->places.size);
	for (unsigned i = 0; i < slots(c); i++)
		(void)eventfd_write(c->wake[i], 1); /* full: it is awake */
}
