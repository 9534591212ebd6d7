/* bench/dialogue.c - see dialogue.h */
#include "dialogue.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "replies.h"

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

bool dialogue_wrong(struct dialogue *d, const char *what, struct text line)
{
	dialogue_fail(d, "%s: \"%.*s\"", what, line.n < 80 ? (int)line.n : 80, line.p);
	return false;
}

static size_t user_argument(const struct dialogue *d, char *out)
{
	return (size_t)snprintf(out, COMMAND_MOST - 16, " %s", d->user->name);
}

static size_t pass_argument(const struct dialogue *d, char *out)
{
	return (size_t)snprintf(out, COMMAND_MOST - 16, " %s", d->password);
}

/* A client that says 100,000 of them has no time for printf. */
static size_t msgno_argument(const struct dialogue *d, char *out)
{
	uint32_t msgno = d->said * d->step->each + 1;
	char digits[10];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + msgno % 10);
	while ((msgno /= 10) > 0);
	out[0] = ' ';
	for (size_t i = 0; i < n; i++)
		out[1 + i] = digits[n - 1 - i];
	return 1 + n;
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
		.verb = "STAT", .first = replies_stat_first                                                            \
	}
#define UIDL                                                                                                           \
	{                                                                                                              \
		.verb = "UIDL", .line = replies_uidl_line, .end = replies_uidl_end                                     \
	}
#define LIST                                                                                                           \
	{                                                                                                              \
		.verb = "LIST", .line = replies_list_line, .end = replies_list_end                                     \
	}
#define RETR                                                                                                           \
	{                                                                                                              \
		"RETR", msgno_argument, replies_retr_first, replies_retr_line, replies_retr_end, .each = 1             \
	}
#define DELE_HALF                                                                                                      \
	{                                                                                                              \
		.verb = "DELE", .argument = msgno_argument, .first = replies_dele_first, .each = 2                     \
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

bool dialogue_begins_step(const struct dialogue *d)
{
	return d->said == 0;
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
			replies_expect_half(d);
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
		return dialogue_wrong(d, "no success", line), HEARD_WRONG;
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
		return dialogue_wrong(d, "unasked", line), HEARD_WRONG;
	if (!d->lines)
		return hear_first(d, line);
	if (line.n == 1 && line.p[0] == '.')
		return reply_end(d);
	return d->step->line(d, line) ? HEARD_MORE : HEARD_WRONG;
}

static size_t say_once(struct dialogue *d, char out[COMMAND_MOST])
{
	size_t n = strlen(d->step->verb);

	memcpy(out, d->step->verb, n);
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
