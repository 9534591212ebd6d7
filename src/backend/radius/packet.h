/* backend/radius/packet.h - packets of RADIUS (RFC 2865; Message-Authenticator: RFC 3579, section 3.2)
 *
 * A request is written into a struct packet: begin, attributes, sign. A reply is looked at where it lies, and nothing in it is believed
 * before reply_check has said REPLY_GOOD. Nothing here sends, waits or logs. */
#pragma once
#include "base/slice.h"

enum {
	PACKET_MOST = 4096,
	PACKET_HEAD = 20, /* code, identifier, length, authenticator */
	AUTHENTICATOR = 16,
	VALUE_MOST = 253,        /* of an attribute */
	VENDOR_VALUE_MOST = 247, /* of one of a vendor's */
	PASSWORD_MOST = 128      /* section 5.2 */
};
enum packet_code { ACCESS_REQUEST = 1, ACCESS_ACCEPT = 2, ACCESS_REJECT = 3, ACCESS_CHALLENGE = 11 };
enum {
	ATTRIBUTE_USER_PASSWORD = 2,
	ATTRIBUTE_REPLY_MESSAGE = 18,
	ATTRIBUTE_VENDOR = 26,
	ATTRIBUTE_MESSAGE_AUTHENTICATOR = 80
};

/* A request. Holds a password, if hidden: packet_wipe. */
struct packet {
	uint8_t octets[PACKET_MOST];
	size_t n;
	bool full; /* an attribute did not fit, or was too long: nothing of it is there */
};

/* An Access-Request with room for its Message-Authenticator, which is its first attribute. */
void packet_begin(struct packet *p, uint8_t identifier, const uint8_t authenticator[static AUTHENTICATOR]);

/* vendor 0: an attribute of the standard. */
void packet_put(struct packet *p, uint32_t vendor, uint8_t type, struct slice value);

/* Hidden, as section 5.2 says for User-Password. False: the library could not. */
bool packet_put_hidden(struct packet *p, uint32_t vendor, uint8_t type, struct slice password, struct slice secret);

/* Length and Message-Authenticator: nothing is put any more. False: the library could not, or the packet is full. */
bool packet_sign(struct packet *p, struct slice secret);
void packet_wipe(struct packet *p);

/* What is wrong with a reply. All but REPLY_GOOD means that it is nobody's: it is dropped, and the real one may still come. */
enum reply {
	REPLY_GOOD,
	REPLY_MALFORMED, /* not a packet: lengths, code */
	REPLY_OTHER,     /* to another request */
	REPLY_FORGED,    /* Response Authenticator: not of who knows the secret, or not to this request */
	REPLY_UNSIGNED,  /* no Message-Authenticator */
	REPLY_BADLY_SIGNED
};
extern const char *const reply_text[]; /* for the log */

enum reply reply_check(struct slice reply, const struct packet *request, struct slice secret, bool must_be_signed);
enum packet_code reply_code(struct slice reply);

/* Attributes of a packet, those of vendors taken out of theirs; `at' begins as 0. False: no more. What is left of an attribute that
 * says that it is longer than its container is passed over. */
struct attribute {
	uint32_t vendor;
	uint8_t type;
	struct slice value;
};
struct attributes {
	struct slice rest, of_vendor;
	uint32_t vendor;
};
struct attributes attributes_of(struct slice packet);
bool attribute_next(struct attributes *all, struct attribute *a);
