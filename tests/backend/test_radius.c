/* RADIUS: packets of the RFCs octet by octet, dictionaries, requests as they are written. What servers answer: test_radius_server.c */
#include "module.h"

#include "backend/radius/pairs.h"
#include "backend/radius/servers.h"

/* RFC 2865, section 7.1 */
#define SECRET "xyzzy5461"
#define TEN(x) x x x x x x x x x x
#define TWENTY(x) TEN(x) TEN(x)
#define LONG TEN("0123456789")
static const uint8_t rfc2865[] = "\x0f\x40\x3f\x94\x73\x97\x80\x57\xbd\x83\xd5\xcb\x98\xf4\x22\x7a";
static const char rfc2865_request[] = "\x04\x06\xc0\xa8\x01\x10\x05\x06\x00\x00\x00\x03\x01\x06nemo"
				      "\x02\x12\x0d\xbe\x70\x8d\x93\xd4\x13\xce\x31\x96\xe4\x3f\x78\x2a\x0a\xee";
static const char rfc2865_reply[] = "\x02\x00\x00\x26\x86\xfe\x22\x0e\x76\x24\xba\x2a\x10\x05\xf6\xbf\x9b\x55\xe0\xb2"
				    "\x06\x06\x00\x00\x00\x01\x0f\x06\x00\x00\x00\x00\x0e\x06\xc0\xa8\x01\x03";

/* RFC 5997, section 6.1: a request that is nothing but its Message-Authenticator */
static const uint8_t rfc5997[] = "\x8a\x54\xf4\x68\x6f\xb3\x94\xc5\x28\x66\xe3\x02\x18\x5d\x06\x23";
static const char rfc5997_signature[] = "\x50\x12\x5a\x66\x5e\x2e\x1e\x84\x11\xf3\xe2\x43\x82\x20\x97\xc8\x4f\xa3";
static const char rfc5997_reply[] = "\x02\xda\x00\x14\xef\x0d\x55\x2a\x4b\xf2\xd6\x93\xec\x2b\x6f\xe8\xb5\x41\x1d\x66";

/* To the request of RFC 2865, made by another program (Python's hmac and hashlib), with a user's attributes. */
static const char signed_reply[] =
	"\x02\x00\x00\x4b\xa9\xcd\xd1\xf7\x00\x5a\xca\xa0\x4b\x58\x96\x7e\x3c\x41\x76\x44\x50\x12\x21\x56\xaa\xa2\xc8"
	"\xce\x82\x50\x54\xe4\x49\xf0\x86\xb9\x15\x62\x1a\x0c\x00\x00\x23\xcb\x02\x06\x00\x00\x4e\x21\x1a\x12\x00\x00"
	"\x23\xcb\x05\x0c/home/nemo\x12\x07hello";

static struct dictionary given_dictionary(struct arena **a)
{
	struct dictionary d;
	struct why why = {""};

	*a = arena_new(1 << 20);
	assert_non_null(*a);
	check_row(0, why.text, dictionary_begin(&d, *a, &why) == OK);
	return d;
}

static void test_request(void **state)
{
	static const struct conf_var vars[] = {{"user", TEXT("nemo")}, {"passwd", TEXT("arctangent")}};
	struct arena *a;
	struct dictionary d = given_dictionary(&a);
	struct pairs pairs;
	struct packet p;
	struct why why = {""};

	(void)state;
	check(pairs_parse(&pairs, &d, "auth",
			  "NAS-IP-Address = 192.168.1.16, NAS-Port=3 ,User-Name = ${user}, User-Password = \"$passwd\"",
			  &why) == OK);
	check(pairs.secret && pairs.names_us && pairs.n == 4);
	packet_begin(&p, 0, rfc2865);
	check_row(0, why.text,
		  pairs_put(&pairs, &d, &p, SLICE(SECRET), vars, 2, &why) == OK && packet_sign(&p, SLICE(SECRET)));
	size_t n = sizeof rfc2865_request - 1;

	check(p.n == 38 + n && memcmp(p.octets + 38, rfc2865_request, n) == 0);
	check(p.octets[0] == 1 && p.octets[1] == 0 && p.octets[2] == 0 && p.octets[3] == p.n);
	check(memcmp(p.octets + 4, rfc2865, 16) == 0 && p.octets[20] == 80 && p.octets[21] == 18);
	packet_begin(&p, 0xda, rfc5997);
	p.octets[0] = 12;
	check(packet_sign(&p, SLICE(SECRET)) && p.n == 38 && memcmp(p.octets + 20, rfc5997_signature, 18) == 0);
	arena_free(a);
}

