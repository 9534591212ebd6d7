/* backend/radius/dictionary.c - see dictionary.h */
#include "backend/radius/dictionary.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_MOST = 6, DEPTH_MOST = 16, FILE_MOST = 4 * 1024 * 1024 };

/* Where a text is read. */
struct reader;
static enum err read_file(struct reader *r);

struct reader {
	struct dictionary *d;
	const char *path;
	unsigned line, depth;
	uint32_t vendor;      /* of BEGIN-VENDOR; 0: none */
	unsigned passed_over; /* blocks of BEGIN-TLV and the like that are open */
	struct slice word[WORDS_MOST];
	size_t words;
	struct why *why;
};

static enum err bad(const struct reader *r, const char *what, struct slice about)
{
	return fail(r->why, ERR_PERM, "%s:%u: %s%s%.*s", r->path ? r->path : "dictionary", r->line, what,
		    about.n ? " " : "", (int)(about.n < 60 ? about.n : 60), about.n ? about.p : "");
}

static enum err no_memory(const struct reader *r)
{
	return fail(r->why, ERR_TEMP, "%s: not enough memory", r->path ? r->path : "dictionary");
}

/* --- numbers and names ------------------------------------------------------------------------------------------ */

bool number_parse(struct slice text, uint64_t *n)
{
	static const char digits[] = "0123456789abcdef";

	if (!slice_starts(text, SLICE("0x")) && !slice_starts(text, SLICE("0X")))
		return slice_u64(text, n);
	*n = 0;
	if (text.n < 3 || text.n > 18)
		return false;
	for (size_t i = 2; i < text.n; i++) {
		char c = (char)(text.p[i] >= 'A' && text.p[i] <= 'F' ? text.p[i] + ('a' - 'A') : text.p[i]);
		const char *at = c ? strchr(digits, c) : NULL;

		if (!at)
			return false;
		*n = *n << 4 | (uint64_t)(at - digits);
	}
	return true;
}

static const struct dictionary_vendor *vendor_find(const struct dictionary *d, struct slice name)
{
	const struct dictionary_vendor *v = d->vendors;

	while (v && !slice_eq_nocase(slice_str(v->name), name))
		v = v->older;
	return v;
}

const struct dictionary_attribute *dictionary_find(const struct dictionary *d, struct slice name)
{
	const struct dictionary_attribute *a = d->attributes;

	while (a && !slice_eq_nocase(slice_str(a->name), name))
		a = a->older;
	return a;
}

const struct dictionary_value *dictionary_value_find(const struct dictionary *d, const char *attribute,
						     struct slice name)
{
	const struct dictionary_value *v = d->values;

	while (v && !(slice_eq_nocase(slice_str(v->name), name) &&
		      slice_eq_nocase(slice_str(v->attribute), slice_str(attribute))))
		v = v->older;
	return v;
}

/* --- statements ------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum attribute_type type;
	uint8_t octets;
} types[] = {
	{"string", TYPE_STRING, 0},     {"text", TYPE_STRING, 0},        {"octets", TYPE_OCTETS, 0},
	{"integer", TYPE_INTEGER, 4},   {"uint32", TYPE_INTEGER, 4},     {"signed", TYPE_INTEGER, 4},
	{"integer64", TYPE_INTEGER, 8}, {"uint64", TYPE_INTEGER, 8},     {"short", TYPE_INTEGER, 2},
	{"uint16", TYPE_INTEGER, 2},    {"byte", TYPE_INTEGER, 1},       {"uint8", TYPE_INTEGER, 1},
	{"ipaddr", TYPE_IPADDR, 4},     {"ipv6addr", TYPE_IPV6ADDR, 16}, {"date", TYPE_DATE, 4},
};

/* The flags that matter, "has_tag,encrypt=1"; GNU Radius' own are in brackets and matter to its server alone. */
static void apply_flags(struct dictionary_attribute *a, struct slice flags)
{
	while (flags.n > 0) {
		struct slice flag = slice_take(&flags, ',');

		if (slice_eq(flag, SLICE("encrypt=1")))
			a->hidden = true;
		else if (slice_eq(flag, SLICE("has_tag")) || slice_starts(flag, SLICE("encrypt=")))
			a->type = TYPE_OTHER;
	}
}

static enum err on_attribute(struct reader *r)
{
	uint64_t number = 0;
	struct dictionary_attribute *a;

