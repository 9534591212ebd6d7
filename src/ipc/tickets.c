/* ipc/tickets.c - see tickets.h */
#include "ipc/tickets.h"

#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static bool write_at(const struct region *r, const void *p, size_t n, size_t at)
{
	return pwrite(r->rw, p, n, (off_t)at) == (ssize_t)n;
}

/* The key first, then its number: nobody looks at the former before the latter. */
enum err tickets_rotate(const struct region *r, struct why *why)
{
	struct ticket_key key;
	uint32_t made;

	if (getrandom(&key, sizeof key, 0) != sizeof key || pread(r->rw, &made, sizeof made, 0) != sizeof made)
		return fail_errno(why, ERR_TEMP, "make a key for tickets");
	bool written = write_at(r, &key, sizeof key, offsetof(struct tickets, key) + made % TICKETS_KEPT * sizeof key);

	explicit_bzero(&key, sizeof key);
	made++;
	if (!written || !write_at(r, &made, sizeof made, 0))
		return fail_errno(why, ERR_TEMP, "write a key for tickets");
	return OK;
}

const struct ticket_key *tickets_current(const struct tickets *t)
{
	return &t->key[(atomic_load(&t->made) - 1) % TICKETS_KEPT];
}

const struct ticket_key *tickets_find(const struct tickets *t, const uint8_t name[static TICKET_NAME_OCTETS])
{
	uint32_t made = atomic_load(&t->made);

	for (uint32_t i = 0; i < TICKETS_ACCEPTED && i < made; i++) {
		const struct ticket_key *k = &t->key[(made - 1 - i) % TICKETS_KEPT];

		if (memcmp(k->name, name, TICKET_NAME_OCTETS) == 0)
			return k;
	}
	return NULL;
}