static const struct {
	const char *what;
	struct slice reply;
	size_t change; /* this octet is another one; 0: none */
	bool must_be_signed;
	enum reply says;
} replies[] = {
	{"of RFC 2865", TEXT(rfc2865_reply), 0, false, REPLY_GOOD},
	{"of RFC 2865", TEXT(rfc2865_reply), 0, true, REPLY_UNSIGNED},
	{"of RFC 2865, another code", TEXT(rfc2865_reply), 1000, false, REPLY_FORGED},
	{"of RFC 2865, another value", TEXT(rfc2865_reply), 37, false, REPLY_FORGED},
	{"of RFC 2865, another authenticator", TEXT(rfc2865_reply), 19, false, REPLY_FORGED},
	{"signed", TEXT(signed_reply), 0, true, REPLY_GOOD},
	{"signed", TEXT(signed_reply), 0, false, REPLY_GOOD},
	{"signed, another identifier", TEXT(signed_reply), 1, true, REPLY_OTHER},
	{"signed, another value", TEXT(signed_reply), 74, true, REPLY_FORGED},
	{"signed, another signature", TEXT(signed_reply), 30, true, REPLY_FORGED},
	{"cut", {signed_reply, 74}, 0, true, REPLY_MALFORMED},
	{"with octets behind it", {signed_reply, sizeof signed_reply}, 0, true, REPLY_GOOD},
	{"empty", {signed_reply, 0}, 0, true, REPLY_MALFORMED},
	{"a head that is cut", {signed_reply, 19}, 0, true, REPLY_MALFORMED},
	{"an attribute without a length",
	 TEXT("\x02\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06"), 0, false,
	 REPLY_MALFORMED},
	{"an attribute of length 0",
	 TEXT("\x02\x00\x00\x16\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00"), 0, false,
	 REPLY_MALFORMED},
	{"an attribute that is too long",
	 TEXT("\x02\x00\x00\x16\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\x03"), 0, false,
	 REPLY_MALFORMED},
	{"a signature that is too short",
	 TEXT("\x02\x00\x00\x16\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x50\x02"), 0, false,
	 REPLY_MALFORMED},
	{"a length below that of a head",
	 TEXT("\x02\x00\x00\x13\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0, false,
	 REPLY_MALFORMED},
	{"a request", TEXT("\x01\x00\x00\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0,
	 false, REPLY_MALFORMED},
};

static void test_reply(void **state)
{
	struct packet request;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(replies); i++) {
		char copy[256];
		struct slice r = {copy, replies[i].reply.n};

		if (r.n)
			memcpy(copy, replies[i].reply.p, r.n);
		if (replies[i].change == 1000)
			copy[0] = 3;
		else if (replies[i].change)
			copy[replies[i].change]++;
		packet_begin(&request, 0, rfc2865);
		check_row(i, replies[i].what,
			  reply_check(r, &request, SLICE(SECRET), replies[i].must_be_signed) == replies[i].says);
		if (replies[i].says == REPLY_GOOD)
			check_row(i, "another secret",
				  reply_check(r, &request, SLICE("xyzzy5462"), replies[i].must_be_signed) ==
					  REPLY_FORGED);
	}
	packet_begin(&request, 0xda, rfc5997);
	check(reply_check((struct slice)TEXT(rfc5997_reply), &request, SLICE(SECRET), false) == REPLY_GOOD);
}

/* A Response Authenticator that is right (another program's), as whoever finds a collision of MD5 has it, is not enough: CVE-2024-3596. */
static void test_badly_signed(void **state)
{
	static const char reply[] = "\x02\x00\x00\x26\xc6\xb1\x23\x61\x67\x9e\x3e\x8c\x3d\x5a\x70\x40\xcc\x3e\x7a\xf4"
				    "\x50\x12"
				    "0123456789abcdef";
	struct packet request;

	(void)state;
	packet_begin(&request, 0, rfc2865);
	check(reply_check((struct slice){reply, 38}, &request, SLICE(SECRET), true) == REPLY_BADLY_SIGNED);
	check(reply_check((struct slice){reply, 38}, &request, SLICE(SECRET), false) == REPLY_BADLY_SIGNED);
}

static void test_attributes(void **state)
{
	struct attributes all = attributes_of((struct slice)TEXT(signed_reply));
	struct attribute a;

	(void)state;
	check(attribute_next(&all, &a) && a.vendor == 0 && a.type == 80 && a.value.n == 16);
	check(attribute_next(&all, &a) && a.vendor == 9163 && a.type == 2 && a.value.n == 4);
	check(attribute_next(&all, &a) && a.vendor == 9163 && a.type == 5 && slice_eq(a.value, SLICE("/home/nemo")));
	check(attribute_next(&all, &a) && a.vendor == 0 && a.type == 18 && slice_eq(a.value, SLICE("hello")));
	check(!attribute_next(&all, &a));
}

/* Passwords of every length; what does not fit is told and leaves nothing. */
static void test_lengths(void **state)
{
	static char text[300];
	struct packet p;

	(void)state;
	memset(text, 'x', sizeof text);
	for (size_t n = 0; n < sizeof text; n++) {
		packet_begin(&p, 0, rfc2865);
		check_row(n, "password", packet_put_hidden(&p, 0, 2, (struct slice){text, n}, SLICE(SECRET)));
		check_row(n, "password",
			  p.full == (n > 128) && (p.full || p.n == 40 + (n == 0 ? 16 : (n + 15) / 16 * 16)));
		packet_begin(&p, 0, rfc2865);
		packet_put(&p, 0, 1, (struct slice){text, n});
		check_row(n, "value", p.full == (n > 253) && p.n == (p.full ? 38 : 40 + n));
		packet_begin(&p, 0, rfc2865);
		packet_put(&p, 9163, 1, (struct slice){text, n});
		check_row(n, "value of a vendor", p.full == (n > 247) && p.n == (p.full ? 38 : 46 + n));
	}
	packet_begin(&p, 0, rfc2865);
	while (!p.full)
		packet_put(&p, 0, 1, (struct slice){text, 200});
	check(p.n <= PACKET_MOST && p.n > PACKET_MOST - 202 && !packet_sign(&p, SLICE(SECRET)));
}

/* --- dictionaries ----------------------------------------------------------------------------------------------- */

static const struct {
	const char *text, *name; /* an attribute that is looked for */
	int vendor, number;      /* number 0: there is none */
	enum attribute_type type;
} dictionaries[] = {
	{"", "User-Name", 0, 1, TYPE_STRING},
	{"", "user-name", 0, 1, TYPE_STRING},
	{"", "GNU-MU-Quota", 9163, 8, TYPE_INTEGER},
	{"", "No-Such", 0, 0, 0},
	{"ATTRIBUTE\tX 200 string # comment", "X", 0, 200, TYPE_STRING},
	{"  ATTRIBUTE X 0xC8 octets\r\n", "X", 0, 200, TYPE_OCTETS},
	{"# ATTRIBUTE X 200 string", "X", 0, 0, 0},
	{"ATTRIBUTE X 200 ipaddr has_tag", "X", 0, 200, TYPE_OTHER},
	{"ATTRIBUTE X 200 string has_tag,encrypt=2", "X", 0, 200, TYPE_OTHER},
	{"ATTRIBUTE X 200 ipv6addr", "X", 0, 200, TYPE_IPV6ADDR},
	{"ATTRIBUTE X 200 tlv", "X", 0, 200, TYPE_OTHER},
	{"ATTRIBUTE X 1000 string", "X", 0, 0, 0},
	{"ATTRIBUTE X 241.1 string", "X", 0, 0, 0},
	{"VENDOR V 77\nATTRIBUTE X 1 integer V", "X", 77, 1, TYPE_INTEGER},
	{"VENDOR V 77\nATTRIBUTE X 1 integer - [LR--RL]", "X", 0, 1, TYPE_INTEGER},
	{"VENDOR V 77\nBEGIN-VENDOR V\nATTRIBUTE X 1 string\nEND-VENDOR V\n", "X", 77, 1, TYPE_STRING},
	{"VENDOR V 77\nBEGIN-VENDOR V\nEND-VENDOR V\nATTRIBUTE X 201 string", "X", 0, 201, TYPE_STRING},
	{"VENDOR V 77 format=2,1\nBEGIN-VENDOR V\nATTRIBUTE X 1 string\nEND-VENDOR V\n", "X", 0, 0, 0},
	{"VENDOR V 77 format=1,1\nBEGIN-VENDOR V\nATTRIBUTE X 1 string\nEND-VENDOR V\n", "X", 77, 1, TYPE_STRING},
	{"VENDOR V 77\nBEGIN-VENDOR V\nBEGIN-TLV T\nATTRIBUTE X 1 string\nEND-TLV T\nATTRIBUTE Y 2 string", "Y", 77, 2,
	 TYPE_STRING},
	{"BEGIN-TLV T\nATTRIBUTE X 1 string\nEND-TLV T\n", "X", 0, 0, 0},
	{"ATTRIBUTE GNU-MU-UID 199 integer", "GNU-MU-UID", 0, 199, TYPE_INTEGER}, /* the newer one counts */
	{"FLAGS internal\nALIAS a b\n", "User-Name", 0, 1, TYPE_STRING},
};

static void test_dictionary(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(dictionaries); i++) {
		struct arena *a;
		struct dictionary d = given_dictionary(&a);
		struct why why = {""};

		check_row(i, why.text, dictionary_text(&d, slice_str(dictionaries[i].text), NULL, &why) == OK);
		const struct dictionary_attribute *at = dictionary_find(&d, slice_str(dictionaries[i].name));

		check_row(i, dictionaries[i].text, (at != NULL) == (dictionaries[i].number != 0));
		if (at)
			check_row(i, dictionaries[i].text,
				  at->vendor == (uint32_t)dictionaries[i].vendor &&
					  at->number == dictionaries[i].number && at->type == dictionaries[i].type);
		arena_free(a);
	}
}

