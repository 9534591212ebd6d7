/* base/log.c - see log.h */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_MOST = 2048, VALUE_MOST = 255 };

static struct log_setup setup = {
	.fd = STDERR_FILENO, .form = LOG_TO_STDERR, .facility = LOG_MAIL, .severity = LOG_DEBUG, .tag = "pop3d"};
static void (*on_lost)(void);
static uint64_t lost_told_ms; /* when on_lost was called last */
static unsigned dropped;
static uint64_t session; /* whose lines these are; 0: nobody's */

/* How a line is written without ever waiting. */
static enum { HOW_WRITE, HOW_SEND, HOW_ASK } how;

const char *const debug_topic_name[DEBUG_TOPICS] = {"auth",   "acl",    "mailbox", "locker",
						    "server", "config", "stream",  "tls"};
uint16_t debug_levels[DEBUG_TOPICS];

/* A pipe or terminal that somebody else made blocking is asked first. Where several processes write to it, another one
 * may be faster than ours between question and write: master opens such a descriptor anew (master/tell.c), if it can. */
static int how_to_write(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if ((flags >= 0 && flags & O_NONBLOCK) || fstat(fd, &st) < 0 || S_ISREG(st.st_mode))
		return HOW_WRITE;
	return S_ISSOCK(st.st_mode) ? HOW_SEND : HOW_ASK;
}

void log_setup(const struct log_setup *s)
{
	tzset(); /* now, while the zone file can still be read */
	setup = *s;
	how = how_to_write(s->fd);
	for (size_t i = 0; i < DEBUG_TOPICS; i++)
		debug_levels[i] = log_wants(LOG_DEBUG) ? s->debug[i] : 0;
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

void log_session(uint64_t id)
{
	session = id;
}

void log_session_text(uint64_t id, char text[static LOG_SESSION_CHARS + 1])
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	text[LOG_SESSION_CHARS] = '\0';
	for (size_t i = LOG_SESSION_CHARS; i-- > 0; id /= 62)
		text[i] = digits[id % 62];
}

static void put_session(struct buf *b)
{
	char text[LOG_SESSION_CHARS + 1];

	log_session_text(session, text);
	buf_str(b, text);
	buf_char(b, ' ');
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
	if (setup.session_id && session != 0)
		put_session(b);
	if (setup.print_severity) {
		buf_str(b, severity_word(severity));
		buf_str(b, ": ");
	}
}

/* As write(2), and never waits: where there is no room now the error is EAGAIN. */
static ssize_t write_now(const char *p, size_t n)
{
	struct iovec io = {(void *)p, n};
	struct pollfd room = {.fd = setup.fd, .events = POLLOUT};

	if (how == HOW_SEND)
		return sendmsg(setup.fd, &(struct msghdr){.msg_iov = &io, .msg_iovlen = 1},
			       MSG_DONTWAIT | MSG_NOSIGNAL);
	if (how == HOW_ASK && (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT))) {
		errno = EAGAIN;
		return -1;
	}
	return write(setup.fd, p, n);
}

/* Whether the line was taken. A datagram socket whose receiver went away says so here. */
static bool deliver(const char *p, size_t n)
{
	if (write_now(p, n) >= 0)
		return true;
	bool gone = errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET || errno == EPIPE;
	uint64_t now = gone ? clock_ms() : 0;

	if (gone && on_lost && (lost_told_ms == 0 || now - lost_told_ms >= 1000)) {
		lost_told_ms = now;
		on_lost();
	}
	return false;
}

/* How many octets at the front are shown as they are. */
static size_t plain_octets(struct slice text, bool quoted)
{
	size_t n = 0;

	while (n < text.n && text.p[n] >= 0x20 && text.p[n] < 0x7F &&
	       !(quoted && (text.p[n] == '"' || text.p[n] == '\\')))
		n++;
	return n;
}

static void put_octet(struct buf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	if (c < 0x20 || c >= 0x7F)
		buf_put(b, (struct slice){(char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4});
	else
		buf_put(b, (struct slice){(char[]){'\\', (char)c}, 2});
}

/* Printable ASCII as it is, \\ before quotes and \\ where text is quoted, other octets as \\xNN. What does not fit is cut, and no half
 * of an octet's text is left. */
static void put_visible(struct buf *b, struct slice text, bool quoted)
{
	for (;;) {
		size_t n = plain_octets(text, quoted), room = b->cap - b->len;

		buf_put(b, (struct slice){text.p, n < room ? n : room});
		if (n > room || n == text.n)
			return;
		size_t before = b->len;

		put_octet(b, (unsigned char)text.p[n]);
		if (b->full) {
			buf_rewind(b, before);
			return;
		}
		text = (struct slice){text.p + n + 1, text.n - n - 1};
	}
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
	b.cap--; /* for the line's end */
	put_visible(&b, text, false);
	b.cap++;
	if (setup.form == LOG_TO_STDERR)
		buf_char(&b, '\n');
	if (deliver(b.p, b.len))
		dropped = 0;
	else
		dropped++;
}

static void vline(int severity, const char *place, const char *fmt, va_list ap)
{
	char text[LINE_MOST];
	struct buf b = BUF(text);

	buf_str(&b, place);
	int n = vsnprintf(text + b.len, sizeof text - b.len, fmt, ap);

	if (n < 0)
		return;
	b.len += (size_t)n < sizeof text - b.len ? (size_t)n : sizeof text - b.len - 1;
	emit(severity, buf_slice(&b));
}

void log_line(int severity, const char *fmt, ...)
{
	va_list ap;

	if (!log_wants(severity))
		return;
	va_start(ap, fmt);
	vline(severity, "", fmt, ap);
	va_end(ap);
}

void log_slice(int severity, struct slice text)
{
	if (log_wants(severity))
		emit(severity, text);
}

void debug_line(const char *file, int line, const char *fmt, ...)
{
	char place[128] = "";
	const char *name = strrchr(file, '/');
	va_list ap;

	if (setup.line_info)
		(void)snprintf(place, sizeof place, "%s:%d: ", name ? name + 1 : file, line);
	va_start(ap, fmt);
	vline(LOG_DEBUG, place, fmt, ap);
	va_end(ap);
}

void log_escape(struct buf *b, struct slice text)
{
	put_visible(b, text, true);
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

void event_session(struct event *e, uint64_t id)
{
	char text[LOG_SESSION_CHARS + 1];

	log_session_text(id, text);
	event_word(e, "session", text);
}

void event_log(struct event *e, int severity)
{
	log_slice(severity, buf_slice(&e->b));
}
