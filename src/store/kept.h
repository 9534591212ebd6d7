/* store/kept.h - maildrops that were closed lately, as they were: the next opening of one costs but a look whether it has changed
 *
 * For a process that serves sessions, that is with kept_begin. What is kept of a maildrop is its path, its descriptors (two, or three where the mail lies in
 * one file), and its index as it was read. It is taken from here for a session, and comes back when that ends without having changed anything. What is
 * looked at before it is believed, maildrop_warm.c says.
 *
 * Bounded, and all in constant time: a maildrop has its place in one of up to KEPT_SETS sets, from which the one goes that was used longest ago. After a minute without a
 * session one is let go of, so that file systems can be unmounted, and files that were removed lose their blocks. */
#pragma once
#include <ev.h>

#include "store/maildrop.h"

enum {
	KEPT_SETS = 128, /* fewer where a process may not have the descriptors */
	KEPT_WAYS = 8,   /* maildrops in a set: half as many seldom meet more than that in one */
	KEPT_IDLE_MS = 60 * 1000,
};

/* From now on, with a timer of this loop while there are any. */
void kept_begin(struct ev_loop *loop);

/* Fills in *md, which is warm then. False: there is none of this name and setup, or its name says something else by now. */
bool kept_take(struct maildrop *md, struct slice url, const struct maildrop_setup *setup);

/* It becomes ours, and *md is closed. False: nothing is kept in this process. */
bool kept_put(struct maildrop *md);

/* Lets go of all that were not used since so many milliseconds ago. */
void kept_sweep(uint64_t idle_ms);

/* How many there are. */
unsigned kept_count(void);