static void test_bad_dictionary(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"ATTRIBUTE X 1", "f:1: expected ATTRIBUTE NAME NUMBER TYPE"},
		{"\nATTRIBUTE X y string", "f:2: no number: y"},
		{"VALUE X", "expected VALUE"},
		{"VENDOR X", "expected VENDOR"},
		{"VENDOR X y", "expected VENDOR"},
		{"BEGIN-VENDOR Nobody", "no such vendor: Nobody"},
		{"$INCLUDE", "expected $INCLUDE FILE"},
		{"$INCLUDE nowhere", "nowhere: No such file or directory"},
		{"$INCLUDE .", "is no dictionary"},
		{"$INCLUDE loop", "files include each other too deeply"},
	};

	(void)state;
	given_file("loop", "$INCLUDE loop\n");
	for (size_t i = 0; i < TABLE_ROWS(bad); i++) {
		struct arena *a;
		struct dictionary d = given_dictionary(&a);
		struct why why = {""};

		check_row(i, bad[i].text, dictionary_text(&d, slice_str(bad[i].text), "f", &why) == ERR_PERM);
		check_row(i, why.text, strstr(why.text, bad[i].why));
		arena_free(a);
	}
}

/* All that Debian's FreeRADIUS knows, in files that include files. */
static void test_freeradius_dictionary(void **state)
{
	struct arena *a;
	struct dictionary d = given_dictionary(&a);
	struct why why = {""};

	(void)state;
	arena_free(a);
	a = arena_new(64 << 20);
	check(dictionary_begin(&d, a, &why) == OK);
	check_row(0, why.text, dictionary_read(&d, "/usr/share/freeradius/dictionary", &why) == OK);
	const struct dictionary_attribute *at = dictionary_find(&d, SLICE("Cisco-AVPair"));
	const struct dictionary_value *v = dictionary_value_find(&d, "Service-Type", SLICE("Authorize-Only"));

	check(at && at->vendor == 9 && at->number == 1 && at->type == TYPE_STRING);
	check(v && v->number == 17);
	check((at = dictionary_find(&d, SLICE("User-Password"))) && at->hidden);
	check((at = dictionary_find(&d, SLICE("GNU-MU-Dir"))) && at->vendor == 9163);
	given_file("dictionary",
		   "$INCLUDE /usr/share/freeradius/dictionary\n$INCLUDE- nowhere\nATTRIBUTE Ours 250 string\n");
	check_row(0, why.text, dictionary_read(&d, "dictionary", &why) == OK && dictionary_find(&d, SLICE("Ours")));
	arena_free(a);
}