	if (r->words < 4)
		return bad(r, "expected ATTRIBUTE NAME NUMBER TYPE", (struct slice){0});
	if (slice_find(r->word[2], '.') < r->word[2].n)
		return OK; /* in another attribute: nested */
	if (!number_parse(r->word[2], &number))
		return bad(r, "no number:", r->word[2]);
	if (number < 1 || number > 255)
		return OK; /* of the server's own */
	a = arena_zero(r->d->arena, sizeof *a);
	const char *name = arena_str(r->d->arena, r->word[1]);

	if (!a || !name)
		return no_memory(r);
	*a = (struct dictionary_attribute){.older = r->d->attributes,
					   .name = name,
					   .vendor = r->vendor,
					   .number = (uint8_t)number,
					   .type = TYPE_OTHER};
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (slice_eq_nocase(slice_str(types[i].name), r->word[3])) {
			a->type = types[i].type;
			a->octets = types[i].octets;
		}
	}
	for (size_t i = 4; i < r->words; i++) {
		const struct dictionary_vendor *v = vendor_find(r->d, r->word[i]);

		if (v)
			a->vendor = v->number;
		else
			apply_flags(a, r->word[i]);
		if (v && !v->usual)
			a->type = TYPE_OTHER;
	}
	a->hidden |= a->vendor == 0 && number == 2; /* User-Password is hidden, whatever a dictionary says of it */
	r->d->attributes = a;
	return OK;
}

static enum err on_value(struct reader *r)
{
	struct dictionary_value *v = arena_zero(r->d->arena, sizeof *v);
	uint64_t number = 0;

	if (r->words < 4)
		return bad(r, "expected VALUE ATTRIBUTE NAME NUMBER", (struct slice){0});
	if (!number_parse(r->word[3], &number))
		return OK; /* of an attribute that has no numbers */
	const char *attribute = arena_str(r->d->arena, r->word[1]), *name = arena_str(r->d->arena, r->word[2]);

	if (!v || !attribute || !name)
		return no_memory(r);
	*v = (struct dictionary_value){r->d->values, attribute, name, number};
	r->d->values = v;
	return OK;
}

static enum err on_vendor(struct reader *r)
{
	struct dictionary_vendor *v = arena_zero(r->d->arena, sizeof *v);
	uint64_t number = 0;

	if (r->words < 3 || !number_parse(r->word[2], &number) || number == 0 || number > UINT32_MAX)
		return bad(r, "expected VENDOR NAME NUMBER", (struct slice){0});
	const char *name = arena_str(r->d->arena, r->word[1]);

	if (!v || !name)
		return no_memory(r);
	*v = (struct dictionary_vendor){r->d->vendors, name, (uint32_t)number, true};
	for (size_t i = 3; i < r->words; i++)
		if (slice_starts(r->word[i], SLICE("format=")) && !slice_eq(r->word[i], SLICE("format=1,1")))
			v->usual = false;
	r->d->vendors = v;
	return OK;
}

/* One with another form of attributes, or inside an attribute, is passed over to its end. */
static enum err on_begin_vendor(struct reader *r)
{
	const struct dictionary_vendor *v = r->words > 1 ? vendor_find(r->d, r->word[1]) : NULL;

	if (!v)
		return bad(r, "no such vendor:", r->words > 1 ? r->word[1] : (struct slice){0});
	if (r->words > 2 || !v->usual)
		r->passed_over++;
	r->vendor = v->number;
	return OK;
}

static enum err on_end_vendor(struct reader *r)
{
	r->vendor = 0;
	return OK;
}

static enum err on_include(struct reader *r)
{
	char path[PATH_MAX];
	struct buf b = {.p = path, .cap = sizeof path - 1};
	const char *slash = r->path ? strrchr(r->path, '/') : NULL;

	if (r->words < 2 || !r->path)
		return bad(r, r->path ? "expected $INCLUDE FILE" : "a file cannot be included here", (struct slice){0});
	if (r->depth == DEPTH_MOST)
		return bad(r, "files include each other too deeply", (struct slice){0});
	if (slash && r->word[1].p[0] != '/')
		buf_put(&b, (struct slice){r->path, (size_t)(slash - r->path) + 1});
	buf_put(&b, r->word[1]);
	path[b.len] = '\0';
	if (b.full || memchr(path, '\0', b.len))
		return bad(r, "no name of a file:", r->word[1]);
	if (r->word[0].p[r->word[0].n - 1] == '-' && access(path, F_OK) != 0)
		return OK; /* $INCLUDE-: if it is there */
	struct reader inner = {.d = r->d, .path = path, .depth = r->depth + 1, .why = r->why};

