/* master/tell.c - see tell.h */
#include "master/tell.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

/* A process has one log and one standard error; these belong to them. */
static bool starting = true;
static void (*lost)(void *arg);
static void *lost_arg;

static int syslog_socket(void)
{
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static bool syslog_connect(int fd)
{
	static const struct sockaddr_un log = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};

	return connect(fd, (const struct sockaddr *)&log, sizeof log) == 0;
}

/* Standard error where lines go to it for good. A pipe that nobody reads, or a stopped terminal, must stop no process, and
 * its flags belong to whoever gave it to us: so we open it anew. Where we may not, base/log.c asks before each line. */
static int stderr_open(const struct conf *cf)
{
	struct stat st;
	bool stays = cf->foreground || cf->mode != MODE_DAEMON;

	if (!stays || fstat(STDERR_FILENO, &st) < 0 || (!S_ISFIFO(st.st_mode) && !isatty(STDERR_FILENO)))
		return STDERR_FILENO;
	int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return STDERR_FILENO;
	return fd;
}

/* What `debug { level }' says of the topics that we have; others are for programs that we are not. */
static void debug_fill(struct log_setup *s, const struct conf_debug *d)
{
	for (size_t i = 0; i < DEBUG_TOPICS; i++)
		for (size_t j = 0; j < CONF_DEBUG_CATEGORIES; j++)
			if (strcmp(debug_topic_name[i], conf_debug_category[j]) == 0)
				s->debug[i] = d->levels[j];
}

void tell_setup(const struct conf *cf)
{
	struct log_setup s = {
		.form = LOG_TO_STDERR,
		.facility = cf->logging.facility,
		.severity = cf->logging.severity,
		.print_severity = cf->logging.print_severity,
		.session_id = cf->logging.session_id,
		.compatible = cf->logging.compatible,
		.line_info = cf->debug.line_info,
	};

	(void)slice_cstr(slice_str(cf->logging.tag), s.tag, sizeof s.tag);
	debug_fill(&s, &cf->debug.level);
	if (log_current()->fd > STDERR_FILENO)
		close(log_current()->fd); /* of the configuration before */
	if (cf->logging.syslog) {
		/* Without a receiver it stays unconnected: the first line finds out, and we try again later. */
		s.fd = syslog_socket();
		s.form = LOG_TO_SYSLOG;
		(void)syslog_connect(s.fd);
	} else {
		s.fd = stderr_open(cf);
	}
	log_setup(&s);
}

void tell(int severity, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	log_line(severity, "%s", text);
	if (starting && log_current()->form == LOG_TO_SYSLOG && severity <= LOG_WARNING)
		(void)fprintf(stderr, "%s: %s\n", log_current()->tag, text);
}

void tell_started(void)
{
	starting = false;
}

static void on_lost(void)
{
	lost(lost_arg);
}

void tell_on_lost(void (*fn)(void *arg), void *arg)
{
	lost = fn;
	lost_arg = arg;
	log_on_lost(on_lost);
}

bool tell_reopen(void)
{
	struct log_setup s = *log_current();
	int fd = s.form == LOG_TO_SYSLOG ? syslog_socket() : -1;

	if (fd < 0)
		return false;
	if (!syslog_connect(fd)) {
		close(fd);
		return false;
	}
	if (s.fd >= 0)
		close(s.fd);
	s.fd = fd;
	log_setup(&s);
	return true;
}