/* --- requests --------------------------------------------------------------------------------------------------- */

static const struct {
	const char *text, *user;
	struct slice octets; /* behind the head */
} requests[] = {
	{"User-Name = ${user}", "a",
	 TEXT("\x01\x03"
	      "a")},
	{"User-Name=$user", "a, NAS-Port = 7",
	 TEXT("\x01\x11"
	      "a, NAS-Port = 7")},
	{"User-Name = \"${user}\"", "\"\\${passwd}$(shell id)",
	 TEXT("\x01\x18"
	      "\"\\${passwd}$(shell id)")},
	{"User-Name = ${user}", "\x01\xff\x02%s\t", TEXT("\x01\x08\x01\xff\x02%s\t")},
	{"User-Name = \"x ${user:-\"nobody\"} y\"", "a", TEXT("\x01\x07x a y")},
	{"User-Name = $(localpart ${user})", "a@b",
	 TEXT("\x01\x03"
	      "a")},
	{"User-Name = \"a \\\"b\\\\, c\"", "",
	 TEXT("\x01\x0a"
	      "a \"b\\, c")},
	{"\n User-Name = a ,\n\tNAS-Port = 258,", "",
	 TEXT("\x01\x03"
	      "a\x05\x06\0\0\1\2")},
	{"Service-Type = Authenticate-Only", "", TEXT("\x06\x06\0\0\0\x08")},
	{"service-type = authenticate-only", "", TEXT("\x06\x06\0\0\0\x08")},
	{"Service-Type = 4294967295", "", TEXT("\x06\x06\xff\xff\xff\xff")},
	{"NAS-IPv6-Address = 2001:db8::1", "", TEXT("\x5f\x12\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1")},
	{"NAS-IP-Address = ${user}", "192.0.2.1", TEXT("\x04\x06\xc0\0\2\1")},
	{"State = 0x00ff24", "", TEXT("\x18\x05\0\xff$")},
	{"State = ${user}", "0x00",
	 TEXT("\x18\x06"
	      "0x00")},
	{"Event-Timestamp = 2000-01-01", "", TEXT("\x37\x06\x38\x6d\x43\x80")},
	{"Event-Timestamp = \"2000-01-01 00:00:01\"", "", TEXT("\x37\x06\x38\x6d\x43\x81")},
	{"GNU-MU-UID = ${user}", "20001", TEXT("\x1a\x0c\0\0\x23\xcb\2\6\0\0\x4e\x21")},
	{"User-Name = ${user}, Calling-Station-Id = \"\"", "a",
	 TEXT("\x01\x03"
	      "a")},
};