	return read_file(&inner);
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *keyword;
	enum err (*on)(struct reader *r);
} statements[] = {
	{"ATTRIBUTE", on_attribute},       {"VALUE", on_value},           {"VENDOR", on_vendor},
	{"BEGIN-VENDOR", on_begin_vendor}, {"END-VENDOR", on_end_vendor}, {"$INCLUDE", on_include},
	{"$INCLUDE-", on_include},
};

static void words_take(struct reader *r, struct slice line)
{
	line.n = slice_find(line, '#');
	r->words = 0;
	for (size_t i = 0; i < line.n && r->words < WORDS_MOST;) {
		size_t start;

		while (i < line.n && memchr(" \t\r\f\v", line.p[i], 5))
			i++;
		for (start = i; i < line.n && !memchr(" \t\r\f\v", line.p[i], 5);)
			i++;
		if (i > start)
			r->word[r->words++] = (struct slice){line.p + start, i - start};
	}
}

/* Other keywords are those of later versions, or of the server: nothing that a request could name comes of them. */
static enum err on_line(struct reader *r)
{
	bool begins = slice_starts(r->word[0], SLICE("BEGIN-")), ends = slice_starts(r->word[0], SLICE("END-"));

	if (r->passed_over > 0 || (begins && !slice_eq(r->word[0], SLICE("BEGIN-VENDOR")))) {
		r->passed_over += begins;
		r->passed_over -= ends;
		return OK;
	}
	for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
		if (slice_eq(r->word[0], slice_str(statements[i].keyword)))
			return statements[i].on(r);
	return OK;
}

static enum err read_text(struct reader *r, struct slice text)
{
	enum err err = OK;

	while (text.n > 0 && err == OK) {
		r->line++;
		words_take(r, slice_take(&text, '\n'));
		if (r->words > 0)
			err = on_line(r);
	}
	return err;
}

static enum err read_whole(struct reader *r, int fd, size_t size)
{
	char *text = malloc(size + 1);
	size_t n = 0;
	ssize_t got = 1;

	if (!text)
		return no_memory(r);
	while (n < size && (got = read(fd, text + n, size - n)) > 0)
		n += (size_t)got;
	enum err err = got < 0 ? fail_errno(r->why, ERR_PERM, "%s", r->path) : read_text(r, (struct slice){text, n});

	free(text);
	return err;
}

static enum err read_file(struct reader *r)
{
	int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	enum err err;

	if (fd < 0)
		return fail_errno(r->why, ERR_PERM, "radius.directory: %s", r->path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MOST)
		err = fail(r->why, ERR_PERM, "radius.directory: %s is no dictionary: not a file, or too large",
			   r->path);
	else
		err = read_whole(r, fd, (size_t)st.st_size);
	close(fd);
	return err;
}

enum err dictionary_read(struct dictionary *d, const char *path, struct why *why)
{
	struct reader r = {.d = d, .path = path, .why = why};

	return read_file(&r);
}

enum err dictionary_text(struct dictionary *d, struct slice text, const char *path, struct why *why)
{
	struct reader r = {.d = d, .path = path, .why = why};

	return read_text(&r, text);
}

