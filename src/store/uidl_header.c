/* store/uidl_header.c - see uidl_header.h */
#include "store/uidl_header.h"

#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "store/uidl.h"

/* Up to the empty line. */
static size_t header_octets(struct slice text)
{
	struct slice rest = text;

	while (rest.n > 0) {
		size_t at = text.n - rest.n;
		struct slice line = slice_take(&rest, '\n');

		if (line.n == 0 || (line.n == 1 && line.p[0] == '\r'))
			return at;
	}
	return text.n;
}

enum err uidl_header_read(const struct maildrop *md, const struct scan *scan, uint32_t i, struct slice *head,
			  struct why *why)
{
	static char text[UIDL_HEADER_OCTETS];
	struct message m = {.rec = scan->rec[i], .entry = scan->entry[i]};
	struct slice name = scan_name(scan, i);
	struct body b;

	if (name.n > 0)
		memcpy(m.name, name.p, name.n);
	enum err err = md->driver->body(md, &m, &b, why);

	if (err != OK)
		return err;
	ssize_t got = pread(b.fd, text, b.octets < sizeof text ? b.octets : sizeof text, (off_t)b.at);

	if (got < 0)
		err = fail_errno(why, ERR_TEMP, "read the header of message %u", i + 1);
	close(b.fd);
	*head = (struct slice){text, got > 0 ? (size_t)got : 0};
	head->n = header_octets(*head);
	return err;
}

bool uidl_header_field(struct slice head, struct slice name, struct slice *value)
{
	while (head.n > 0) {
		struct slice line = slice_take(&head, '\n');

		if (!slice_starts_nocase(line, name))
			continue;
		line.n -= line.n > 0 && line.p[line.n - 1] == '\r';
		*value = slice_trim((struct slice){line.p + name.n, line.n - name.n});
		return true;
	}
	return false;
}

/* ---- MD5 ---- */

static const struct {
	struct slice name;
	bool always; /* also behind the first Received */
} way[] = {{{"Received:", 9}, false},
	   {{"Delivered-To:", 13}, true},
	   {{"X-Delivery-ID:", 14}, true},
	   {{"Date:", 5}, false},
	   {{"Message-ID:", 11}, false}};
enum { WAYS = sizeof way / sizeof *way, RECEIVED = 0 };

/* The number of a field that counts; WAYS: none. */
static size_t way_of(struct slice line, bool received)
{
	size_t k = 0;

	while (k < WAYS && ((received && !way[k].always) || !slice_starts_nocase(line, way[k].name)))
		k++;
	return k;
}

static bool take_line(EVP_MD_CTX *md5, struct slice line, size_t name, enum uidl_md5 form)
{
	if (form == UIDL_MD5_DOVECOT) {
		line = (struct slice){line.p + name, line.n - name};
		if (name > 0 && line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
			line = (struct slice){line.p + 1, line.n - 1};
		while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
			line.n--;
	}
	return EVP_DigestUpdate(md5, line.p, line.n) == 1;
}

static bool take_head(EVP_MD_CTX *md5, struct slice head, enum uidl_md5 form)
{
	bool received = false, counts = false, ok = true;

	for (struct slice rest = head; rest.n > 0 && ok;) {
		struct slice line = rest;
		size_t name = 0;

		slice_take(&rest, '\n');
		line.n -= rest.n;
		if (line.p[0] != ' ' && line.p[0] != '\t') {
			size_t k = way_of(line, received);

			counts = k < WAYS;
			name = counts ? way[k].name.n : 0;
			received |= k == RECEIVED;
		}
		ok = !counts || take_line(md5, line, name, form);
	}
	return ok;
}

bool uidl_header_md5(struct slice head, enum uidl_md5 form, char digits[33])
{
	static EVP_MD_CTX *md5;
	unsigned char digest[EVP_MAX_MD_SIZE], half[8];

	if (!md5)
		md5 = EVP_MD_CTX_new();
	if (!md5 || EVP_DigestInit_ex2(md5, EVP_md5(), NULL) != 1 || !take_head(md5, head, form) ||
	    EVP_DigestFinal_ex(md5, digest, NULL) != 1)
		return false;
	for (size_t i = 0; i < sizeof half; i++)
		half[i] = digest[i / 4 * 4 + 3 - i % 4];
	if (form == UIDL_MD5_POPA3D)
		uidl_hex(digits, half, sizeof half);
	else
		uidl_hex(digits, digest, 16);
	return true;
}

/* ---- names ---- */

struct slice uidl_base_name(struct slice name)
{
	return slice_take(&name, ':');
}

static bool is_of(struct slice text, const char *set)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\0' || !strchr(set, text.p[i]))
			return false;
	return text.n > 0;
}

bool uidl_is_mailutils(struct slice text)
{
	struct slice rest = text, md5 = slice_take(&rest, '.'), time = slice_take(&rest, '.');

	return text.n <= UIDL_MOST && md5.n == 32 && is_of(md5, "0123456789abcdef") && is_of(time, "0123456789") &&
	       is_of(rest, "0123456789");
}