static void test_pairs(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(requests); i++) {
		const struct conf_var vars[] = {{"user", slice_str(requests[i].user)}, {"passwd", SLICE("pw")}};
		struct arena *a;
		struct dictionary d = given_dictionary(&a);
		struct pairs pairs;
		struct packet p;
		struct why why = {""};

		check_row(i, requests[i].text, pairs_parse(&pairs, &d, "auth", requests[i].text, &why) == OK);
		packet_begin(&p, 0, rfc2865);
		enum err err = pairs_put(&pairs, &d, &p, SLICE(SECRET), vars, 2, &why);

		check_row(i, why.text, err == OK);
		check_row(i, requests[i].text,
			  p.n == 38 + requests[i].octets.n &&
				  memcmp(p.octets + 38, requests[i].octets.p, p.n - 38) == 0);
		arena_free(a);
	}
}

static void test_bad_pairs(void **state)
{
	static const struct {
		const char *text, *user; /* user NULL: it is refused when it is read */
		const char *why;
	} bad[] = {
		{"", NULL, "radius.auth: expected ATTRIBUTE = VALUE"},
		{"User-Name", NULL, "expected `=' behind User-Name"},
		{"User-Name =", NULL, "expected a value"},
		{"User-Name = , NAS-Port = 1", NULL, "expected a value before"},
		{"User-Name = \"a", NULL, "no closing quote"},
		{"User-Name = a NAS-Port = 1", NULL, "expected a comma behind the value of User-Name"},
		{"= a", NULL, "found = a"},
		{"Nobody = a", NULL, "no dictionary has an attribute Nobody"},
		{"NAS-Port = x", NULL, "NAS-Port: the value is not a number"},
		{"NAS-Port = 4294967296", NULL, "within the attribute's range"},
		{"NAS-Port = -1", NULL, "not a number"},
		{"Service-Type = Nonsense", NULL, "nor a name that a dictionary has"},
		{"NAS-IP-Address = 1.2.3", NULL, "not an IPv4 address"},
		{"NAS-IPv6-Address = 1.2.3.4", NULL, "not an IPv6 address"},
		{"Event-Timestamp = tomorrow", NULL, "not a date"},
		{"State = 0x0", NULL, "pairs of hexadecimal digits"},
		{"State = 0xgg", NULL, "pairs of hexadecimal digits"},
		{"User-Name = ${user", NULL, "missing close bracket"},
		{"User-Name = $(shell id)", NULL, "commands are not run here"},
		{"NAS-Port = $user", "x", "NAS-Port: the value is not a number"},
		{"Service-Type = $user", "Login-User", "not a number"},
		{"User-Name = $user$user$user$user", LONG,
		 "User-Name: the value has 400 octets, more than RADIUS can carry"},
		{"User-Password = $user$user", LONG, "User-Password: the value has 200 octets"},
		{"User-Name = " TWENTY("$user"), LONG, "longer than RADIUS can carry"},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(bad); i++) {
		const struct conf_var vars[] = {{"user", slice_str(bad[i].user)}};
		struct arena *a;
		struct dictionary d = given_dictionary(&a);
		struct pairs pairs;
		struct packet p;
		struct why why = {""};
		enum err err = pairs_parse(&pairs, &d, "auth", bad[i].text, &why);

		check_row(i, why.text, err == (bad[i].user ? OK : ERR_PERM));
		packet_begin(&p, 0, rfc2865);
		if (bad[i].user)
			check_row(i, bad[i].text, pairs_put(&pairs, &d, &p, SLICE(SECRET), vars, 1, &why) == ERR_AUTH);
		check_row(i, why.text, strstr(why.text, bad[i].why));
		arena_free(a);
	}
}

