/* backend/radius/packet.c - see packet.h */
#include "backend/radius/packet.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { MD5_OCTETS = 16 };

const char *const reply_text[] = {
	[REPLY_GOOD] = "good",
	[REPLY_MALFORMED] = "malformed",
	[REPLY_OTHER] = "to another request",
	[REPLY_FORGED] = "with a wrong Response Authenticator",
	[REPLY_UNSIGNED] = "without Message-Authenticator",
	[REPLY_BADLY_SIGNED] = "with a wrong Message-Authenticator",
};

static uint8_t octet(struct slice text, size_t i)
{
	return (uint8_t)text.p[i];
}

static struct slice slice_from(struct slice text, size_t n)
{
	return (struct slice){text.p + n, text.n - n};
}

/* --- requests --------------------------------------------------------------------------------------------------- */

static void put(struct packet *p, const void *octets, size_t n)
{
	if (n > 0)
		memcpy(p->octets + p->n, octets, n);
	p->n += n;
}

void packet_begin(struct packet *p, uint8_t identifier, const uint8_t authenticator[static AUTHENTICATOR])
{
	static const uint8_t none[MD5_OCTETS];
	const uint8_t head[] = {ACCESS_REQUEST, identifier, 0, 0};

	p->n = 0;
	p->full = false;
	put(p, head, sizeof head);
	put(p, authenticator, AUTHENTICATOR);
	packet_put(p, 0, ATTRIBUTE_MESSAGE_AUTHENTICATOR, (struct slice){(const char *)none, sizeof none});
}

/* Section 5.26: one attribute of a vendor in each Vendor-Specific. */
void packet_put(struct packet *p, uint32_t vendor, uint8_t type, struct slice value)
{
	size_t most = vendor ? VENDOR_VALUE_MOST : VALUE_MOST, around = vendor ? 8 : 2;
	const uint8_t of_vendor[] = {ATTRIBUTE_VENDOR,        (uint8_t)(value.n + 8), (uint8_t)(vendor >> 24),
				     (uint8_t)(vendor >> 16), (uint8_t)(vendor >> 8), (uint8_t)vendor};
	const uint8_t head[] = {type, (uint8_t)(value.n + 2)};

	if (p->full || value.n > most || p->n + around + value.n > sizeof p->octets) {
		p->full = true;
		return;
	}
	if (vendor)
		put(p, of_vendor, sizeof of_vendor);
	put(p, head, sizeof head);
	put(p, value.p, value.n);
}

/* The parts in turn. */
static bool md5(const struct slice *part, size_t n, uint8_t out[static MD5_OCTETS])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = md && EVP_DigestInit_ex(md, EVP_md5(), NULL);

	for (size_t i = 0; i < n && ok; i++)
		ok = EVP_DigestUpdate(md, part[i].p, part[i].n);
	ok = ok && EVP_DigestFinal_ex(md, out, NULL);
	EVP_MD_CTX_free(md);
	return ok;
}

bool packet_put_hidden(struct packet *p, uint32_t vendor, uint8_t type, struct slice password, struct slice secret)
{
	uint8_t hidden[PASSWORD_MOST] = {0}, mask[MD5_OCTETS];
	size_t n = password.n == 0 ? MD5_OCTETS : (password.n + MD5_OCTETS - 1) / MD5_OCTETS * MD5_OCTETS;
	struct slice before = {(const char *)p->octets + 4, AUTHENTICATOR};
	bool ok = true;

	if (password.n > PASSWORD_MOST) {
		p->full = true;
		return true;
	}
	if (password.n > 0)
		memcpy(hidden, password.p, password.n);
	for (size_t i = 0; i < n && ok; i += MD5_OCTETS) {
		ok = md5((struct slice[]){secret, before}, 2, mask);
		for (size_t k = 0; k < MD5_OCTETS; k++)
			hidden[i + k] ^= mask[k];
		before = (struct slice){(const char *)hidden + i, MD5_OCTETS};
	}
	if (ok)
		packet_put(p, vendor, type, (struct slice){(const char *)hidden, n});
	OPENSSL_cleanse(hidden, sizeof hidden);
	OPENSSL_cleanse(mask, sizeof mask);
	return ok;
}

static bool hmac(struct slice secret, const void *octets, size_t n, uint8_t out[static MD5_OCTETS])
{
	unsigned len = MD5_OCTETS;

	return HMAC(EVP_md5(), secret.p, (int)secret.n, octets, n, out, &len) != NULL && len == MD5_OCTETS;
}

bool packet_sign(struct packet *p, struct slice secret)
{
	uint8_t mac[MD5_OCTETS];

	if (p->full)
		return false;
	p->octets[2] = (uint8_t)(p->n >> 8);
	p->octets[3] = (uint8_t)p->n;
	if (!hmac(secret, p->octets, p->n, mac))
		return false;
	memcpy(p->octets + PACKET_HEAD + 2, mac, sizeof mac);
	return true;
}

