/* bench/replies.c - see replies.h */
#include "replies.h"

#include <inttypes.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES_MOST = 4 * 1000 * 1000, UID_MOST = 70 };

/* A number and one octet behind it, or the line's end. */
static bool take_number(struct text *line, uint64_t *out)
{
	size_t i = 0;
	uint64_t n = 0;

	while (i < line->n && i < 19 && line->p[i] >= '0' && line->p[i] <= '9')
		n = n * 10 + (uint64_t)(line->p[i++] - '0');
	if (i == 0 || (i < line->n && line->p[i] != ' '))
		return false;
	i += i < line->n;
	*line = (struct text){line->p + i, line->n - i};
	*out = n;
	return true;
}

static uint32_t crc_add(uint32_t crc, struct text octets)
{
	return crc32_gzip_refl(crc, (const unsigned char *)octets.p, octets.n);
}

/* STAT: "N OCTETS" */
bool replies_stat_first(struct dialogue *d, struct text rest)
{
	uint64_t n, octets;

	if (!take_number(&rest, &n) || !take_number(&rest, &octets) || n > MESSAGES_MOST)
		return dialogue_wrong(d, "not an answer to STAT", rest);
	if (n > d->sizes_room) {
		uint64_t *room = realloc(d->size, n * sizeof *room);

		if (!room)
			return dialogue_wrong(d, "no memory", rest);
		d->size = room;
		d->sizes_room = (uint32_t)n;
	}
	d->messages = (uint32_t)n;
	d->octets = octets;
	return true;
}

/* The number that a line of a listing begins with: one more than that of the line before. */
static bool take_msgno(struct dialogue *d, struct text *line)
{
	uint64_t n;
	struct text whole = *line;

	if (!take_number(line, &n) || n != (uint64_t)d->msgno + 1 || n > d->messages)
		return dialogue_wrong(d, "not the line that is due", whole);
	d->msgno++;
	d->crc = crc_add(d->crc, whole);
	return true;
}

bool replies_list_line(struct dialogue *d, struct text line)
{
	uint64_t octets;

	if (!take_msgno(d, &line))
		return false;
	if (!take_number(&line, &octets))
		return dialogue_wrong(d, "no octets", line);
	d->size[d->msgno - 1] = octets;
	d->sum += octets;
	return true;
}

static bool uidl_keep(struct dialogue *d, struct text uid)
{
	if (d->uids_len + uid.n + 1 > d->uids_room) {
		size_t room = 2 * d->uids_room + 4096;
		char *uids = realloc(d->uids, room);

		if (!uids)
			return dialogue_wrong(d, "no memory", uid);
		d->uids = uids;
		d->uids_room = room;
	}
	memcpy(d->uids + d->uids_len, uid.p, uid.n);
	d->uids[d->uids_len + uid.n] = '\0';
	d->uids_len += uid.n + 1;
	return true;
}

/* RFC 1939, section 7 (UIDL): 1 to 70 octets of 0x21 to 0x7E */
bool replies_uidl_line(struct dialogue *d, struct text line)
{
	if (!take_msgno(d, &line))
		return false;
	if (line.n < 1 || line.n > UID_MOST)
		return dialogue_wrong(d, "a unique-id of a wrong length", line);
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] < 0x21 || line.p[i] > 0x7e)
			return dialogue_wrong(d, "an octet that no unique-id may have", line);
	return (d->user->uidl_crc != 0 && !d->sc->deletes) || uidl_keep(d, line);
}

