/* conf/report.c - see report.h */
#include "conf/report.h"

#include <stdarg.h>

static void put_range(FILE *f, const struct range *w)
{
	fprintf(f, "%s:%u.%u", w->file, w->from.line, w->from.col);
	if (w->to.line != w->from.line)
		fprintf(f, "-%u.%u", w->to.line, w->to.col);
	else if (w->to.col != w->from.col)
		fprintf(f, "-%u", w->to.col);
	fputs(": ", f);
}

__attribute__((format(printf, 3, 0))) static void tell(struct report *r, const struct range *where, const char *fmt,
						       va_list ap)
{
	char text[1024];

	if (vsnprintf(text, sizeof text, fmt, ap) < 0)
		text[0] = '\0';
	fprintf(r->f, "%s: ", r->program);
	if (where && where->file)
		put_range(r->f, where);
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7F)
			fprintf(r->f, "\\%03o", (unsigned)(unsigned char)*p);
		else
			fputc(*p, r->f);
	}
	fputc('\n', r->f);
}

void report_error(struct report *r, const struct range *where, const char *fmt, ...)
{
	va_list ap;

	r->errors++;
	r->only_modules = false;
	va_start(ap, fmt);
	tell(r, where, fmt, ap);
	va_end(ap);
}

void report_warning(struct report *r, const struct range *where, const char *fmt, ...)
{
	va_list ap;

	r->warnings++;
	va_start(ap, fmt);
	tell(r, where, fmt, ap);
	va_end(ap);
}

void report_note(struct report *r, const struct range *where, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(r, where, fmt, ap);
	va_end(ap);
}