void packet_wipe(struct packet *p)
{
	OPENSSL_cleanse(p, sizeof *p);
}

/* --- replies ---------------------------------------------------------------------------------------------------- */

enum packet_code reply_code(struct slice reply)
{
	return (enum packet_code)octet(reply, 0);
}

/* Lengths are whole (section 3: octets behind the length are padding, and what is too short is dropped), and there is at most one
 * Message-Authenticator. Its place, 0: none. */
static bool is_whole(struct slice *reply, size_t *mac)
{
	size_t length = reply->n < PACKET_HEAD ? 0 : (size_t)octet(*reply, 2) << 8 | octet(*reply, 3);

	*mac = 0;
	if (length < PACKET_HEAD || length > PACKET_MOST || length > reply->n)
		return false;
	reply->n = length;
	for (size_t i = PACKET_HEAD, n; i < length; i += n) {
		n = length - i < 2 ? 0 : octet(*reply, i + 1);
		if (n < 2 || n > length - i)
			return false;
		if (octet(*reply, i) != ATTRIBUTE_MESSAGE_AUTHENTICATOR)
			continue;
		if (*mac || n != MD5_OCTETS + 2)
			return false;
		*mac = i + 2;
	}
	return true;
}

/* Section 3: MD5(code, identifier, length, Request Authenticator, attributes, secret). */
static bool is_authentic(struct slice reply, struct slice asked, struct slice secret)
{
	uint8_t digest[MD5_OCTETS];
	const struct slice part[] = {{reply.p, 4}, asked, slice_from(reply, PACKET_HEAD), secret};

	return md5(part, sizeof part / sizeof part[0], digest) &&
	       CRYPTO_memcmp(digest, reply.p + 4, sizeof digest) == 0;
}

/* HMAC of the same, with zeros where it stands itself. */
static bool is_signed(struct slice reply, size_t mac, struct slice asked, struct slice secret)
{
	uint8_t copy[PACKET_MOST], digest[MD5_OCTETS];

	memcpy(copy, reply.p, reply.n);
	memcpy(copy + 4, asked.p, asked.n);
	memset(copy + mac, 0, MD5_OCTETS);
	return hmac(secret, copy, reply.n, digest) && CRYPTO_memcmp(digest, reply.p + mac, sizeof digest) == 0;
}

enum reply reply_check(struct slice reply, const struct packet *request, struct slice secret, bool must_be_signed)
{
	struct slice asked = {(const char *)request->octets + 4, AUTHENTICATOR};
	size_t mac;

	if (!is_whole(&reply, &mac))
		return REPLY_MALFORMED;
	if (octet(reply, 1) != request->octets[1])
		return REPLY_OTHER;
	switch (reply_code(reply)) {
	case ACCESS_ACCEPT:
	case ACCESS_REJECT:
	case ACCESS_CHALLENGE:
		break;
	default:
		return REPLY_MALFORMED;
	}
	if (!is_authentic(reply, asked, secret))
		return REPLY_FORGED;
	if (!mac)
		return must_be_signed ? REPLY_UNSIGNED : REPLY_GOOD;
	return is_signed(reply, mac, asked, secret) ? REPLY_GOOD : REPLY_BADLY_SIGNED;
}

/* --- attributes ------------------------------------------------------------------------------------------------- */

struct attributes attributes_of(struct slice packet)
{
	size_t length = packet.n < PACKET_HEAD ? 0 : (size_t)octet(packet, 2) << 8 | octet(packet, 3);

	if (length < PACKET_HEAD || length > packet.n)
		return (struct attributes){0};
	return (struct attributes){.rest = {packet.p + PACKET_HEAD, length - PACKET_HEAD}};
}

/* Type, length, value off the front; false: there is none, and the rest is dropped. */
static bool take(struct slice *rest, struct attribute *a)
{
	size_t n = rest->n < 2 ? 0 : octet(*rest, 1);

	if (n < 2 || n > rest->n) {
		*rest = (struct slice){0};
		return false;
	}
	a->type = octet(*rest, 0);
	a->value = (struct slice){rest->p + 2, n - 2};
	*rest = slice_from(*rest, n);
	return true;
}

bool attribute_next(struct attributes *all, struct attribute *a)
{
	for (;;) {
		a->vendor = all->vendor;
		if (take(&all->of_vendor, a))
			return true;
		a->vendor = 0;
		if (!take(&all->rest, a))
			return false;
		if (a->type != ATTRIBUTE_VENDOR)
			return true;
		if (a->value.n < 4)
			continue;
		all->vendor = (uint32_t)octet(a->value, 0) << 24 | (uint32_t)octet(a->value, 1) << 16 |
			      (uint32_t)octet(a->value, 2) << 8 | octet(a->value, 3);
		all->of_vendor = slice_from(a->value, 4);
	}
}
