/* store/session_commit.c - QUIT: what front has marked is deleted. See session_state.h */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/session_state.h"

/* The set of a large maildrop comes in a memfd that nobody can change any more. */
static bool read_set(int fd, uint8_t *set, size_t octets)
{
	const int sealed = F_SEAL_SHRINK | F_SEAL_WRITE;
	struct stat st;

	return (fcntl(fd, F_GET_SEALS) & sealed) == sealed && fstat(fd, &st) == 0 && (size_t)st.st_size == octets &&
	       pread(fd, set, octets, 0) == (ssize_t)octets;
}

static uint64_t count_bits(const uint8_t *set, size_t octets)
{
	uint64_t n = 0;

	for (size_t i = 0; i < octets; i++)
		n += (unsigned)__builtin_popcount(set[i]);
	return n;
}

static size_t set_octets(uint32_t count)
{
	return ((size_t)count + 7) / 8;
}

/* The set that comes with a commit, for as long as that may take. Freed by the caller; NULL: it is not right, or no memory. */
static uint8_t *take_set(const struct msg_commit *q, const struct msg *m)
{
	size_t octets = set_octets(q->count);
	bool handed = m->nfds > 0;
	uint8_t *set = m->bulk.n == (handed ? 0 : octets) ? malloc(octets + 1) : NULL;

	if (!set)
		return NULL;
	if (!handed)
		memcpy(set, m->bulk.p, octets);
	if ((!handed || read_set(m->fds[0], set, octets)) && count_bits(set, octets) == q->deleted &&
	    (q->count % 8 == 0 || set[octets - 1] >> q->count % 8 == 0))
		return set;
	free(set);
	return NULL;
}

static void log_commit(const struct session *s, enum err err, const struct outcome *outcome, const struct why *why)
{
	struct event e;
	event_new(&e, "deleted");
	event_kv(&e, "user", session_user(s));
	event_kv(&e, "maildrop", slice_str(s->md.path));
	event_u64(&e, "deleted", outcome->deleted);
	event_u64(&e, "failed", outcome->failed);
	if (s->expired > 0)
		event_u64(&e, "expired", s->expired); /* of both */
	if (err != OK)
		event_kv(&e, "reason", slice_str(why->text));
	event_log(&e, err == OK ? LOG_INFO : LOG_ERR);
}

/* What has expired goes, too. Where it cannot be said what that is, it goes another time. */
static void add_expired(struct session *s)
{
	struct why why = {""};

	if (maildrop_expired(&s->md, s->deleted, &s->expired, &why) != OK)
		session_log_failure(s, "expire-failed", LOG_ERR, &why);
}

/* Deletes and answers, unless the mailbox lock is busy: then the timer comes again, until front closes the session. */
void session_commit_try(struct session *s)
{
	const struct changes ch = {.deleted = s->deleted, .count = s->md.index.count};
	struct msg_done done = {.sid = s->item.key};
	struct outcome outcome = {0};
	struct why why = {""};

	debug(TOPIC_MAILBOX, DEBUG_TRACE1, "%s: commit", s->md.path);
	external_begin(&s->store->external);
	enum err err = maildrop_commit(&s->md, &ch, &outcome, &why);

	if (session_waits_for_mailbox(s, err))
		return;
	if (err == ERR_IN_USE) {
		outcome = (struct outcome){.failed = (uint32_t)count_bits(ch.deleted, set_octets(ch.count))};
		err = ERR_TEMP;
	}
	if (outcome.deleted + outcome.failed > 0 || err != OK)
		log_commit(s, err, &outcome, &why);
	done.err = s->asked > 0 ? (uint32_t)err : OK; /* who has deleted nothing is owed nothing */
	done.deleted = done.err == OK || outcome.deleted > s->asked ? s->asked : outcome.deleted;
	store_answer(s->front, MSG_DONE, &(struct chan_out){.payload = &done});
	session_end(s);
}

/* Comes from the least trusted process: every number is checked against what there is. */
enum err session_on_commit(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_commit *q = m->payload;
	bool late;
	struct session *s = session_of(c, q->sid, &late);

	if (late)
		return OK;
	if (!s || q->count != s->md.index.count)
		return fail(why, ERR_PERM, "a commit for another maildrop");
	s->deleted = take_set(q, m);
	if (!s->deleted || !session_taken(s, q->taken))
		return fail(why, ERR_PERM, "a commit that contradicts itself");
	s->open = false; /* nothing else is asked for any more */
	s->attempts = 0;
	s->asked = q->deleted;
	add_expired(s);
	session_commit_try(s);
	return OK;
}
