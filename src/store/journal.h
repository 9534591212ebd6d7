/* store/journal.h - what is durable about a file that is being changed in place: enough to bring it to its end
 *
 * A file in the owner's directory of journals, named by the inode of the file that it speaks of, so that every name of that finds it. Native
 * byte order:
 *	head		whose journal it is, and its own form; behind it, how often its replay was begun in vain
 *	cuts		what goes
 *	two slots	a record each, and the octets that it writes; number n is in slot n % 2
 * It is written whole and synced under the name INODE.new, and renamed; so what has the name INODE always has a record.
 * A record that is not whole was never acted upon (store/shift.h), and the one before it counts.
 *
 * Space: as much as the file needs, up to a megabyte for each slot. Where the disk is full, the file `spare` is used, which
 * master has set aside. One that cannot be used gets another name, INODE.aside-TIME, and is left to people.
 *
 * All in it is checked like hostile input: the directory is its owner's. */
#pragma once
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/why.h"

struct cut;

/* Where journals of an owner lie, and what file they are made for. */
struct journal_place {
	int dir;          /* borrowed; open for reading: it is synced */
	const char *path; /* of the file, absolute: where a replay looks for it */
	uint32_t window;  /* octets that are moved at once, at most; 0: as many as can be */
};

enum {
	JOURNAL_WINDOW = 1024 * 1024, /* octets that a record writes at most */
	JOURNAL_MARK = 32,            /* of them a mark */
	JOURNAL_ATTEMPTS = 5,         /* that end with the process, and come no further, before it is set aside */
	JOURNAL_NAME = 16 + 24,
};

struct journal_head {
	char magic[8];
	uint32_t version, order;
	uint64_t ino, octets; /* of the file, before anything was changed */
	uint64_t cuts;
	uint32_t window; /* octets of data in a slot */
	uint32_t pid;    /* that the file's dotlock has: see spool_keep */
	uint32_t cuts_crc;
	uint32_t spare; /* made of `spare', and becomes it again */
	char path[PATH_MAX];
	uint32_t pad, head_crc;
};

struct journal_record {
	uint64_t seq;                    /* 1, 2, 3... */
	uint64_t at;                     /* where its data goes, and everything before has come to its end */
	uint64_t next;                   /* what the file had before this is moved, or cut */
	uint64_t cut;                    /* number of cuts before `next` */
	uint32_t octets;                 /* of data */
	uint32_t mark;                   /* how many of them, at the end, are a mark; see shift.h */
	uint32_t before_crc, behind_crc; /* of what lies around the data in the file */
	uint32_t truncate;               /* the data is there already: the file ends at `at` */
	uint32_t crc;                    /* of all this, and of the data */
};

/* An open journal. One at a time: the octets are static. */
struct journal {
	int dir, fd;    /* dir: borrowed */
	bool attempted; /* the number of attempts is not 0 */
	char name[JOURNAL_NAME];
	struct journal_head head;
	struct {
		struct journal_record rec; /* the last one */
		char data[JOURNAL_WINDOW];
	} slot;
};

void journal_name(uint64_t ino, char name[static JOURNAL_NAME]);

/* True for the name of a journal that is to be replayed, and for no other. */
bool journal_is_name(const char *name);

/* There is a journal of this file: it must be replayed before anything else is done with it. */
bool journal_is_left(const struct journal_place *place, uint64_t ino);

/* A new journal under its first name, without a record, for slots of up to `window` octets; spare: of the space set aside. After an
 * error, which errno tells, there is none. */
enum err journal_new(struct journal *j, const struct journal_place *place, const struct stat *file,
		     const struct cut *cut, size_t n, uint32_t window, bool spare, struct why *why);

/* Writes the record, with its number and checksum. Without sync. */
enum err journal_put(struct journal *j, struct why *why);

enum err journal_sync(const struct journal *j, struct why *why);

/* Makes a new journal, with its first record, durable under its name. After an error, which errno tells, there is none. */
enum err journal_begin(struct journal *j, struct why *why);

/* There is no use for it: nothing has been changed. Closes it. */
void journal_abandon(struct journal *j);

/* Counts an attempt to replay it, before anything in it is looked at: a process that dies of what is in it must not do so for ever.
 * ERR_PERM: there were JOURNAL_ATTEMPTS. A failure to count is none. */
enum err journal_attempt(int dir, const char *name, struct why *why);

/* It has come further, or nobody has died: no attempt was in vain. */
void journal_progress(struct journal *j);
void journal_forgive(int dir, const char *name);

/* Removes what processes that died have left of journals that were never begun: INODE.new, an hour old. */
void journal_sweep(int dir);

/* The journal of this name, with its last record. ERR_PERM: it is damaged. Under the lock of its file; after an error it is closed. */
enum err journal_open(struct journal *j, int dir, const char *name, struct why *why);

/* Only its head, checked as far as that goes, and without a lock. ERR_PERM: as above. */
enum err journal_peek(int dir, const char *name, struct journal_head *head, struct why *why);

/* What was read may be in memory only, after a process that died: makes it durable before it is acted upon. */
enum err journal_harden(struct journal *j, struct why *why);

/* i is below head.cuts. */
enum err journal_cut(const struct journal *j, uint64_t i, struct cut *out, struct why *why);

/* Durably removes and closes it. */
enum err journal_remove(struct journal *j, struct why *why);

/* The same name with a suffix, for people; the new name is `aside`. */
enum err journal_set_aside(int dir, const char *name, char aside[static JOURNAL_NAME], struct why *why);

void journal_close(struct journal *j);