static int by_text(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* Once per user is enough: later sessions must hear the same listing. */
static bool uids_are_unique(struct dialogue *d)
{
	const char **uid = calloc(d->messages + 1, sizeof *uid), *p = d->uids;
	bool unique = uid != NULL;

	for (uint32_t i = 0; unique && i < d->messages; i++, p += strlen(p) + 1)
		uid[i] = p;
	if (unique)
		qsort(uid, d->messages, sizeof *uid, by_text);
	for (uint32_t i = 1; unique && i < d->messages; i++)
		if (strcmp(uid[i - 1], uid[i]) == 0)
			unique = dialogue_wrong(d, "two messages have the unique-id",
						(struct text){uid[i], strlen(uid[i])});
	free(uid);
	return unique;
}

static bool listing_end(struct dialogue *d, uint32_t *known)
{
	if (d->msgno != d->messages) {
		dialogue_fail(d, "%" PRIu32 " lines for %" PRIu32 " messages", d->msgno, d->messages);
		return false;
	}
	if (*known != 0 && *known != d->crc) {
		dialogue_fail(d, "not the listing of an earlier session");
		return false;
	}
	*known = d->crc;
	return true;
}

bool replies_uidl_end(struct dialogue *d)
{
	bool is_new = d->user->uidl_crc == 0;

	return listing_end(d, &d->user->uidl_crc) && (!is_new || uids_are_unique(d));
}

bool replies_list_end(struct dialogue *d)
{
	if (d->sum != d->octets) {
		dialogue_fail(d, "LIST adds up to %" PRIu64 " octets, STAT says %" PRIu64, d->sum, d->octets);
		return false;
	}
	return listing_end(d, &d->user->list_crc);
}

/* "120 octets", if the server says so */
bool replies_retr_first(struct dialogue *d, struct text rest)
{
	uint64_t octets;

	d->msgno++;
	d->body = d->promised = false;
	if (take_number(&rest, &octets) && octets != d->size[d->msgno - 1])
		return dialogue_wrong(d, "other octets than LIST says", rest);
	return true;
}

/* The checksum of the body as bench/maildrops.py wrote it: of the wire's octets, before dot-stuffing. */
static void take_promise(struct dialogue *d, struct text line)
{
	static const char name[] = "X-Body-CRC: ";
	char hex[9] = "";
	size_t n = sizeof name - 1;

	if (line.n != n + 8 || memcmp(line.p, name, n) != 0)
		return;
	memcpy(hex, line.p + n, 8);
	d->promise = (uint32_t)strtoul(hex, NULL, 16);
	d->promised = true;
}

bool replies_retr_line(struct dialogue *d, struct text line)
{
	if (line.n > 0 && line.p[0] == '.')
		line = (struct text){line.p + 1, line.n - 1};
	d->sum += line.n + 2;
	if (d->body)
		d->crc = crc_add(d->crc, (struct text){line.p, line.n + 2}); /* its CRLF stands behind it */
	else if (line.n == 0)
		d->body = true;
	else
		take_promise(d, line);
	return true;
}

bool replies_retr_end(struct dialogue *d)
{
	uint64_t octets = d->size[d->msgno - 1];

	if (d->sum != octets) {
		dialogue_fail(d, "%" PRIu64 " octets, LIST says %" PRIu64, d->sum, octets);
		return false;
	}
	if (d->promised && d->promise != d->crc) {
		dialogue_fail(d, "the body was changed on its way");
		return false;
	}
	d->fetched++;
	d->verified += d->promised;
	return true;
}

bool replies_dele_first(struct dialogue *d, struct text rest)
{
	(void)rest;
	d->msgno++;
	return true;
}

/* What LIST and UIDL must say in the session after this one, which deleted the first message of each two. */
void replies_expect_half(struct dialogue *d)
{
	const char *uid = d->uids;
	char line[UID_MOST + 32];
	uint32_t list = 0, uidl = 0, left = 0;

	for (uint32_t i = 0; i < d->messages; i++, uid += strlen(uid) + 1) {
		if (i % 2 == 0)
			continue;
		left++;
		int n = snprintf(line, sizeof line, "%" PRIu32 " %" PRIu64, left, d->size[i]);

		list = crc_add(list, (struct text){line, (size_t)n});
		n = snprintf(line, sizeof line, "%" PRIu32 " %s", left, uid);
		uidl = crc_add(uidl, (struct text){line, (size_t)n});
	}
	d->user->list_crc = list;
	d->user->uidl_crc = uidl;
}
