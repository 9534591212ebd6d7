/* tests/store/test_model.c - random sequences of what sessions, deliverers, other programs and crashes do, against a simple model
 *
 * The model is a list of messages, and what a session saw of it. A sequence is made of a seed: MODEL_SEED=n replays that one, MODEL_COUNT=n
 * runs so many (make test-long: a million). One that fails is run again with ever fewer steps as long as it still fails, and what is left is printed. A format
 * takes part with a row. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"

enum {
	SEQUENCES = 10000, /* of all formats together */
	BATCH = 100,       /* sequences of a process */
	STEPS_MOST = 24,
	MESSAGES_MOST = 24, /* that are delivered in a sequence */
	TEXT_MOST = 256,
	KILLED = 99,
};

struct step {
	unsigned op; /* a row of ops */
	uint32_t dice;
};

struct sequence {
	uint64_t seed;
	size_t format;
	bool slow; /* the index is believed: whoever changes something waits until the clock of files goes on */
	struct step step[STEPS_MOST];
	size_t steps;
};

/* ---- the model ---- */

struct letter {
	int number;
	bool there;
	char status;    /* what another program has written; 0: nothing */
	char name[48];  /* Maildir: "cur/1.M1.h:2,S"; MH: "7" */
	unsigned place; /* in the order of messages */
	char uidl[UIDL_MOST + 1];
};

struct model {
	struct letter letter[MESSAGES_MOST];
	int letters;
	bool open;
	int seen[MESSAGES_MOST]; /* letters of the session, by message-number - 1 */
	int seens;
	bool marked[MESSAGES_MOST],
		touched[MESSAGES_MOST]; /* by letter: deleted in the session; changed by others since it began */
};

static struct box box;
static struct model model;
static const struct sequence *running;

/* As it is stored. */
static void letter_text(const struct letter *l, char out[TEXT_MOST])
{
	char status[16] = "";

	if (l->status)
		(void)snprintf(status, sizeof status, "Status: %c\n", l->status);
	check(snprintf(out, TEXT_MOST, "A: %d\n%s\n%.*s\n", l->number, status, 5 + l->number * 7 % 90,
		       "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
		       "56789") < TEXT_MOST);
}

static struct letter *letter_any(uint32_t dice)
{
	int there = 0;

	for (int i = 0; i < model.letters; i++)
		there += model.letter[i].there;
	int n = there > 0 ? (int)(dice % (uint32_t)there) : -1;

	for (int i = 0; i < model.letters; i++)
		if (model.letter[i].there && n-- == 0)
			return &model.letter[i];
	return NULL;
}

static void touch(const struct letter *l)
{
	model.touched[l - model.letter] = true;
}

/* Where indexes are believed, what they are believed for must change with each change. */
static void let_time_pass(void)
{
	struct timespec from, now;

	if (!running->slow)
		return;
	clock_gettime(CLOCK_REALTIME_COARSE, &from);
	do
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	while (now.tv_sec == from.tv_sec && now.tv_nsec == from.tv_nsec);
}

/* ---- formats ---- */

struct format {
	const char *name, *index;
	void (*make)(struct box *b);
	void (*prepare)(void);
	void (*deliver)(struct letter *l);
	void (*edit)(uint32_t dice);
	void (*look)(void);          /* the mail is what the model says, as other programs see it */
	bool at_once;                /* a commit that is interrupted has done all or nothing */
	const char *before, *behind; /* a message of a mailbox in one file */
};
static const struct format *format(void); /* of the running sequence */

/* All mail, in one file. */
static void file_whole(char *out, size_t cap)
{
	struct buf b = {.p = out, .cap = cap - 1};

	for (int i = 0; i < model.letters; i++) {
		char text[TEXT_MOST];

		if (!model.letter[i].there)
			continue;
		letter_text(&model.letter[i], text);
		buf_str(&b, format()->before);
		buf_str(&b, text);
		buf_str(&b, format()->behind);
	}
	check(!b.full);
	out[b.len] = '\0';
}

static void file_deliver(struct letter *l)
{
	char text[TEXT_MOST];

	letter_text(l, text);
	box_append(&box, format()->before);
	box_append(&box, text);
	box_append(&box, format()->behind);
}

/* Another program writes a header, or removes a message, or nothing: in the same file, or a new one in its place. */
static void file_edit(uint32_t dice)
{
	struct letter *l = letter_any(dice / 16);
	char text[MESSAGES_MOST * TEXT_MOST], beside[128];

	if (l && dice % 4 < 2)
		touch(l);
	if (l && dice % 4 == 0)
		l->there = false;
	else if (l && dice % 4 == 1)
		l->status = l->status == 'O' ? 'R' : 'O';
	file_whole(text, sizeof text);
	if (dice / 4 % 2 == 0) {
		box_write(&box, text);
		return;
	}
	check(snprintf(beside, sizeof beside, "%s/beside", box.top) > 0);
	FILE *f = fopen(beside, "w");

	check(f && fputs(text, f) >= 0 && fclose(f) == 0 && syscall(SYS_rename, beside, box.path) == 0);
}

