/* base/why.c - see why.h */
#include "base/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_name(enum err err)
{
	static const char *const names[ERR_COUNT] = {"OK", "TEMP", "PERM", "AUTH", "IN_USE", "DELAY", "LOCKED"};

	return err < ERR_COUNT ? names[err] : "?";
}

enum err fail(struct why *why, enum err err, const char *fmt, ...)
{
	va_list ap;

	if (why) {
		va_start(ap, fmt);
		if (vsnprintf(why->text, sizeof why->text, fmt, ap) < 0)
			why->text[0] = '\0';
		va_end(ap);
	}
	return err;
}

enum err fail_errno(struct why *why, enum err err, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (why) {
		va_start(ap, fmt);
		int n = vsnprintf(why->text, sizeof why->text, fmt, ap);

		va_end(ap);
		if (n >= 0 && (size_t)n < sizeof why->text) {
			char text[128];

			/* The GNU strerror_r: always returns a string, ours or its own. */
			const char *reason = strerror_r(saved, text, sizeof text);
			size_t room = sizeof why->text - (size_t)n;

			if (snprintf(why->text + n, room, ": %s", reason) < 0)
				why->text[n] = '\0';
		}
	}
	errno = saved;
	return err;
}
