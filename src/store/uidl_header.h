/* store/uidl_header.h - what other servers make unique-ids of: a message's header, and the name of its file
 *
 * Found out by running them; docs/popctl.8 says it for users. */
#pragma once
#include "store/maildrop.h"

enum { UIDL_HEADER_OCTETS = 64 * 1024 }; /* of a header that are looked at */

/* The header of message i of a scan, with its line ends; valid until the next call. */
enum err uidl_header_read(const struct maildrop *md, const struct scan *scan, uint32_t i, struct slice *head,
			  struct why *why);

/* What stands behind the first field of this name, which has its colon; without blanks at its ends, and not continued. False: none. */
bool uidl_header_field(struct slice head, struct slice name, struct slice *value);

/* MD5 of what says how a message came: the fields Received, Delivered-To, X-Delivery-ID, Date and Message-ID up to the first Received,
 * and Delivered-To and X-Delivery-ID behind it, in their order. */
enum uidl_md5 {
	UIDL_MD5_POPA3D, /* of whole lines; its first half as two numbers of 32 bits, the least octet first: 16 digits */
	UIDL_MD5_DOVECOT, /* of what is behind the name, the colon and a blank, without line ends: 32 digits */
};
bool uidl_header_md5(struct slice head, enum uidl_md5 form, char digits[33]);

/* The name of a message's file up to a colon: what delivers, Dovecot, Courier and qmail call it. Empty where it has none. */
struct slice uidl_base_name(struct slice name);

/* MD5HEX.TIME.UID: what Mailutils writes into X-UIDL. */
bool uidl_is_mailutils(struct slice text);