/* Octet for octet. */
static void file_look(void)
{
	char text[MESSAGES_MOST * TEXT_MOST];

	file_whole(text, sizeof text);
	check_row(0, box_mbox(&box), strcmp(text, box_mbox(&box)) == 0);
}

static void maildir_deliver(struct letter *l)
{
	char text[TEXT_MOST];

	(void)snprintf(l->name, sizeof l->name, "%s/%d.M1.h%s", l->number % 2 ? "new" : "cur", 1000 + l->number,
		       l->number % 2 ? "" : ":2,");
	letter_text(l, text);
	box_put(&box, l->name, text);
}

/* Flags and names change, messages go. */
static void maildir_edit(uint32_t dice)
{
	struct letter *l = letter_any(dice / 16);
	char name[sizeof l->name];

	if (!l)
		return;
	if (dice % 4 == 0) {
		touch(l);
		l->there = false;
		box_remove(&box, l->name);
		return;
	}
	(void)snprintf(name, sizeof name, "cur/%d.M1.h:2,%s", 1000 + l->number, dice % 4 == 1 ? "S" : "RS");
	if (strcmp(name, l->name) == 0)
		return;
	box_rename(&box, l->name, name);
	memcpy(l->name, name, sizeof name);
}

static void maildir_look(void)
{
	unsigned there = 0;

	for (int i = 0; i < model.letters; i++) {
		there += model.letter[i].there;
		check_row(i, model.letter[i].name, box_has(&box, model.letter[i].name) == model.letter[i].there);
	}
	check(box_count(&box, "new") + box_count(&box, "cur") == there);
}

/* ---- MH: a message comes with the number behind the last one ---- */

static void mh_place(struct letter *l, unsigned number)
{
	l->place = number;
	check(snprintf(l->name, sizeof l->name, "%u", number) > 0);
}

static void mh_deliver(struct letter *l)
{
	char text[TEXT_MOST];

	mh_place(l, box_mh_next(&box));
	letter_text(l, text);
	box_put(&box, "tmp", text);
	box_rename(&box, "tmp", l->name);
}

static void mh_move(struct letter *l, unsigned number)
{
	char from[sizeof l->name];

	memcpy(from, l->name, sizeof from);
	mh_place(l, number);
	if (strcmp(from, l->name) != 0)
		box_rename(&box, from, l->name);
}

/* The letter with the lowest number above this one. */
static struct letter *mh_above(unsigned number)
{
	struct letter *found = NULL;

	for (int i = 0; i < model.letters; i++) {
		struct letter *l = &model.letter[i];

		if (l->there && l->place > number && (!found || l->place < found->place))
			found = l;
	}
	return found;
}

/* folder -pack: numbers from 1 on, in the same order. */
static void mh_pack(void)
{
	unsigned number = 0;

	for (struct letter *l = mh_above(0); l; l = mh_above(number))
		mh_move(l, ++number);
}

/* What sortm(1) does, through a number that nobody has. */
static void mh_exchange(struct letter *l, struct letter *other)
{
	unsigned number = l->place, number_of_other = other->place;

	if (l == other)
		return;
	mh_move(l, box_mh_next(&box));
	mh_move(other, number);
	mh_move(l, number_of_other);
}

/* refile(1), rmm(1): to another folder, or under a name that is no message's. */
static void mh_remove(struct letter *l, bool away)
{
	char to[sizeof l->name + 16];

	check(snprintf(to, sizeof to, away ? "../%s.away" : ",%s", l->name) > 0);
	box_rename(&box, l->name, to);
	l->there = false;
}

/* anno(1), or a mail reader that keeps the status in a header: a new file, the same message. */
static void mh_rewrite(struct letter *l)
{
	char text[TEXT_MOST];

	l->status = l->status == 'O' ? 'R' : 'O';
	letter_text(l, text);
	box_put(&box, "tmp", text);
	box_rename(&box, "tmp", l->name);
}

static void mh_edit(uint32_t dice)
{
	struct letter *l = letter_any(dice / 16), *other = letter_any(dice / 512);

	if (!l)
		return;
	if (dice % 8 < 4)
		touch(l);
	if (dice % 8 < 2)
		mh_remove(l, dice % 2);
	else if (dice % 8 < 4)
		mh_rewrite(l);
	else if (dice % 8 < 6)
		mh_pack();
	else if (dice % 8 == 6)
		mh_move(l, box_mh_next(&box)); /* refile(1) into the same folder */
	else
		mh_exchange(l, other);
}

static void mh_look(void)
{
	unsigned there = 0, named = 0;

	for (int i = 0; i < model.letters; i++) {
		there += model.letter[i].there;
		check_row(i, model.letter[i].name, !model.letter[i].there || box_has(&box, model.letter[i].name));
	}
	for (unsigned number = 1, end = box_mh_next(&box); number < end; number++) {
		char name[16];

		check(snprintf(name, sizeof name, "%u", number) > 0);
		named += box_has(&box, name);
	}
	check_row(named, "messages", named == there);
}

