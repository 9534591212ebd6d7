/* auth/names.c - see names.h */
#include "auth/names.h"

#include <string.h>

#include "ipc/catalogue.h"

bool credential_is_clean(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\r' || text.p[i] == '\n' || text.p[i] == '\0')
			return false;
	return true;
}

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7F;
}

static bool is_domain_octet(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' ||
	       c == '.' || c > 0x7F;
}

/* What any part must be, wherever it is used: it names one thing in one directory. */
static bool is_one_name(struct slice text)
{
	if (text.n == 0 || text.n > NAME_MOST || text.p[0] == '.' || memmem(text.p, text.n, "..", 2))
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '/' || is_control((unsigned char)text.p[i]))
			return false;
	return true;
}

bool name_is_user(struct slice text)
{
	return is_one_name(text);
}

bool name_is_domain(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!is_domain_octet((unsigned char)text.p[i]))
			return false;
	return is_one_name(text);
}

bool name_split(struct slice login, struct slice *user, struct slice *domain)
{
	size_t at = 0;

	while (at < login.n && login.p[at] != '@' && login.p[at] != ':' && login.p[at] != '!')
		at++;
	if (at == login.n)
		return false;
	*user = (struct slice){login.p, at};
	*domain = (struct slice){login.p + at + 1, login.n - at - 1};
	return true;
}
