/* store/room.h - memory for what grows with a mailbox
 *
 * A room begins on the heap. A large one is a mapping of a file that has no name, which nobody else can reach or truncate: in the
 * directory of indexes, so that it is page cache, or where that cannot be, a memfd. What has been used can be shed: it stays in the file,
 * and comes back when it is looked at. So a process that goes through millions of messages has few of them mapped at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROOM_HEAP_MOST = 512 * 1024 }; /* octets of a room that stays on the heap */

struct room {
	char *p; /* moves when it grows; owned */
	size_t cap;
	struct room_large *large; /* of a large one: its file */
};

/* Where files without a name are made, from now on; borrowed, -1: nowhere. */
void room_set_dir(int dir);

/* At least `cap` octets; what was there stays. False: no memory, and nothing has changed. A room begins as {0}. */
bool room_grow(struct room *r, size_t cap);

/* Row n of those of `size` octets, with room for it: what is new of the room has any contents. NULL: no memory. */
void *room_row(struct room *r, size_t n, size_t size);

/* Writes `n` octets at `at`, which is within the room, where the last one ended. Those of a large room are collected and written to its file: a page that is
 * only written costs less than one that is mapped for it. What was appended is at r->p only behind room_flush. False: it cannot be written. */
bool room_append(struct room *r, size_t at, const void *p, size_t n);
bool room_flush(struct room *r);

/* Copies octets that are in the room, without mapping a page. False: they cannot be read. */
bool room_read(const struct room *r, size_t at, void *p, size_t n);

/* All large rooms of the process. Contents stay. */
void room_shed_all(void);

/* Whoever goes through all rows of something calls it for each of them: once in a while it sheds what lies behind. */
void room_pass(size_t i);

/* How many rows are worked on at a time by what cannot go through them one after the other: tables (store/ids.h), sorting (store/pile.h). */
enum { ROOM_ROWS = 64 * 1024 };
uint32_t room_rows(void);
void room_set_rows(uint32_t rows); /* for tests: fewer than ROOM_ROWS, at least 1 */

void room_done(struct room *r);