static void nothing(void)
{
}

/* Changed in place. */
static void link_mbox(void)
{
	char other[128];

	check(snprintf(other, sizeof other, "%s/other", box.top) > 0 && link(box.path, other) == 0);
}

#define FROM "From a@example.org Mon Jan  5 10:00:00 2026\n"
#define INDEX_OF_FILE ".mbox.pop3idx"

static const struct format formats[] = {
	{"mbox", INDEX_OF_FILE, box_new_mbox, nothing, file_deliver, file_edit, file_look, true, FROM, "\n"},
	{"mbox, in place", INDEX_OF_FILE, box_new_mbox, link_mbox, file_deliver, file_edit, file_look, true, FROM,
	 "\n"},
	{"dotmail", INDEX_OF_FILE, box_new_dotmail, nothing, file_deliver, file_edit, file_look, true, "", ".\n"},
	{"dotmail, in place", INDEX_OF_FILE, box_new_dotmail, link_mbox, file_deliver, file_edit, file_look, true, "",
	 ".\n"},
	{"Maildir", "Maildir/.pop3-index", box_new, nothing, maildir_deliver, maildir_edit, maildir_look, false, NULL,
	 NULL},
	{"MH", "Maildir/.pop3-index/listing", box_new_mh, nothing, mh_deliver, mh_edit, mh_look, false, NULL, NULL},
	{"MH without backups", "Maildir/.pop3-index/listing", box_new_mh_without, nothing, mh_deliver, mh_edit, mh_look,
	 false, NULL, NULL},
};

static const struct format *format(void)
{
	return &formats[running->format];
}

/* ---- a session ---- */

/* Which letter is message i of the open maildrop, whole and under the name that it always had. */
static int letter_at(uint32_t i)
{
	char right[TEXT_MOST];
	struct message m;
	const char *text = box_text(&box, i);
	int n = -1;

	check_row(i, text, sscanf(text, "A: %d", &n) == 1 && n >= 0 && n < model.letters);
	struct letter *l = &model.letter[n];

	letter_text(l, right);
	check_row(i, text, strcmp(text, right) == 0);
	box_message(&box, i, &m);
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
	format()->deliver(l);
	model.letters++;
}

static void op_open(uint32_t dice)
{
	(void)dice;
	session_close();
	session_open();
	format()->look();
}

static void op_retr(uint32_t dice)
{
	char right[TEXT_MOST];

	if (!model.open || model.seens == 0)
		return;
	uint32_t i = dice % (uint32_t)model.seens;
	const struct letter *l = &model.letter[model.seen[i]];
	const char *text = box_text(&box, i);

	letter_text(l, right);
	check_row(i, text, strcmp(text, right) == 0 || (model.touched[l - model.letter] && !text[0]));
	check_row(i, text, l->there || !text[0]);
}

static void op_dele(uint32_t dice)
{
	if (model.open && model.seens > 0)
		model.marked[model.seen[dice % (uint32_t)model.seens]] = true;
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
	marks_make(marks);
	for (int i = 0; i < model.letters; i++)
		touched |= model.marked[i] && model.touched[i];
	enum err err = box_commit(&box, marks, &out);

	check_row(err, box.why.text, err == OK || touched);
	session_close();
	settle_marked(true);
	settle_touched();
	format()->look();
}

static void op_abort(uint32_t dice)
{
	(void)dice;
	session_close();
}

static void op_edit(uint32_t dice)
{
	let_time_pass();
	format()->edit(dice);
}

/* It is gone, or cut off where no session has it open. */
static void op_index_loss(uint32_t dice)
{
	char path[160];
	struct stat st;

	check(snprintf(path, sizeof path, "%s/%s", box.top, format()->index) > 0);
	if (stat(path, &st) < 0 || st.st_size == 0)
		return;
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
	check_row(gone, "all or nothing", !format()->at_once || gone == 0 || gone == goes);
	check_row(gone, "it came to its end", status == KILLED || gone == goes);
	format()->look();
}

static const struct {
	const char *name;
	unsigned weight;
	void (*run)(uint32_t dice);
} ops[] = {
	{"deliver", 6, op_deliver}, {"open", 5, op_open},   {"retr", 4, op_retr}, {"dele", 6, op_dele},
	{"quit", 4, op_quit},       {"abort", 1, op_abort}, {"edit", 3, op_edit}, {"index loss", 1, op_index_loss},
	{"crash", 1, op_crash},
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
	*q = (struct sequence){
		.seed = seed, .format = seed % TABLE_ROWS(formats), .slow = seed / TABLE_ROWS(formats) % 32 == 0};
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
	format()->make(&box);
	format()->prepare();
	for (size_t i = 0; i < q->steps; i++)
		ops[q->step[i].op].run(q->step[i].dice);
	session_close();
	session_open();
	format()->look();
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
