/* store/crew.h - threads that do the parts of a scan of many messages
 *
 * Who reads many files one by one waits for each, for the disk or for the kernel; a crew waits for several at a time. Jobs are done in any order,
 * and taken in the order in which they were given. There is one crew at a time in a process, for the length of a scan; then its threads and
 * its memory are gone. Where no thread can be had there is no crew, and who wants one does the work himself, one after the other.
 *
 * What does a job touches that job, the memory of its lane and what nobody changes meanwhile: no static variable, no room (store/room.h), no log. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crew;

/* A lane is a thread's own memory, zeroed before its first job. */
struct crew_task {
	void (*work)(void *job, void *lane);
	void (*lane_done)(void *lane); /* or NULL; in each thread, before it ends */
	size_t job_octets, lane_octets;
};

/* For a scan of so many messages. NULL: these are few, or there are no threads. */
struct crew *crew_new(const struct crew_task *task, uint64_t messages);

/* Ends it, whatever it is doing: jobs that nobody has begun are not done. NULL is fine. */
void crew_free(struct crew *c);

/* A place for the next job, with whatever one before has left there. NULL: as many as there is room for are under way; take one. */
void *crew_place(struct crew *c);

/* What is in that place now is to be done. */
void crew_give(struct crew *c);

/* The oldest job that was not taken, once it is done; its place stays as it is until the next one is taken. NULL: none was given. */
void *crew_take(struct crew *c);

/* For tests: how many messages are many; 0: as it is by itself. */
void crew_set_many(uint64_t messages);
