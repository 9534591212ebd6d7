/* store/crew.c - see crew.h
 *
 * Places are a ring. The lock is taken once or twice for each job, and jobs are long: many messages each. */
#include "store/crew.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"
#include "base/sanitized.h"

enum {
	THREADS = 8, /* whatever the cores: what they wait for is mostly a disk */
	PLACES = 2 * THREADS,
	MANY = 512, /* messages: fewer are read in the time that threads take to start */
	ALIGN = 64,
#ifdef SANITIZED
	STACK = 512 * 1024,
#else
	STACK = 128 * 1024,
#endif
};

struct crew {
	struct crew_task task;
	pthread_mutex_t lock;
	pthread_cond_t given, done; /* something is to be done; something is done */
	uint64_t n_given, n_begun, n_taken;
	bool is_done[PLACES], over;
	char *memory; /* of jobs, then of lanes */
	unsigned threads;
	pthread_t thread[THREADS];
};

static struct crew the_crew; /* a process does one thing at a time */
static uint64_t many = MANY;

void crew_set_many(uint64_t messages)
{
	many = messages > 0 ? messages : MANY;
}

static void *job_of(const struct crew *c, uint64_t n)
{
	return c->memory + n % PLACES * c->task.job_octets;
}

static void *lane_of(const struct crew *c, unsigned i)
{
	return c->memory + PLACES * c->task.job_octets + i * c->task.lane_octets;
}

/* ---- in its threads ---- */

/* Under the lock: waits for something to do. False: it is over. */
static bool begin(struct crew *c, uint64_t *n)
{
	while (!c->over && c->n_begun == c->n_given)
		pthread_cond_wait(&c->given, &c->lock);
	*n = c->n_begun;
	c->n_begun += !c->over;
	return !c->over;
}

static void *run(void *lane)
{
	struct crew *c = &the_crew;
	uint64_t n;

	pthread_mutex_lock(&c->lock);
	while (begin(c, &n)) {
		pthread_mutex_unlock(&c->lock);
		c->task.work(job_of(c, n), lane);
		pthread_mutex_lock(&c->lock);
		c->is_done[n % PLACES] = true;
		pthread_cond_signal(&c->done);
	}
	pthread_mutex_unlock(&c->lock);
	if (c->task.lane_done)
		c->task.lane_done(lane);
	return NULL;
}

/* ---- in the one that scans ---- */

/* Signals are for the thread that serves sessions. A heap for each thread would outlive it. */
static void start_threads(struct crew *c)
{
	pthread_attr_t attr;
	sigset_t all, before;

	if (pthread_attr_init(&attr) != 0)
		return;
	(void)mallopt(M_ARENA_MAX, 1);
	sigfillset(&all);
	if (pthread_attr_setstacksize(&attr, STACK) == 0 && pthread_sigmask(SIG_SETMASK, &all, &before) == 0) {
		while (c->threads < THREADS &&
		       pthread_create(&c->thread[c->threads], &attr, run, lane_of(c, c->threads)) == 0)
			c->threads++;
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attr);
}

static size_t aligned(size_t octets)
{
	return (octets + ALIGN - 1) / ALIGN * ALIGN;
}

/* So much that free(3) gives it back to the system. */
static bool make_memory(struct crew *c)
{
	c->task.job_octets = aligned(c->task.job_octets);
	c->task.lane_octets = aligned(c->task.lane_octets);
	c->memory = calloc(1, PLACES * c->task.job_octets + THREADS * c->task.lane_octets);
	return c->memory != NULL;
}

struct crew *crew_new(const struct crew_task *task, uint64_t messages)
{
	struct crew *c = &the_crew;

	if (messages < many)
		return NULL;
	*c = (struct crew){.task = *task,
			   .lock = PTHREAD_MUTEX_INITIALIZER,
			   .given = PTHREAD_COND_INITIALIZER,
			   .done = PTHREAD_COND_INITIALIZER};
	if (!make_memory(c))
		return NULL;
	start_threads(c);
	if (c->threads == 0) {
		crew_free(c);
		return NULL;
	}
	log_line(LOG_DEBUG, "a scan has %u threads", c->threads);
	return c;
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->over = true;
	pthread_cond_broadcast(&c->given);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->threads; i++)
		pthread_join(c->thread[i], NULL);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->given);
	pthread_cond_destroy(&c->done);
	free(c->memory);
}

/* The place of the job that was taken last is still looked at. */
void *crew_place(struct crew *c)
{
	return c->n_given - c->n_taken < PLACES - 1 ? job_of(c, c->n_given) : NULL;
}

void crew_give(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	c->is_done[c->n_given++ % PLACES] = false;
	pthread_cond_signal(&c->given);
	pthread_mutex_unlock(&c->lock);
}

void *crew_take(struct crew *c)
{
	uint64_t n = c->n_taken;

	if (n == c->n_given)
		return NULL;
	pthread_mutex_lock(&c->lock);
	while (!c->is_done[n % PLACES])
		pthread_cond_wait(&c->done, &c->lock);
	pthread_mutex_unlock(&c->lock);
	c->n_taken++;
	return job_of(c, n);
}
