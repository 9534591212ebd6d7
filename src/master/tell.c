/* master/tell.c - see tell.h */
#include "master/tell.h"

#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
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

void tell_setup(const struct conf *cf)
{
	struct log_setup s = {
		.fd = STDERR_FILENO,
		.form = LOG_TO_STDERR,
		.facility = cf->logging.facility,
		.severity = cf->logging.severity,
		.print_severity = cf->logging.print_severity,
	};

	(void)slice_cstr(slice_str(cf->logging.tag), s.tag, sizeof s.tag);
	if (cf->logging.syslog) {
		/* Without a receiver it stays unconnected: the first line finds out, and we try again later. */
		s.fd = syslog_socket();
		s.form = LOG_TO_SYSLOG;
		(void)syslog_connect(s.fd);
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
