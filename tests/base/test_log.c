/* tests/base/test_log.c - what lines look like, and what happens to those that nobody takes */
#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

/* The log goes into a datagram socket, so that a line is one read. */
struct sink {
	int fds[2];
	char line[4096];
};

static int sink_open(void **state)
{
	static struct sink sink;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sink.fds) < 0)
		return -1;
	*state = &sink;
	return 0;
}

static int sink_close(void **state)
{
	struct sink *s = *state;

	log_on_lost(NULL);
	close(s->fds[0]);
	if (s->fds[1] >= 0)
		close(s->fds[1]);
	return 0;
}

static struct log_setup setup_of(const struct sink *s)
{
	return (struct log_setup){
		.fd = s->fds[0], .form = LOG_TO_STDERR, .facility = LOG_MAIL, .severity = LOG_DEBUG, .tag = "pop3d"};
}

/* The next line; "" when there is none. */
static const char *sink_read(struct sink *s)
{
	ssize_t n = read(s->fds[1], s->line, sizeof s->line - 1);

	s->line[n > 0 ? n : 0] = '\0';
	return s->line;
}

static const struct {
	int severity, threshold;
	bool print;
	const char *line;
} lines[] = {
	{LOG_INFO, LOG_DEBUG, false, "pop3d: it is 42\n"},
	{LOG_INFO, LOG_DEBUG, true, "pop3d: info: it is 42\n"},
	{LOG_INFO, LOG_INFO, true, "pop3d: info: it is 42\n"},
	{LOG_INFO, LOG_NOTICE, true, ""},
	{LOG_DEBUG, LOG_INFO, true, ""},
	{LOG_DEBUG, LOG_DEBUG, true, "pop3d: debug: it is 42\n"},
	{LOG_NOTICE, LOG_DEBUG, true, "pop3d: notice: it is 42\n"},
	{LOG_WARNING, LOG_DEBUG, true, "pop3d: warning: it is 42\n"},
	{LOG_ERR, LOG_DEBUG, true, "pop3d: error: it is 42\n"},
	{LOG_CRIT, LOG_ERR, true, "pop3d: crit: it is 42\n"},
	{LOG_ALERT, LOG_DEBUG, true, "pop3d: alert: it is 42\n"},
	{LOG_EMERG, LOG_EMERG, true, "pop3d: emerg: it is 42\n"},
};

static void test_lines(void **state)
{
	struct sink *s = *state;

	for (size_t i = 0; i < TABLE_ROWS(lines); i++) {
		struct log_setup setup = setup_of(s);

		setup.severity = lines[i].threshold;
		setup.print_severity = lines[i].print;
		log_setup(&setup);
		check_row(i, lines[i].line, log_wants(lines[i].severity) == (lines[i].line[0] != '\0'));
		log_line(lines[i].severity, "it is %d", 42);
		check_row(i, lines[i].line, strcmp(sink_read(s), lines[i].line) == 0);
	}
}

/* "<22>Nov 22 21:27:51 pop3d[28872]: text": mail.info, the form of local syslog sockets. */
static void test_syslog_form(void **state)
{
	struct sink *s = *state;
	struct log_setup setup = setup_of(s);
	char month[4], tag[32];
	int pri, day, hour, minute, second, at = 0;
	long pid;

	setup.form = LOG_TO_SYSLOG;
	setup.print_severity = true;
	log_setup(&setup);
	log_line(LOG_INFO, "hello");
	check(sscanf(sink_read(s), "<%d>%3s %2d %2d:%2d:%2d %31[a-z0-9][%ld]: %n", &pri, month, &day, &hour, &minute,
		     &second, tag, &pid, &at) == 8);
	check(pri == (LOG_MAIL | LOG_INFO) && strcmp(tag, "pop3d") == 0 && pid == getpid());
	check(at > 0 && strcmp(s->line + at, "info: hello") == 0); /* no line end in a datagram */
	check(s->line[4 + 6] == ' ' && s->line[4 + 15] == ' ');    /* a day of one digit has a blank before it */
}

static const struct {
	struct slice in;
	const char *out;
} escapes[] = {
	{TEXT(""), ""},
	{TEXT("bob@example.org"), "bob@example.org"},
	{TEXT("a\"b\\c"), "a\\\"b\\\\c"},
	{TEXT("x\r\npop3d: login user=root"), "x\\x0d\\x0apop3d: login user=root"},
	{TEXT("a\0b"), "a\\x00b"},
	{TEXT("\x1b[2J"), "\\x1b[2J"},
	{TEXT("\x7f\x80\xff"), "\\x7f\\x80\\xff"},
	{TEXT(" ~"), " ~"},
};

