/* auth/keytab.c - see keytab.h */
#include "auth/keytab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	KEYTAB_OCTETS_MOST = 1 << 20,
	ENTRY_BESIDES = 4 + 4 + 1, /* behind the name: its type, a time, a version */
};

const char *service_name(const struct conf *cf)
{
	return cf->gsasl.service ? cf->gsasl.service : "pop";
}

void host_name(const struct conf *cf, char out[static NAME_MOST + 1])
{
	if (cf->gsasl.hostname) {
		(void)snprintf(out, NAME_MOST + 1, "%s", cf->gsasl.hostname);
		return;
	}
	out[NAME_MOST] = '\0';
	if (gethostname(out, NAME_MOST) < 0 || !out[0])
		memcpy(out, "localhost", sizeof "localhost");
}

/* --- contents ---------------------------------------------------------------------------------------------------- */

/* Numbers have their high octets first. */
static bool take_number(struct slice *rest, size_t octets, uint32_t *out)
{
	if (rest->n < octets)
		return false;
	*out = 0;
	for (size_t i = 0; i < octets; i++)
		*out = *out << 8 | (unsigned char)rest->p[i];
	*rest = (struct slice){rest->p + octets, rest->n - octets};
	return true;
}

static bool take_text(struct slice *rest, struct slice *out)
{
	uint32_t n;

	if (!take_number(rest, 2, &n) || n > rest->n)
		return false;
	*out = (struct slice){rest->p, n};
	*rest = (struct slice){rest->p + n, rest->n - n};
	return true;
}

/* Those whose exchanges have a key of ours in them (RFC 4121, section 2): aes128-cts-hmac-sha1-96 and what came after it, but for RC4. */
static bool is_new(uint32_t type)
{
	return (type >= 17 && type <= 20) || type == 25 || type == 26;
}

/* Host names in principals are in lower case; the library makes them so. */
static bool is_host(struct slice text, const char *host)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] >= 'A' && text.p[i] <= 'Z')
			return false;
	return slice_eq_nocase(text, slice_str(host));
}

static bool entry_matches(struct slice entry, const struct keytab_wanted *wanted, char realm[static NAME_MOST + 1])
{
	uint32_t parts, type;
	struct slice of, service, host;

	if (!take_number(&entry, 2, &parts) || parts != 2 || !take_text(&entry, &of) || !take_text(&entry, &service) ||
	    !take_text(&entry, &host) || entry.n < ENTRY_BESIDES)
		return false;
	entry = (struct slice){entry.p + ENTRY_BESIDES, entry.n - ENTRY_BESIDES};
	return take_number(&entry, 2, &type) && is_new(type) && slice_eq(service, slice_str(wanted->service)) &&
	       is_host(host, wanted->host) && (!wanted->realm || slice_eq(of, slice_str(wanted->realm))) &&
	       slice_cstr(of, realm, NAME_MOST + 1);
}

bool keytab_find(struct slice octets, const struct keytab_wanted *wanted, char realm[static NAME_MOST + 1],
		 bool *is_keytab)
{
	uint32_t version, size;

	*is_keytab = take_number(&octets, 2, &version) && version == 0x0502;
	while (*is_keytab && take_number(&octets, 4, &size) && size != 0) {
		bool is_hole = size > INT32_MAX; /* what was taken out, as a negative number */
		size_t n = is_hole ? (size_t)UINT32_MAX - size + 1 : size;

		if (n > octets.n)
			break; /* somebody writes it just now */
		if (!is_hole && entry_matches((struct slice){octets.p, n}, wanted, realm))
			return true;
		octets = (struct slice){octets.p + n, octets.n - n};
	}
	return false;
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

static enum err safety(int fd, const char *path, size_t *octets, struct why *why)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno(why, ERR_PERM, "keytab %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > KEYTAB_OCTETS_MOST)
		return fail(why, ERR_PERM, "keytab %s is no file of keys", path);
	if (st.st_mode & (S_IRWXO | S_IWGRP))
		return fail(why, ERR_PERM,
			    "keytab %s may be read or written by others than its owner and group: \"chmod 640 %s\" "
			    "helps",
			    path, path);
	*octets = (size_t)st.st_size;
	return OK;
}

static enum err look(struct slice octets, const struct conf *cf, const char *host, char realm[static NAME_MOST + 1],
		     struct why *why)
{
	struct keytab_wanted wanted = {service_name(cf), host, cf->gsasl.realm};
	const char *path = cf->gsasl.keytab.path;
	bool is_keytab;

	if (keytab_find(octets, &wanted, realm, &is_keytab))
		return OK;
	if (!is_keytab)
		return fail(why, ERR_PERM, "keytab %s is no file of keys", path);
	return fail(why, ERR_PERM,
		    "keytab %s has no AES key of %s/%s%s%s: set hostname or realm in section gsasl, or add it with "
		    "kadmin's ktadd",
		    path, wanted.service, host, wanted.realm ? "@" : "", wanted.realm ? wanted.realm : "");
}

static enum err read_and_look(int fd, size_t octets, const struct conf *cf, const char *host,
			      char realm[static NAME_MOST + 1], struct why *why)
{
	char *text = malloc(octets + 1);
	ssize_t n = text ? read(fd, text, octets) : -1;
	enum err err = n < 0 ? fail_errno(why, ERR_TEMP, "keytab %s", cf->gsasl.keytab.path)
			     : look((struct slice){text, (size_t)n}, cf, host, realm, why);

	if (text)
		explicit_bzero(text, octets);
	free(text);
	return err;
}

enum err keytab_look(const struct conf *cf, const char *host, char realm[static NAME_MOST + 1], struct why *why)
{
	const char *path = cf->gsasl.keytab.path;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t octets = 0;

	if (fd < 0 && errno == EACCES)
		return fail_errno(why, ERR_PERM, "keytab %s: \"chgrp %s %s; chmod 640 %s\" helps", path, cf->auth_user,
				  path, path);
	if (fd < 0)
		return fail_errno(why, ERR_PERM, "keytab %s", path);
	enum err err = safety(fd, path, &octets, why);

	if (err == OK)
		err = read_and_look(fd, octets, cf, host, realm, why);
	close(fd);
	return err;
}
