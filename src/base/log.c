/* base/log.c - see log.h */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_MOST = 2048, VALUE_MOST = 255 };

static struct log_setup setup = {
	.fd = STDERR_FILENO, .form = LOG_TO_STDERR, .facility = LOG_MAIL, .severity = LOG_DEBUG, .tag = "pop3d"};
static void (*on_lost)(void);
static uint64_t lost_told_ms; /* when on_lost was called last */
static unsigned dropped;

void log_setup(const struct log_setup *s)
{
	tzset(); /* now, while the zone file can still be read */
	setup = *s;
}

const struct log_setup *log_current(void)
{
	return &setup;
}

void log_on_lost(void (*fn)(void))
{
	on_lost = fn;
}

bool log_wants(int severity)
{
	return setup.fd >= 0 && severity <= setup.severity;
}

static const char *severity_word(int severity)
{
	static const char *const words[] = {"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"};

	return words[severity & 7];
}

static void put_head(struct buf *b, int severity)
{
	if (setup.form == LOG_TO_SYSLOG) {
		static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
		char head[128];
		time_t now = time(NULL);
		struct tm tm;

		localtime_r(&now, &tm);
		int n = snprintf(head, sizeof head, "<%d>%.3s %2d %02d:%02d:%02d %s[%ld]: ", setup.facility | severity,
				 months + (size_t)tm.tm_mon * 3, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
				 setup.tag, (long)getpid());
		if (n > 0 && (size_t)n < sizeof head)
			buf_put(b, (struct slice){head, (size_t)n});
	} else {
		buf_str(b, setup.tag);
		buf_str(b, ": ");
	}
	if (setup.print_severity) {
		buf_str(b, severity_word(severity));
		buf_str(b, ": ");
	}
}

/* Whether the line was taken. A datagram socket whose receiver went away says so here. */
static bool deliver(const char *p, size_t n)
{
	ssize_t done = write(setup.fd, p, n);

	if (done >= 0)
		return true;
	bool gone = errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET || errno == EPIPE;
	uint64_t now = gone ? clock_ms() : 0;

	if (gone && on_lost && (lost_told_ms == 0 || now - lost_told_ms >= 1000)) {
		lost_told_ms = now;
		on_lost();
	}
	return false;
}

static void emit(int severity, struct slice text)
{
	char line[LINE_MOST + 128];
	struct buf b = BUF(line);

	put_head(&b, severity);
	if (dropped > 0) {
		char note[64];
		int n = snprintf(note, sizeof note, "(%u lines lost before this one) ", dropped);

		if (n > 0)
			buf_put(&b, (struct slice){note, (size_t)n});
	}
	size_t room = b.cap - b.len - 1; /* for the line's end */

	if (text.n > room)
		text.n = room;
	buf_put(&b, text);
	if (setup.form == LOG_TO_STDERR)
		buf_char(&b, '\n');
	if (deliver(b.p, b.len))
		dropped = 0;
	else
		dropped++;
}

void log_line(int severity, const char *fmt, ...)
{
	char text[LINE_MOST];
	va_list ap;

	if (!log_wants(severity))
		return;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);

	va_end(ap);
	if (n < 0)
		return;
	emit(severity, (struct slice){text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1});
}

void log_escape(struct buf *b, struct slice text)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == '"' || c == '\\')
			buf_put(b, (struct slice){(char[]){'\\', (char)c}, 2});
		else if (c >= 0x20 && c < 0x7F)
			buf_char(b, (char)c);
		else
			buf_put(b, (struct slice){(char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4});
	}
}

void event_new(struct event *e, const char *name)
{
	e->b = (struct buf){.p = e->text, .cap = sizeof e->text};
	buf_str(&e->b, name);
}

/* Where a pair begins. */
static size_t pair_begin(struct event *e, const char *key)
{
	size_t at = e->b.len;

	buf_char(&e->b, ' ');
	buf_str(&e->b, key);
	buf_char(&e->b, '=');
	return at;
}

/* A pair that did not fit goes whole, so that those behind it can be read. */
static void pair_end(struct event *e, size_t at)
{
	if (e->b.full)
		buf_rewind(&e->b, at);
}

void event_kv(struct event *e, const char *key, struct slice value)
{
	char text[VALUE_MOST];
	struct buf escaped = BUF(text);

	log_escape(&escaped, value);
	size_t at = pair_begin(e, key);

	buf_char(&e->b, '"');
	buf_put(&e->b, buf_slice(&escaped));
	buf_char(&e->b, '"');
	pair_end(e, at);
}

void event_u64(struct event *e, const char *key, uint64_t n)
{
	size_t at = pair_begin(e, key);

	buf_u64(&e->b, n);
	pair_end(e, at);
}

void event_word(struct event *e, const char *key, const char *word)
{
	size_t at = pair_begin(e, key);

	buf_str(&e->b, word);
	pair_end(e, at);
}

void event_log(struct event *e, int severity)
{
	if (log_wants(severity))
		emit(severity, buf_slice(&e->b));
}