static void test_escape(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(escapes); i++) {
		char text[256];
		struct buf b = BUF(text);

		log_escape(&b, escapes[i].in);
		check_row(i, escapes[i].out, slice_eq(buf_slice(&b), slice_str(escapes[i].out)));
	}
}

/* A cut never leaves half an escape behind. */
static void test_escape_cuts(void **state)
{
	(void)state;
	for (size_t cap = 0; cap < 12; cap++) {
		char text[12];
		struct buf b = {.p = text, .cap = cap};

		log_escape(&b, SLICE("\1\2\3"));
		check_row(cap, "whole escapes", b.len == cap / 4 * 4);
		b = (struct buf){.p = text, .cap = cap};
		log_escape(&b, SLICE("ab\"cd"));
		check_row(cap, "as far as it fits", b.len == (cap > 6 ? 6 : cap == 3 ? 2 : cap));
		check(slice_starts(SLICE("ab\\\"cd"), buf_slice(&b)));
	}
}

static void test_event(void **state)
{
	struct sink *s = *state;
	struct log_setup setup = setup_of(s);
	struct event e;

	log_setup(&setup);
	event_new(&e, "login");
	event_kv(&e, "user", SLICE("bob \"the\" x"));
	event_u64(&e, "messages", 3);
	event_word(&e, "source", "virtdomain");
	event_log(&e, LOG_INFO);
	check(strcmp(sink_read(s), "pop3d: login user=\"bob \\\"the\\\" x\" messages=3 source=virtdomain\n") == 0);
	setup.severity = LOG_ERR;
	log_setup(&setup);
	event_log(&e, LOG_INFO);
	check(sink_read(s)[0] == '\0');
}

/* A pair that does not fit is left out whole, whatever its kind; a shorter one behind it is not. */
static void test_event_full(void **state)
{
	(void)state;
	static const char word[] = "abcdefghijklmnopqrstuvwxyz";
	char value[300];

	memset(value, 'v', sizeof value);
	for (size_t fill = 0; fill < 300; fill++) {
		struct event e;

		event_new(&e, "failure");
		for (int i = 0; i < 3; i++)
			event_kv(&e, "k", (struct slice){value, sizeof value});
		event_kv(&e, "f", (struct slice){value, fill});
		event_kv(&e, "long", (struct slice){value, 200});
		event_word(&e, "word", word);
		event_u64(&e, "n", UINT64_MAX);
		event_u64(&e, "m", 1);
		struct slice text = buf_slice(&e.b);
		struct slice rest = text;
		size_t pairs = 0;

		check_row(fill, "fits", text.n <= sizeof e.text);
		slice_take(&rest, ' ');
		while (rest.n > 0) {
			struct slice pair = slice_take(&rest, ' ');
			struct slice key = slice_take(&pair, '=');
			bool whole = slice_eq(key, SLICE("word")) ? slice_eq(pair, slice_str(word))
				     : slice_eq(key, SLICE("n"))  ? slice_eq(pair, SLICE("18446744073709551615"))
				     : slice_eq(key, SLICE("m"))  ? slice_eq(pair, SLICE("1"))
								  : pair.n >= 2 && pair.p[pair.n - 1] == '"';

			check_row(fill, "whole pairs", whole);
			pairs++;
		}
		check_row(fill, "three at least", pairs >= 3);
		check_row(fill, "the shortest got in while there was room",
			  text.n >= sizeof e.text - 4 || (text.n >= 4 && memcmp(text.p + text.n - 4, " m=1", 4) == 0));
	}
}

static void test_value_is_cut(void **state)
{
	(void)state;
	char value[1000];
	struct event e;

	memset(value, 'v', sizeof value);
	event_new(&e, "failure");
	event_kv(&e, "user", (struct slice){value, sizeof value});
	event_kv(&e, "address", SLICE("192.0.2.1"));
	static const char behind[] = "\" address=\"192.0.2.1\"";
	size_t head = strlen("failure user=\"") + 255;

	check(e.b.len == head + strlen(behind));
	check(memcmp(e.b.p + head, behind, strlen(behind)) == 0);
}