/* RFC 2865, 2869, 3162, and Mailutils' manual, whose numbers are those of its mailutils.dict. */
static const char standard[] = "ATTRIBUTE User-Name 1 string\n"
			       "ATTRIBUTE User-Password 2 string encrypt=1\n"
			       "ATTRIBUTE CHAP-Password 3 octets\n"
			       "ATTRIBUTE NAS-IP-Address 4 ipaddr\n"
			       "ATTRIBUTE NAS-Port 5 integer\n"
			       "ATTRIBUTE Service-Type 6 integer\n"
			       "ATTRIBUTE Framed-Protocol 7 integer\n"
			       "ATTRIBUTE Framed-IP-Address 8 ipaddr\n"
			       "ATTRIBUTE Framed-IP-Netmask 9 ipaddr\n"
			       "ATTRIBUTE Framed-Routing 10 integer\n"
			       "ATTRIBUTE Filter-Id 11 string\n"
			       "ATTRIBUTE Framed-MTU 12 integer\n"
			       "ATTRIBUTE Framed-Compression 13 integer\n"
			       "ATTRIBUTE Login-IP-Host 14 ipaddr\n"
			       "ATTRIBUTE Login-Service 15 integer\n"
			       "ATTRIBUTE Login-TCP-Port 16 integer\n"
			       "ATTRIBUTE Reply-Message 18 string\n"
			       "ATTRIBUTE Callback-Number 19 string\n"
			       "ATTRIBUTE Callback-Id 20 string\n"
			       "ATTRIBUTE Framed-Route 22 string\n"
			       "ATTRIBUTE State 24 octets\n"
			       "ATTRIBUTE Class 25 octets\n"
			       "ATTRIBUTE Session-Timeout 27 integer\n"
			       "ATTRIBUTE Idle-Timeout 28 integer\n"
			       "ATTRIBUTE Termination-Action 29 integer\n"
			       "ATTRIBUTE Called-Station-Id 30 string\n"
			       "ATTRIBUTE Calling-Station-Id 31 string\n"
			       "ATTRIBUTE NAS-Identifier 32 string\n"
			       "ATTRIBUTE Proxy-State 33 octets\n"
			       "ATTRIBUTE Login-LAT-Service 34 string\n"
			       "ATTRIBUTE Login-LAT-Node 35 string\n"
			       "ATTRIBUTE Login-LAT-Group 36 octets\n"
			       "ATTRIBUTE CHAP-Challenge 60 octets\n"
			       "ATTRIBUTE NAS-Port-Type 61 integer\n"
			       "ATTRIBUTE Port-Limit 62 integer\n"
			       "ATTRIBUTE Login-LAT-Port 63 string\n"
			       "ATTRIBUTE Event-Timestamp 55 date\n"
			       "ATTRIBUTE Connect-Info 77 string\n"
			       "ATTRIBUTE NAS-Port-Id 87 string\n"
			       "ATTRIBUTE Framed-Pool 88 string\n"
			       "ATTRIBUTE NAS-IPv6-Address 95 ipv6addr\n"
			       "ATTRIBUTE Login-IPv6-Host 98 ipv6addr\n"
			       "VALUE Service-Type Login-User 1\n"
			       "VALUE Service-Type Login 1\n"
			       "VALUE Service-Type Framed-User 2\n"
			       "VALUE Service-Type Framed 2\n"
			       "VALUE Service-Type Callback-Login-User 3\n"
			       "VALUE Service-Type Callback-Framed-User 4\n"
			       "VALUE Service-Type Outbound-User 5\n"
			       "VALUE Service-Type Administrative-User 6\n"
			       "VALUE Service-Type NAS-Prompt-User 7\n"
			       "VALUE Service-Type Authenticate-Only 8\n"
			       "VALUE Service-Type Callback-NAS-Prompt 9\n"
			       "VALUE Service-Type Call-Check 10\n"
			       "VALUE Service-Type Authorize-Only 17\n"
			       "VALUE Framed-Protocol PPP 1\n"
			       "VALUE Framed-Protocol SLIP 2\n"
			       "VALUE Login-Service Telnet 0\n"
			       "VALUE Login-Service Rlogin 1\n"
			       "VALUE Login-Service TCP-Clear 2\n"
			       "VALUE NAS-Port-Type Async 0\n"
			       "VALUE NAS-Port-Type Sync 1\n"
			       "VALUE NAS-Port-Type ISDN 2\n"
			       "VALUE NAS-Port-Type Virtual 5\n"
			       "VALUE NAS-Port-Type Ethernet 15\n"
			       "VENDOR GNU 9163\n"
			       "BEGIN-VENDOR GNU\n"
			       "ATTRIBUTE GNU-MU-User-Name 1 string\n"
			       "ATTRIBUTE GNU-MU-UID 2 integer\n"
			       "ATTRIBUTE GNU-MU-GID 3 integer\n"
			       "ATTRIBUTE GNU-MU-GECOS 4 string\n"
			       "ATTRIBUTE GNU-MU-Dir 5 string\n"
			       "ATTRIBUTE GNU-MU-Shell 6 string\n"
			       "ATTRIBUTE GNU-MU-Mailbox 7 string\n"
			       "ATTRIBUTE GNU-MU-Quota 8 integer\n"
			       "END-VENDOR GNU\n";

enum err dictionary_begin(struct dictionary *d, struct arena *arena, struct why *why)
{
	*d = (struct dictionary){.arena = arena};
	return dictionary_text(d, (struct slice){standard, sizeof standard - 1}, NULL, why);
}
