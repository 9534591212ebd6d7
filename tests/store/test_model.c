/* tests/store/test_model.c - random sequences of what sessions, deliverers, other programs and crashes do, against a simple model
 *
 * The model is a list of messages, and what a session saw of it. A sequence is made of a seed: MODEL_SEED=n replays that one, MODEL_COUNT=n
 * runs so many (make test-long: a million). One that fails is run again with ever fewer steps as long as it still fails, and what is left is printed. A format
 * takes part with a row of model_formats.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "model.h"
#include "shim.h"
#include "store/stamp.h"

enum {
	SEQUENCES = 10000, /* of all formats together */
	BATCH = 100,       /* sequences of a process */
	STEPS_MOST = 24,
	KILLED = 99,
};

struct step {
	unsigned op; /* a row of ops */
	uint32_t dice;
};

struct sequence {
	uint64_t seed;
	size_t format; /* a row of formats */
	uint32_t days; /* for which retrieved messages are kept, where they have stamps */
	bool slow;     /* the index is believed: whoever changes something waits until the clock of files goes on */
	struct step step[STEPS_MOST];
	size_t steps;
};

static const struct sequence *running;

/* Where indexes are believed, what they are believed for must change with each change. */
static void let_time_pass(void)
{
	const struct timespec pause = {.tv_nsec = 500000};
	struct timespec from, now;

	if (!running->slow)
		return;
	clock_gettime(CLOCK_REALTIME_COARSE, &from);
	do {
		(void)nanosleep(&pause, NULL);
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (now.tv_sec == from.tv_sec && now.tv_nsec == from.tv_nsec);
}

/* ---- a session ---- */

/* What a commit of ours may have written into a letter: the stamp that it has. */
static void read_header(struct letter *l, const char *text)
{
	const char *line = strstr(text, "\n" STAMP_NAME), *end = strstr(text, "\n\n");
	uint32_t stamp = line && line < end ? (uint32_t)strtoul(line + sizeof STAMP_NAME, NULL, 10) : 0;

	check_row(l->number, text, l->header == 0 || stamp == l->header);
	check_row(l->number, text, stamp == 0 || (format->stamps != STAMPS_NOT && stamp == l->stamp));
	l->header = stamp;
}

/* What is known of a letter's stamp: all of it, but for what was in the index alone when that was lost. */
static void read_stamp(struct letter *l, uint32_t stamp)
{
	check_row(l->number, "stamp", stamp == l->stamp || (l->unsure && !l->header && stamp == 0));
	l->stamp = stamp;
	l->unsure = false;
}

/* Which letter is message i of the open maildrop, whole and under the name that it always had. */
static int letter_at(uint32_t i)
{
	char right[TEXT_MOST];
	struct message m;
	const char *text = box_text(&box, i);
	int n = -1;

	check_row(i, text, sscanf(text, "A: %d", &n) == 1 && n >= 0 && n < model.letters);
	struct letter *l = &model.letter[n];

	read_header(l, text);
	letter_text(l, right);
	check_row(i, text, strcmp(text, right) == 0);
	box_message(&box, i, &m);
	read_stamp(l, m.rec.stamp);
	if (!l->uidl[0])
		memcpy(l->uidl, m.rec.uidl, UIDL_MOST);
	check_row(i, l->uidl, strncmp(l->uidl, m.rec.uidl, UIDL_MOST) == 0);
	return n;
}

static void session_close(void)
{
	box_close(&box);
	model.open = false;
}

/* All mail, in its order, each message once. */
static void session_open(void)
{
	unsigned behind = 0;
	int there = 0;

	check_row(0, box.why.text, box_open(&box) == OK);
	model.seens = 0;
	model.index_lost = false;
	memset(model.marked, 0, sizeof model.marked);
	memset(model.touched, 0, sizeof model.touched);
	for (uint32_t i = 0; i < box.md.index.count; i++) {
		int n = letter_at(i);

		check_row(i, "order", model.letter[n].place >= behind);
		behind = model.letter[n].place + 1;
		check_row(i, "is back", model.letter[n].there);
		model.seen[model.seens++] = n;
	}
	for (int i = 0; i < model.letters; i++)
		there += model.letter[i].there;
	check_row(there, "is lost", there == model.seens); /* none of which was there twice */
	model.open = true;
}

static void marks_make(char marks[MESSAGES_MOST + 1])
{
	for (int i = 0; i < model.seens; i++)
		marks[i] = model.marked[model.seen[i]] ? 'd' : '-';
	marks[model.seens] = '\0';
}

/* Of letters that are marked and that others have changed since, what is there decides: they may have gone, or not. */
static void settle_touched(void)
{
	bool there[MESSAGES_MOST] = {false};

	check_row(0, box.why.text, box_open(&box) == OK);
	for (uint32_t i = 0; i < box.md.index.count; i++)
		there[letter_at(i)] = true;
	for (int i = 0; i < model.letters; i++)
		if (model.marked[i] && model.touched[i])
			model.letter[i].there &= there[i];
	box_close(&box);
}

static void settle_marked(bool gone)
{
	for (int i = 0; i < model.letters; i++)
		if (model.marked[i] && !model.touched[i])
			model.letter[i].there &= !gone;
}

/* ---- steps ---- */

static void op_deliver(uint32_t dice)
{
	if (model.letters == MESSAGES_MOST)
		return;
	struct letter *l = &model.letter[model.letters];

	(void)dice;
	*l = (struct letter){.number = model.letters, .place = (unsigned)model.letters, .there = true};
	let_time_pass();
	format->deliver(l);
	model.letters++;
}

static void op_open(uint32_t dice)
{
	(void)dice;
	session_close();
	session_open();
	format->look();
}

/* What is marked in it, and in no header, may be lost. */
static void index_lost(void)
{
	model.index_lost = true;
	for (int i = 0; i < model.letters; i++)
		model.letter[i].unsure = true;
}

/* The first time counts. */
static void retrieved(struct letter *l, uint32_t i)
{
	struct message m;

	maildrop_retrieved(&box.md, i + 1, 1, RETRIEVED_STAMP);
	if (l->stamp == 0) {
		l->stamp = box.md.retrieved_at;
		l->unsure = model.index_lost;
	}
	box_message(&box, i, &m);
	check_row(i, "mark", m.rec.stamp == l->stamp || l->unsure);
}

static void op_retr(uint32_t dice)
{
	char right[TEXT_MOST];

	if (!model.open || model.seens == 0)
		return;
	uint32_t i = dice % (uint32_t)model.seens;
	struct letter *l = &model.letter[model.seen[i]];
	const char *text = box_text(&box, i);

	letter_text(l, right);
	check_row(i, text, strcmp(text, right) == 0 || (model.touched[l - model.letter] && !text[0]));
	check_row(i, text, l->there || !text[0]);
	if (!text[0])
		index_lost(); /* it has been found to be wrong */
	else if (format->stamps != STAMPS_NOT)
		retrieved(l, i);
}

static void op_dele(uint32_t dice)
{
	if (model.open && model.seens > 0)
		model.marked[model.seen[dice % (uint32_t)model.seens]] = true;
}

/* What has expired goes, too, and nothing else does. */
static void mark_expired(void)
{
	uint8_t set[MESSAGES_MOST / 8 + 1] = {0};
	uint32_t n;

	check(maildrop_expired(&box.md, set, &n, &box.why) == OK);
	for (int i = 0; i < model.seens; i++) {
		const struct letter *l = &model.letter[model.seen[i]];
		bool expired = set[i / 8] >> i % 8 & 1;

		check_row(l->number, "expires",
			  expired == (stamp_ends(&box.setup.stamps, l->stamp) <= stamp_now()) ||
				  (l->unsure && !expired));
		model.marked[model.seen[i]] |= expired;
	}
}

/* Each letter that the session has seen, and whose stamp is known, has it in its header. */
static void check_headers(const struct outcome *out)
{
	for (int i = 0; format->stamps == STAMPS_WRITTEN && i < model.seens; i++) {
		const struct letter *l = &model.letter[model.seen[i]];

		check_row(l->number, out->unstamped_why.text,
			  !l->there || l->header == l->stamp || l->unsure || model.touched[model.seen[i]]);
	}
}

static void op_quit(uint32_t dice)
{
	char marks[MESSAGES_MOST + 1];
	struct outcome out;
	bool touched = false;

	(void)dice;
	if (!model.open)
		return;
	let_time_pass();
	mark_expired();
	marks_make(marks);
	for (int i = 0; i < model.letters; i++)
		touched |= model.marked[i] && model.touched[i];
	enum err err = box_commit(&box, marks, &out);

	check_row(err, box.why.text, err == OK || touched);
	session_close();
	settle_marked(true);
	settle_touched();
	if (err == OK)
		check_headers(&out);
	format->look();
}

static void op_abort(uint32_t dice)
{
	(void)dice;
	session_close();
}

static void op_edit(uint32_t dice)
{
	let_time_pass();
	format->edit(dice);
}

/* So does what was retrieved some days ago. */
static void op_days(uint32_t dice)
{
	if (running->slow)
		shim.later_s += (int)(dice % (STAMP_DAYS + 2)) * 24 * 60 * 60;
}

/* It is gone, or cut off where no session has it open. */
static void op_index_loss(uint32_t dice)
{
	char path[160];
	struct stat st;

	check(snprintf(path, sizeof path, "%s/%s", box.top, format->index) > 0);
	if (stat(path, &st) < 0 || st.st_size == 0)
		return;
	index_lost();
	if (dice % 2 == 0 || model.open)
		check(remove(path) == 0);
	else
		check(truncate(path, (off_t)(dice / 2 % (uint32_t)st.st_size)) == 0);
}

/* A process that opens the maildrop, or deletes, and dies at some call. */
static int run_and_die(bool commit, const char *marks, unsigned at)
{
	pid_t pid = fork();
	struct outcome out;
	int status;

	if (pid == 0) {
		shim.changes = 0;
		shim.what = at % 2 ? SHIM_KILL : SHIM_KILL_BEHIND;
		shim.at = 1 + at / 2;
		if (commit)
			(void)box_commit(&box, marks, &out);
		else
			(void)box_open(&box);
		_exit(0);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	check_row(WEXITSTATUS(status), "dies", WEXITSTATUS(status) == KILLED || WEXITSTATUS(status) == 0);
	return WEXITSTATUS(status);
}

/* What is there is old or new; then the model goes on from that. */
static void op_crash(uint32_t dice)
{
	bool commit = model.open && dice % 4 > 0, there[MESSAGES_MOST] = {false};
	char marks[MESSAGES_MOST + 1] = "";
	int gone = 0, goes = 0;

	let_time_pass();
	if (commit)
		marks_make(marks);
	int status = run_and_die(commit, marks, dice / 4 % 40);

	session_close();
	if (!commit)
		return;
	check_row(0, box.why.text, box_open(&box) == OK);
	for (uint32_t i = 0; i < box.md.index.count; i++)
		there[letter_at(i)] = true;
	box_close(&box);
	for (int i = 0; i < model.letters; i++) {
		bool is_marked = model.marked[i] && model.letter[i].there;

		check_row(i, "is lost", there[i] == model.letter[i].there || is_marked);
		goes += is_marked && !model.touched[i];
		gone += is_marked && !model.touched[i] && !there[i];
		model.letter[i].there = there[i];
	}
	check_row(gone, "all or nothing", !format->at_once || gone == 0 || gone == goes);
	check_row(gone, "it came to its end", status == KILLED || gone == goes);
	format->look();
}

static const struct {
	const char *name;
	unsigned weight;
	void (*run)(uint32_t dice);
} ops[] = {
	{"deliver", 6, op_deliver}, {"open", 5, op_open},   {"retr", 4, op_retr}, {"dele", 6, op_dele},
	{"quit", 4, op_quit},       {"abort", 1, op_abort}, {"edit", 3, op_edit}, {"index loss", 1, op_index_loss},
	{"crash", 1, op_crash},     {"days", 1, op_days},
};

/* ---- sequences ---- */

static uint32_t roll(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

static unsigned op_any(uint64_t *state)
{
	unsigned sum = 0, op = 0;

	for (size_t i = 0; i < TABLE_ROWS(ops); i++)
		sum += ops[i].weight;
	for (unsigned at = roll(state) % sum; at >= ops[op].weight; op++)
		at -= ops[op].weight;
	return op;
}

static void sequence_make(struct sequence *q, uint64_t seed)
{
	uint64_t state = seed * UINT64_C(0x9E3779B97F4A7C15);

	(void)roll(&state);
	*q = (struct sequence){.seed = seed,
			       .format = seed % FORMATS,
			       .slow = seed / FORMATS % 32 == 0,
			       .days = seed / FORMATS % 4 == 1 ? 0 : STAMP_DAYS};
	q->steps = 6 + roll(&state) % (STEPS_MOST - 6);
	for (size_t i = 0; i < q->steps; i++) {
		q->step[i].op = op_any(&state);
		q->step[i].dice = roll(&state);
	}
}

static void sequence_run(const struct sequence *q)
{
	running = q;
	shim_reset();
	shim.no_sync = true;
	shim.later_s = q->slow ? 10 : 0;
	memset(&model, 0, sizeof model);
	format = &formats[q->format];
	format->make(&box);
	if (format->stamps != STAMPS_NOT)
		box.setup.stamps = (struct stamp_setup){.days = q->days, .deletes = true, .header = true};
	format->prepare();
	for (size_t i = 0; i < q->steps; i++)
		ops[q->step[i].op].run(q->step[i].dice);
	session_close();
	session_open();
	format->look();
	session_close();
	box_free(&box);
}

static void sequence_print(const struct sequence *q)
{
	print_message("%s%s, MODEL_SEED=%llu:\n", formats[q->format].name, q->slow ? ", indexes are believed" : "",
		      (unsigned long long)q->seed);
	for (size_t i = 0; i < q->steps; i++)
		print_message("\t%s %u\n", ops[q->step[i].op].name, q->step[i].dice);
}

/* In a process of its own: true where it comes to its end. */
static bool holds(const struct sequence *q, size_t n, bool quiet)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		if (quiet && null >= 0) {
			(void)dup2(null, STDOUT_FILENO);
			(void)dup2(null, STDERR_FILENO);
		}
		for (size_t i = 0; i < n; i++)
			sequence_run(&q[i]);
		_exit(0); /* where a check fails, cmocka ends the test, and the process with another status */
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Without each step that it also fails without. */
static void shrink(struct sequence *q)
{
	for (size_t i = q->steps; i-- > 0;) {
		struct sequence less = *q;

		memmove(&less.step[i], &less.step[i + 1], (less.steps - i - 1) * sizeof *less.step);
		less.steps--;
		if (!holds(&less, 1, true))
			*q = less;
	}
}

static void fails(struct sequence *q)
{
	print_message("this fails:\n");
	sequence_print(q);
	shrink(q);
	print_message("and with fewer steps:\n");
	sequence_print(q);
	(void)holds(q, 1, false);
	check_row(q->seed, "a sequence", false);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_sequences(void **state)
{
	static struct sequence batch[BATCH];
	uint64_t count = number_of("MODEL_COUNT", getenv("MODEL_SEED") ? 1 : SEQUENCES),
		 seed = number_of("MODEL_SEED", 1);

	(void)state;
	while (count > 0) {
		size_t n = count < BATCH ? (size_t)count : BATCH;

		for (size_t i = 0; i < n; i++)
			sequence_make(&batch[i], seed++);
		if (!holds(batch, n, true))
			for (size_t i = 0; i < n; i++)
				if (!holds(&batch[i], 1, true))
					fails(&batch[i]);
		count -= n;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sequences)};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
