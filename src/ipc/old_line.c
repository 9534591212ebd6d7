/* ipc/old_line.c - see old_line.h */
#include "ipc/old_line.h"

#include "base/log.h"

/* %1, %2, %3 are the arguments. */
static const struct {
	int severity;
	const char *text;
} lines[OLD_LINES] = {
	[OLD_LOGIN] = {LOG_INFO, "POP3 login: user `%1', source %2"},
	[OLD_NONEXISTENT] = {LOG_INFO, "user `%1' nonexistent"},
	[OLD_WRONG] = {LOG_INFO, "user `%1': authentication failed"},
	[OLD_APOP_NONE] = {LOG_INFO, "password for `%1' not found in the database"},
	[OLD_APOP_WRONG] = {LOG_INFO, "APOP failed for `%1'"},
	[OLD_NO_INFO] = {LOG_ERR, "error getting identity info for user `%1': %2"},
	[OLD_NO_CHECK] = {LOG_ERR, "error authenticating user `%1': %2"},
	[OLD_TOO_SOON] = {LOG_INFO, "user `%1' tried to log in within the minimum allowed delay"},
	[OLD_OPENED_ONE] = {LOG_INFO, "user `%1' logged in with mailbox `%2' (1 message)"},
	[OLD_OPENED] = {LOG_INFO, "user `%1' logged in with mailbox `%2' (%3 messages)"},
	[OLD_IN_USE] = {LOG_NOTICE, "locking mailbox `%1' failed: %2"},
	[OLD_NOT_OPENED] = {LOG_ERR, "mu_mailbox_open(%1) failed: %2"},
	[OLD_BULLETINS] = {LOG_DEBUG, "user %1, last bulletin %2, total bulletins %3"},
	[OLD_BULLETIN_ONE] = {LOG_INFO, "user %1: delivering 1 pending bulletin"},
	[OLD_BULLETINS_PENDING] = {LOG_INFO, "user %1: delivering %2 pending bulletins"},
	[OLD_PROBE] = {LOG_INFO, "possible probe of account `%1'"},
	[OLD_ENDED] = {LOG_INFO, "session ended for %1"},
	[OLD_READ_TIMED_OUT] = {LOG_ERR, "Read time out"},
	[OLD_TIMED_OUT] = {LOG_INFO, "session timed out for %1"},
	[OLD_READ_EOF] = {LOG_ERR, "Unexpected eof on input"},
	[OLD_PROTOCOL_ERROR] = {LOG_INFO, "remote protocol error"},
	[OLD_READ_FAILED] = {LOG_ERR, "Read failed: %1"},
	[OLD_IO_ERROR] = {LOG_INFO, "I/O error"},
	[OLD_TLS] = {LOG_INFO, "TLS established using %1 (%2)"},
	[OLD_NO_TLS] = {LOG_ERR, "mu_starttls() failed: %1"},
	[OLD_CROWDED] = {LOG_ERR, "too many children (%1)"},
	[OLD_DENIED] = {LOG_INFO, "Denying connection from inet://%1:%2"},
	[OLD_WRAPPED] = {LOG_ERR, "access from inet://%1:%2 blocked by TCP wrappers"},
	[OLD_FINISHED] = {LOG_INFO, "process %1 finished with code %2 (%3)"},
	[OLD_KILLED] = {LOG_ERR, "process %1 terminated on signal %2"},
	[OLD_SIGNAL] = {LOG_CRIT, "MASTER: exiting on signal (%1)"},
};

bool old_line(enum old_line which, const struct slice args[OLD_ARGS])
{
	char text[2048];
	struct buf b = BUF(text);

	if (!log_current()->compatible)
		return false;
	for (const char *p = lines[which].text; *p; p++)
		if (p[0] == '%' && p[1] >= '1' && p[1] < '1' + OLD_ARGS)
			buf_put(&b, args[*++p - '1']);
		else
			buf_char(&b, *p);
	log_slice(lines[which].severity, buf_slice(&b));
	return true;
}
