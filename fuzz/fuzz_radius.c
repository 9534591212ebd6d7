/* fuzz/fuzz_radius.c - a reply of a RADIUS server: what is believed has a right authenticator, and no attribute lies outside of it
 *
 * The input is the reply. It is looked at as it is, and once more with authenticators that are right, since no mutation finds one. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "backend/radius/packet.h"
#include "fuzz.h"

static const uint8_t asked[AUTHENTICATOR] = "0123456789abcde";
#define SECRET "secret"

static void look(struct slice reply, bool authentic)
{
	struct packet request;

	packet_begin(&request, reply.n > 1 ? (uint8_t)reply.p[1] : 0, asked);
	enum reply says = reply_check(reply, &request, SLICE(SECRET), false);
	enum reply strictly = reply_check(reply, &request, SLICE(SECRET), true);

	must(says != REPLY_OTHER && says != REPLY_UNSIGNED);
	must(strictly == says || (says == REPLY_GOOD && strictly == REPLY_UNSIGNED));
	must(!authentic || says != REPLY_FORGED);
	struct attributes all = attributes_of(reply);
	struct attribute a;
	size_t octets = 0,
	       length = reply.n >= PACKET_HEAD ? (size_t)((uint8_t)reply.p[2] << 8 | (uint8_t)reply.p[3]) : 0;

	while (attribute_next(&all, &a)) {
		must(a.value.n == 0 ||
		     (a.value.p >= reply.p + PACKET_HEAD && a.value.p + a.value.n <= reply.p + length));
		octets += 2 + a.value.n;
	}
	must(octets <= reply.n);
}

/* The Response Authenticator, and the length. */
static void make_authentic(char *copy, size_t n)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	copy[2] = (char)(n >> 8);
	copy[3] = (char)n;
	must(md && EVP_DigestInit_ex(md, EVP_md5(), NULL));
	must(EVP_DigestUpdate(md, copy, 4) && EVP_DigestUpdate(md, asked, sizeof asked));
	must(EVP_DigestUpdate(md, copy + PACKET_HEAD, n - PACKET_HEAD) &&
	     EVP_DigestUpdate(md, SECRET, sizeof SECRET - 1));
	must(EVP_DigestFinal_ex(md, (unsigned char *)copy + 4, NULL));
	EVP_MD_CTX_free(md);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char copy[PACKET_MOST];

	look((struct slice){(const char *)data, n}, false);
	if (n < PACKET_HEAD || n > sizeof copy)
		return 0;
	memcpy(copy, data, n);
	make_authentic(copy, n);
	look((struct slice){copy, n}, true);
	return 0;
}