/* However long head and text are, what arrives is the beginning of the line, with its end. */
static void test_long_line(void **state)
{
	struct sink *s = *state;
	struct log_setup setup = setup_of(s);
	static char text[5000];

	memset(text, 'x', sizeof text - 1);
	memset(setup.tag, 't', sizeof setup.tag - 1);
	setup.print_severity = true;
	for (int form = LOG_TO_STDERR; form <= LOG_TO_SYSLOG; form++) {
		setup.form = (enum log_form)form;
		log_setup(&setup);
		log_line(LOG_WARNING, "%s", text);
		const char *line = sink_read(s);

		check_row(form, "has its text", strstr(line, "warning: xxxxxxxx"));
		check_row(form, "long", strlen(line) > 2000);
		check_row(form, "ends", form == LOG_TO_SYSLOG || line[strlen(line) - 1] == '\n');
	}
}

/* A receiver that takes nothing costs lines, not time; the number of them comes with the next line. */
static void test_dropped_lines_are_told(void **state)
{
	struct sink *s = *state;
	struct log_setup setup = setup_of(s);
	unsigned written = 0, seen = 0, lost = 0;
	static char text[5000];

	log_setup(&setup);
	for (; written < 2000; written++)
		log_line(LOG_INFO, "line %u", written);
	while (sink_read(s)[0])
		seen++;
	check(seen > 0 && seen < written);
	memset(text, 'x', sizeof text - 1);
	log_line(LOG_INFO, "again %s", text); /* as long as can be */
	check(sscanf(sink_read(s), "pop3d: (%u lines lost before this one) again xxxx", &lost) == 1);
	check(lost == written - seen && s->line[strlen(s->line) - 1] == '\n');
	log_line(LOG_INFO, "and again");
	check(strcmp(sink_read(s), "pop3d: and again\n") == 0);
}

/* Standard error as others give it to us: blocking, and read by nobody. */
static bool pipe_new(int fds[2])
{
	return pipe2(fds, O_CLOEXEC) == 0;
}

static bool stream_new(int fds[2])
{
	int pair[2];
	bool made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0;

	fds[0] = pair[1]; /* as with pipes: the end that is read */
	fds[1] = pair[0];
	return made;
}

static const struct {
	const char *name;
	bool (*make)(int fds[2]);
} receivers[] = {{"pipe", pipe_new}, {"stream socket", stream_new}};

