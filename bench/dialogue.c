/* bench/dialogue.c - see dialogue.h */
#include "dialogue.h"

#include <inttypes.h>
#include <isa-l/crc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES_MOST = 4 * 1000 * 1000, UID_MOST = 70 };

/* One command and its reply. Every reply starts with +OK; a NULL function has nothing to add. */
struct step {
	const char *verb;                                        /* NULL: nothing is sent for this */
	size_t (*argument)(const struct dialogue *d, char *out); /* at most COMMAND_MOST - 16 octets */
	bool (*first)(struct dialogue *d, struct text rest);     /* the first line behind +OK and its blank */
	bool (*line)(struct dialogue *d, struct text line);      /* a further line; not NULL: the reply is multi-line */
	bool (*end)(struct dialogue *d);                         /* behind the last line */
	uint32_t each;                                           /* once for every message, or every second (2), ... */
	bool hold;                                               /* a pause, no command */
};

enum heard dialogue_fail(struct dialogue *d, const char *format, ...)
{
	va_list args;

	if (d->why[0] == '\0') {
		va_start(args, format);
		vsnprintf(d->why, sizeof d->why, format, args);
		va_end(args);
	}
	return HEARD_WRONG;
}

static bool wrong(struct dialogue *d, const char *what, struct text line)
{
	dialogue_fail(d, "%s: \"%.*s\"", what, line.n < 80 ? (int)line.n : 80, line.p);
	return false;
}

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
static bool stat_first(struct dialogue *d, struct text rest)
{
	uint64_t n, octets;

	if (!take_number(&rest, &n) || !take_number(&rest, &octets) || n > MESSAGES_MOST)
		return wrong(d, "not an answer to STAT", rest);
	if (n > d->sizes_room) {
		uint64_t *room = realloc(d->size, n * sizeof *room);

		if (!room)
			return wrong(d, "no memory", rest);
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
		return wrong(d, "not the line that is due", whole);
	d->msgno++;
	d->crc = crc_add(d->crc, whole);
	return true;
}

static bool list_line(struct dialogue *d, struct text line)
{
	uint64_t octets;

	if (!take_msgno(d, &line))
		return false;
	if (!take_number(&line, &octets))
		return wrong(d, "no octets", line);
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
			return wrong(d, "no memory", uid);
		d->uids = uids;
		d->uids_room = room;
	}
	memcpy(d->uids + d->uids_len, uid.p, uid.n);
	d->uids[d->uids_len + uid.n] = '\0';
	d->uids_len += uid.n + 1;
	return true;
}

/* RFC 1939, section 7 (UIDL): 1 to 70 octets of 0x21 to 0x7E */
static bool uidl_line(struct dialogue *d, struct text line)
{
	if (!take_msgno(d, &line))
		return false;
	if (line.n < 1 || line.n > UID_MOST)
		return wrong(d, "a unique-id of a wrong length", line);
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] < 0x21 || line.p[i] > 0x7e)
			return wrong(d, "an octet that no unique-id may have", line);
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
			unique = wrong(d, "two messages have the unique-id", (struct text){uid[i], strlen(uid[i])});
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

static bool uidl_end(struct dialogue *d)
{
	bool is_new = d->user->uidl_crc == 0;

	return listing_end(d, &d->user->uidl_crc) && (!is_new || uids_are_unique(d));
}

static bool list_end(struct dialogue *d)
{
	if (d->sum != d->octets) {
		dialogue_fail(d, "LIST adds up to %" PRIu64 " octets, STAT says %" PRIu64, d->sum, d->octets);
		return false;
	}
	return listing_end(d, &d->user->list_crc);
}