/* --- the module's configuration --------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	enum err err;
	const char *why;
} configurations[] = {
	{"server 127.0.0.1; secret x;", OK, ""},
	{"server (127.0.0.1, \"[::1]:1645\", localhost:1812); secret x; auth \"User-Name = $user\";", OK, ""},
	{"", ERR_PERM, "no server is configured: radius { server HOST; secret ...; }"},
	{"server 127.0.0.1;", ERR_PERM, "radius.secret is not set"},
	{"server 127.0.0.1; secret x; getpwnam \"User-Name = $passwd\";", ERR_PERM, "there is no password"},
	{"server 127.0.0.1; secret x; auth \"Nobody = 1\";", ERR_PERM, "radius.auth: no dictionary has"},
	{"server 127.0.0.1; secret x; directory /nowhere;", ERR_PERM, "/nowhere/dictionary: No such file"},
	{"server 127.0.0.1; secret x; directory /usr/share/freeradius; auth \"Cisco-AVPair = x\";", OK, ""},
	{"directory DIR/empty;", ERR_PERM, "no server is configured: radius { server HOST; secret ...; } (and "},
	{"directory DIR/none;", ERR_PERM, "client.conf names no server"},
	{"directory DIR/bad;", ERR_PERM, "client.conf:2: expected server NAME ADDRESS SECRET AUTH-PORT ACCT-PORT"},
	{"directory DIR/gnu;", OK, ""},
};

static void test_open(void **state)
{
	char cwd[64], text[512];

	(void)state;
	check(getcwd(cwd, sizeof cwd) != NULL);
	for (size_t i = 0; i < 4; i++) {
		static const char *const dir[] = {"empty", "none", "bad", "gnu"};

		(void)snprintf(text, sizeof text, "%s/dictionary", dir[i]);
		check(mkdir(dir[i], 0700) == 0);
		given_file(text, "");
	}
	given_file("none/client.conf", "# server a 127.0.0.1 s 1645 1646\nretry 5\n");
	given_file("bad/client.conf", "timeout 3\nserver first 10.11.10.1 secret\n");
	given_file("gnu/client.conf",
		   "server first 10.11.10.1 secret 1645 1646\nserver second 10.11.10.1 secret 1645 1646\n"
		   "source_ip 127.0.0.1\ntimeout 3\nretry 5\n");
	for (size_t i = 0; i < TABLE_ROWS(configurations); i++) {
		const char *c = configurations[i].text, *dir = strstr(c, "DIR");

		(void)snprintf(text, sizeof text, "radius { %.*s%s%s }", dir ? (int)(dir - c) : (int)strlen(c), c,
			       dir ? cwd : "", dir ? dir + 3 : "");
		struct loaded_module m = module_open("radius", text);

		check_row(i, m.why.text, m.err == configurations[i].err && strstr(m.why.text, configurations[i].why));
		module_close(&m);
	}
	struct loaded_module m = module_open("radius", "auth { authorization radius; } radius { server a; secret x; }");

	check_row(0, m.why.text, m.err == ERR_PERM && strstr(m.why.text, "radius.getpwnam is not set"));
	module_close(&m);
}

/* What client.conf comes to. */
static void test_client_conf(void **state)
{
	struct radius_client c = {0};
	struct arena *a = arena_new(1 << 20);
	struct why why = {""};

	(void)state;
	check_row(0, why.text, servers_find(&c, &(struct conf_radius){.directory = "gnu"}, a, &why) == OK);
	check(c.n == 2 && c.timeout_ms == 3000 && strcmp(c.server[1].host, "10.11.10.1") == 0);
	check(strcmp(c.server[0].port, "1645") == 0 && slice_eq(secret_slice(c.server[0].secret), SLICE("secret")));
	arena_free(a);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),        cmocka_unit_test(test_reply),
		cmocka_unit_test(test_badly_signed),   cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_lengths),        cmocka_unit_test(test_dictionary),
		cmocka_unit_test(test_bad_dictionary), cmocka_unit_test(test_freeradius_dictionary),
		cmocka_unit_test(test_pairs),          cmocka_unit_test(test_bad_pairs),
		cmocka_unit_test(test_open),           cmocka_unit_test(test_client_conf),
	};

	return cmocka_run_group_tests(tests, given_begin, given_end);
}