/* Lines that there are to read. */
static unsigned drain(int fd, char *text, size_t cap)
{
	unsigned n = 0;
	ssize_t got;

	check(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	while ((got = read(fd, text, cap)) > 0)
		for (ssize_t i = 0; i < got; i++)
			n += text[i] == '\n';
	return n;
}

static void test_receiver_that_does_not_read(void **state)
{
	struct sink *s = *state;

	for (size_t i = 0; i < TABLE_ROWS(receivers); i++) {
		static char text[1 << 20];
		struct log_setup setup = setup_of(s);
		unsigned lost = 0;
		int fds[2];

		check_row(i, receivers[i].name, receivers[i].make(fds));
		setup.fd = fds[1];
		log_setup(&setup);
		alarm(60); /* instead of waiting for ever */
		for (unsigned n = 0; n < 20000; n++)
			log_line(LOG_INFO, "line of some length, number %u", n);
		alarm(0);
		check_row(i, "flags are the owner's", (fcntl(fds[1], F_GETFL) & O_NONBLOCK) == 0);
		unsigned taken = drain(fds[0], text, sizeof text);

		check_row(i, "some", taken > 0 && taken < 20000);
		log_line(LOG_INFO, "after");
		ssize_t n = read(fds[0], text, sizeof text - 1);

		text[n > 0 ? n : 0] = '\0';
		check_row(i, text, sscanf(text, "pop3d: (%u lines lost before this one) after", &lost) == 1);
		check_row(i, "all are accounted for", taken + lost == 20000);
		close(fds[0]);
		close(fds[1]);
	}
}

static const struct {
	uint64_t id;
	const char *text;
} ids[] = {
	{0, "00000000"},          {1, "00000001"}, {61, "0000000z"}, {62, "00000010"}, {LOG_SESSIONS - 1, "zzzzzzzz"},
	{UINT64_MAX, "Ha16AHYF"},
};

/* The id stands in front of the severity, and only in lines that belong to a session. */
static void test_session_id(void **state)
{
	struct sink *s = *state;
	struct log_setup setup = setup_of(s);
	char text[LOG_SESSION_CHARS + 1], line[64];

	setup.print_severity = true;
	for (size_t i = 0; i < TABLE_ROWS(ids); i++) {
		log_session_text(ids[i].id, text);
		check_row(i, text, strcmp(text, ids[i].text) == 0);
		check_row(i, text, strlen(text) == LOG_SESSION_CHARS);
		for (int on = 0; on <= 1; on++) {
			setup.session_id = on;
			log_setup(&setup);
			log_session(ids[i].id);
			log_line(LOG_INFO, "x");
			snprintf(line, sizeof line, "pop3d: %s%sinfo: x\n", on && ids[i].id ? text : "",
				 on && ids[i].id ? " " : "");
			check_row(i, line, strcmp(sink_read(s), line) == 0);
		}
	}
	log_session(0);
}

/* Whatever stands in a line, it is one. */
static void test_one_line(void **state)
{
	struct sink *s = *state;
	struct log_setup setup = setup_of(s);

	log_setup(&setup);
	log_line(LOG_INFO, "a%sb", "\n\r\x1b\xff\"\\");
	check(strcmp(sink_read(s), "pop3d: a\\x0a\\x0d\\x1b\\xff\"\\b\n") == 0);
}

static const struct {
	uint16_t levels;
	int severity;
	enum debug_level level;
	bool written;
} debugging[] = {
	{0, LOG_DEBUG, DEBUG_TRACE1, false},
	{1 << DEBUG_TRACE1, LOG_DEBUG, DEBUG_TRACE1, true},
	{1 << DEBUG_TRACE1, LOG_DEBUG, DEBUG_TRACE2, false},
	{0xFFFF, LOG_DEBUG, DEBUG_PROT, true},
	{0xFFFF, LOG_INFO, DEBUG_ERROR, false},
};

static void test_debug(void **state)
{
	struct sink *s = *state;

	for (size_t i = 0; i < TABLE_ROWS(debugging); i++) {
		struct log_setup setup = setup_of(s);

		setup.severity = debugging[i].severity;
		setup.debug[TOPIC_AUTH] = debugging[i].levels;
		log_setup(&setup);
		debug(TOPIC_AUTH, debugging[i].level, "Trying %s...", "x");
		check_row(i, "written", strcmp(sink_read(s), debugging[i].written ? "pop3d: Trying x...\n" : "") == 0);
		debug(TOPIC_ACL, debugging[i].level, "another topic");
		check_row(i, "another topic", sink_read(s)[0] == '\0');
	}
}

/* "test_log.c:NUMBER: text". */
static void test_line_info(void **state)
{
	struct sink *s = *state;
	struct log_setup setup = setup_of(s);
	int line, at = 0;

	setup.debug[TOPIC_AUTH] = 1 << DEBUG_TRACE1;
	setup.line_info = setup.print_severity = true;
	log_setup(&setup);
	debug(TOPIC_AUTH, DEBUG_TRACE1, "hello");
	check(sscanf(sink_read(s), "pop3d: debug: test_log.c:%d: %n", &line, &at) == 1);
	check(line == __LINE__ - 2 && strcmp(s->line + at, "hello\n") == 0);
	log_line(LOG_DEBUG, "no debugging line");
	check(strcmp(sink_read(s), "pop3d: debug: no debugging line\n") == 0);
}

static unsigned told;

static void count_lost(void)
{
	told++;
}

static void test_receiver_gone(void **state)
{
	struct sink *s = *state;
	struct log_setup setup = setup_of(s);

	setup.form = LOG_TO_SYSLOG;
	log_setup(&setup);
	log_on_lost(count_lost);
	told = 0;
	log_line(LOG_INFO, "taken");
	check(told == 0);
	close(s->fds[1]);
	s->fds[1] = -1;
	for (int i = 0; i < 100; i++)
		log_line(LOG_INFO, "not taken");
	check(told == 1); /* at most once a second */
}

static void test_no_log_at_all(void **state)
{
	struct sink *s = *state;
	struct log_setup setup = setup_of(s);

	setup.fd = -1;
	log_setup(&setup);
	check(!log_wants(LOG_EMERG));
	log_line(LOG_EMERG, "nobody hears this");
	check(log_current()->fd == -1);
}

int main(void)
{
#define SINK_TEST(f) cmocka_unit_test_setup_teardown(f, sink_open, sink_close)
	const struct CMUnitTest tests[] = {
		SINK_TEST(test_lines),
		SINK_TEST(test_syslog_form),
		SINK_TEST(test_escape),
		SINK_TEST(test_escape_cuts),
		SINK_TEST(test_event),
		SINK_TEST(test_event_full),
		SINK_TEST(test_value_is_cut),
		SINK_TEST(test_long_line),
		SINK_TEST(test_session_id),
		SINK_TEST(test_one_line),
		SINK_TEST(test_debug),
		SINK_TEST(test_line_info),
		SINK_TEST(test_dropped_lines_are_told),
		SINK_TEST(test_receiver_that_does_not_read),
		SINK_TEST(test_receiver_gone),
		SINK_TEST(test_no_log_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