/* "120 octets", if the server says so */
static bool retr_first(struct dialogue *d, struct text rest)
{
	uint64_t octets;

	d->msgno++;
	d->body = d->promised = false;
	if (take_number(&rest, &octets) && octets != d->size[d->msgno - 1])
		return wrong(d, "other octets than LIST says", rest);
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

static bool retr_line(struct dialogue *d, struct text line)
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

static bool retr_end(struct dialogue *d)
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

static bool dele_first(struct dialogue *d, struct text rest)
{
	(void)rest;
	d->msgno++;
	return true;
}

/* What LIST and UIDL must say in the session after this one, which deleted the first message of each two. */
static void expect_half(struct dialogue *d)
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

static size_t user_argument(const struct dialogue *d, char *out)
{
	return (size_t)snprintf(out, COMMAND_MOST - 16, " %s", d->user->name);
}

static size_t pass_argument(const struct dialogue *d, char *out)
{
	return (size_t)snprintf(out, COMMAND_MOST - 16, " %s", d->password);
}

static size_t msgno_argument(const struct dialogue *d, char *out)
{
	return (size_t)snprintf(out, COMMAND_MOST - 16, " %" PRIu32, d->said * d->step->each + 1);
}

#define GREETING                                                                                                       \
	{                                                                                                              \
		.verb = NULL                                                                                           \
	}
#define LOGIN                                                                                                          \
	{.verb = "USER", .argument = user_argument},                                                                   \
	{                                                                                                              \
		.verb = "PASS", .argument = pass_argument                                                              \
	}
#define STAT                                                                                                           \
	{                                                                                                              \
		.verb = "STAT", .first = stat_first                                                                    \
	}
#define UIDL                                                                                                           \
	{                                                                                                              \
		.verb = "UIDL", .line = uidl_line, .end = uidl_end                                                     \
	}
#define LIST                                                                                                           \
	{                                                                                                              \
		.verb = "LIST", .line = list_line, .end = list_end                                                     \
	}
#define RETR                                                                                                           \
	{                                                                                                              \
		"RETR", msgno_argument, retr_first, retr_line, retr_end, .each = 1                                     \
	}
#define DELE_HALF                                                                                                      \
	{                                                                                                              \
		.verb = "DELE", .argument = msgno_argument, .first = dele_first, .each = 2                             \
	}
#define HOLD                                                                                                           \
	{                                                                                                              \
		.hold = true                                                                                           \
	}
#define NOOP                                                                                                           \
	{                                                                                                              \
		.verb = "NOOP"                                                                                         \
	}
#define QUIT                                                                                                           \
	{                                                                                                              \
		.verb = "QUIT"                                                                                         \
	}

/* The first step is the greeting, the last one QUIT. */
static const struct step poll_steps[] = {GREETING, LOGIN, STAT, UIDL, LIST, QUIT};
static const struct step visit_steps[] = {GREETING, LOGIN, STAT, LIST, UIDL, QUIT};
static const struct step short_steps[] = {GREETING, LOGIN, STAT, QUIT};
static const struct step fetch_steps[] = {GREETING, LOGIN, STAT, UIDL, LIST, RETR, QUIT};
static const struct step retr_steps[] = {GREETING, LOGIN, STAT, LIST, RETR, QUIT};
static const struct step half_steps[] = {GREETING, LOGIN, STAT, UIDL, LIST, DELE_HALF, QUIT};
static const struct step greeted_steps[] = {GREETING, HOLD, QUIT};
static const struct step idle_steps[] = {GREETING, LOGIN, STAT, HOLD, NOOP, QUIT};

const struct scenario scenarios[] = {
	{.name = "poll", .help = "USER PASS STAT UIDL LIST QUIT", .steps = poll_steps},
	{.name = "visit", .help = "USER PASS STAT LIST UIDL QUIT", .steps = visit_steps},
	{.name = "short", .help = "USER PASS STAT QUIT", .steps = short_steps},
	{.name = "fetch", .help = "a poll, and RETR of every message", .steps = fetch_steps},
	{.name = "retr", .help = "USER PASS STAT LIST, RETR of every message, QUIT", .steps = retr_steps},
	{.name = "half", .help = "a poll, and DELE of every second message", .steps = half_steps, .deletes = true},
	{.name = "greeted",
	 .help = "connections that say nothing, held until standard input ends",
	 .steps = greeted_steps,
	 .holds = true},
	{.name = "idle", .help = "the same behind USER PASS STAT", .steps = idle_steps, .holds = true},
	{0},
};

static bool is_last(const struct step *step)
{
	return step->verb && strcmp(step->verb, "QUIT") == 0;
}

void dialogue_begin(struct dialogue *d, const struct options *opt, struct user *user)
{
	struct dialogue old = *d;

	*d = (struct dialogue){.sc = opt->scenario,
			       .step = opt->scenario->steps,
			       .user = user,
			       .password = opt->password,
			       .ahead = opt->ahead,
			       .size = old.size,
			       .sizes_room = old.sizes_room,
			       .uids = old.uids,
			       .uids_room = old.uids_room};
}

void dialogue_free(struct dialogue *d)
{
	free(d->size);
	free(d->uids);
}

const char *dialogue_at(const struct dialogue *d)
{
	return d->step->hold ? "hold" : d->step->verb ? d->step->verb : "greeting";
}

unsigned dialogue_step(const struct dialogue *d)
{
	return (unsigned)(d->step - d->sc->steps);
}

const char *scenario_verb(const struct scenario *sc, unsigned step)
{
	const char *verb = sc->steps[step].verb;

	return verb ? verb : "";
}

/* How often the current step's command is said. */
static uint32_t step_turns(const struct dialogue *d)
{
	return d->step->each ? (d->messages + d->step->each - 1) / d->step->each : 1;
}

/* To the step that comes next; the current one is complete. */
static void step_on(struct dialogue *d)
{
	do {
		d->step++;
		d->msgno = d->said = 0;
	} while (step_turns(d) == 0);
}

bool dialogue_awaits(const struct dialogue *d)
{
	return d->step->each && d->said > d->msgno;
}

/* A reply of a step with many has come. More is said when half of what may be on its way has been answered. */
static enum heard turn_end(const struct dialogue *d)
{
	return d->said < step_turns(d) && d->said - d->msgno <= d->ahead / 2 ? HEARD_SAY : HEARD_MORE;
}

static enum heard reply_end(struct dialogue *d)
{
	if (d->step->end && !d->step->end(d))
		return HEARD_WRONG;
	d->lines = false;
	if (is_last(d->step)) {
		if (d->sc->deletes)
			expect_half(d);
		return HEARD_END;
	}
	if (d->step->each && d->msgno < step_turns(d))
		return turn_end(d);
	step_on(d);
	return d->step->hold ? HEARD_HOLD : HEARD_SAY;
}

static enum heard hear_first(struct dialogue *d, struct text line)
{
	struct text rest = line.n > 4 ? (struct text){line.p + 4, line.n - 4} : (struct text){line.p, 0};

	if (line.n < 3 || memcmp(line.p, "+OK", 3) != 0 || (line.n > 3 && line.p[3] != ' '))
		return wrong(d, "no success", line), HEARD_WRONG;
	d->sum = 0;
	d->crc = 0;
	if (d->step->first && !d->step->first(d, rest))
		return HEARD_WRONG;
	d->lines = d->step->line != NULL;
	return d->lines ? HEARD_MORE : reply_end(d);
}

enum heard dialogue_hear(struct dialogue *d, struct text line)
{
	if (d->step->hold)
		return wrong(d, "unasked", line), HEARD_WRONG;
	if (!d->lines)
		return hear_first(d, line);
	if (line.n == 1 && line.p[0] == '.')
		return reply_end(d);
	return d->step->line(d, line) ? HEARD_MORE : HEARD_WRONG;
}

static size_t say_once(struct dialogue *d, char out[COMMAND_MOST])
{
	size_t n = (size_t)snprintf(out, 8, "%s", d->step->verb);

	if (d->step->argument)
		n += d->step->argument(d, out + n);
	memcpy(out + n, "\r\n", 2);
	d->said++;
	return n + 2;
}

size_t dialogue_say(struct dialogue *d, char *out, size_t room)
{
	size_t n = say_once(d, out);

	while (d->step->each && d->said < step_turns(d) && d->said - d->msgno < d->ahead && room - n >= COMMAND_MOST)
		n += say_once(d, out + n);
	return n;
}

void dialogue_release(struct dialogue *d)
{
	if (d->step->hold)
		d->step++;
}
