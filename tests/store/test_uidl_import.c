/* tests/store/test_uidl_import.c - what other servers leave: as they write it, and as nobody should
 *
 * The digests are what popa3d 1.0.3 and Dovecot 2.3.19 have shown for these headers. tests/e2e/test_uidl_import.py runs both. */
#include <stdio.h>
#include <string.h>

#include "box.h"
#include "check.h"
#include "store/uidl.h"
#include "store/uidl_header.h"
#include "store/uidl_import.h"

static const struct {
	const char *head, *popa3d, *dovecot;
} heads[] = {
	{"Received: one\n", "b05f4b4ce77dc1e4", "f97c5d29941bfb1b2fdab0874906ab82"},
	{"Received: one\nReceived: two\n", "b05f4b4ce77dc1e4", "f97c5d29941bfb1b2fdab0874906ab82"},
	{"Date: d\nReceived: a\nDate: e\nDelivered-To: t\n", "71dc809f69970f9e", "e34d514f7db5c8aac72a7c8191a09617"},
	{"Received: one\n\tcont\n", "0456644b63f652fc", "b3ade83b9492d9efd9ef90ac783f5bc6"},
	{"Received:  from x by y \n", "e5870a277b647855", "393ed2c64b2c4664870eb630e9219381"},
	{"received: low\nX-Delivery-ID: q\nMessage-ID: m\n", "1da7786b67530c2f", "d2e1ff3ba435a88010334770ac50cabb"},
	{"Subject: s\n", "d98c1dd404b2008f", "d41d8cd98f00b204e9800998ecf8427e"},
	{"", "d98c1dd404b2008f", "d41d8cd98f00b204e9800998ecf8427e"},
};

static void test_digests(void **state)
{
	char digits[33];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(heads); i++) {
		struct slice head = slice_str(heads[i].head);

		check(uidl_header_md5(head, UIDL_MD5_POPA3D, digits));
		check_row(i, digits, strcmp(digits, heads[i].popa3d) == 0);
		check(uidl_header_md5(head, UIDL_MD5_DOVECOT, digits));
		check_row(i, digits, strcmp(digits, heads[i].dovecot) == 0);
	}
}

/* For the message new/1.M1.h (1) and cur/2.M1.h,S=8:2,S (2): their ids, "" where none is found; or NULL: it is refused. */
static const struct {
	const char *about, *format, *file, *text, *first, *second;
} files[] = {
	{"as Dovecot writes it", "dovecot", "dovecot-uidlist",
	 "3 V1795886953 N5 Ge40a5034690f0b6b2569000083ecc375\n1 W70 :1.M1.h\n3 :2.M1.h,S=8\n", "1-1795886953",
	 "3-1795886953"},
	{"version 1", "dovecot", "dovecot-uidlist", "1 17 5\n1 1.M1.h\n2 2.M1.h,S=8:2,S\n", "1-17", "2-17"},
	{"an id of its own", "dovecot", "dovecot-uidlist", "3 V17 N5\n1 Pold.1 W7 :1.M1.h\n", "old.1", ""},
	{"the same id twice", "dovecot", "dovecot-uidlist", "3 V17 N5\n1 Px :1.M1.h\n2 Px :2.M1.h,S=8\n", "x", ""},
	{"a message twice", "dovecot", "dovecot-uidlist", "3 V17 N5\n1 :1.M1.h\n2 :1.M1.h\n", "1-17", ""},
	{"an id with a control character", "dovecot", "dovecot-uidlist", "3 V17 N5\n1 Pa\001b :1.M1.h\n", "", ""},
	{"no number", "dovecot", "dovecot-uidlist",
	 "3 V17 N5\nx :1.M1.h\n99999999999999999999 :1.M1.h\n: \n\n1\n1 \n1 :\n", "", ""},
	{"no validity", "dovecot", "dovecot-uidlist", "3 N5\n1 :1.M1.h\n", NULL, NULL},
	{"another version", "dovecot", "dovecot-uidlist", "4 V17 N5\n1 :1.M1.h\n", NULL, NULL},
	{"empty", "dovecot", "dovecot-uidlist", "", NULL, NULL},
	{"as Courier writes it", "courier", "courierpop3dsizelist",
	 "/3 6 17\n1.M1.h:2, 70 1:17:0\n2.M1.h,S=8:2,S 70 5:17:0\n", "UID1-17", "UID5-17"},
	{"of another validity", "courier", "courierpop3dsizelist", "/3 6 17\n1.M1.h:2, 70 1:16:0\n", "UID1-16", ""},
	{"garbage", "courier", "courierpop3dsizelist", "/3 6 17\n1.M1.h 70 1\n\n 7 \n1.M1.h x 1:1\n", "", ""},
	{"another version", "courier", "courierpop3dsizelist", "/2 6 17\n", NULL, NULL},
	{"empty", "courier", "courierpop3dsizelist", "", NULL, NULL},
};

static void check_id(size_t row, const struct scan *now, const struct scan *before, uint32_t i, const char *want)
{
	struct slice got = listing_uidl(&now->rec[i]);

	check_row(row, want, slice_eq(got, want[0] ? slice_str(want) : listing_uidl(&before->rec[i])));
}

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(files); i++) {
		const struct uidl_import what = {.format = files[i].format, .pattern = "%u-%v"};
		struct scan now = {0}, before = {0};
		struct uidl_imported out;
		struct box b;

		box_new(&b);
		box_put(&b, "new/1.M1.h", "A: 1\n\nx\n");
		box_put(&b, "cur/2.M1.h,S=8:2,S", "A: 2\n\nx\n");
		box_put(&b, files[i].file, files[i].text);
		check(box_open(&b) == OK && maildrop_scan(&b.md, &now, &b.why) == OK && now.count == 2);
		check(maildrop_scan(&b.md, &before, &b.why) == OK);
		enum err err = uidl_import(&b.md, &now, &what, &out, &b.why);

		check_row(i, files[i].about, (err == OK) == (files[i].first != NULL));
		if (err == OK) {
			check_id(i, &now, &before, 0, files[i].first);
			check_id(i, &now, &before, 1, files[i].second);
			check_row(i, files[i].about,
				  out.found == (uint32_t)((files[i].first[0] != 0) + (files[i].second[0] != 0)));
		}
		uidl_imported_done(&out);
		scan_done(&now);
		scan_done(&before);
		box_free(&b);
	}
}

static const struct {
	const char *text;
	uint32_t msgno[2];
	const char *uidl[2];
} listings[] = {
	{"+OK 2 messages\r\n1 a\r\n2 b\r\n.\r\n", {1, 2}, {"a", "b"}},
	{"1 a\n2 b", {1, 2}, {"a", "b"}},
	{"1\n 2 b\n0 c\n7 d\n99999999999 e\nx f\n", {7, 0}, {"d", NULL}},
	{"", {0, 0}, {NULL, NULL}},
};

static void test_listings(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(listings); i++) {
		struct slice rest = slice_str(listings[i].text), uidl;
		uint32_t msgno;

		for (size_t k = 0; k < 2 && listings[i].uidl[k]; k++) {
			check_row(i, listings[i].text, uidl_listing_next(&rest, &msgno, &uidl));
			check_row(i, listings[i].text, msgno == listings[i].msgno[k]);
			check_row(i, listings[i].text, slice_eq(uidl, slice_str(listings[i].uidl[k])));
		}
		check_row(i, listings[i].text, !uidl_listing_next(&rest, &msgno, &uidl));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_digests), cmocka_unit_test(test_files),
					   cmocka_unit_test(test_listings)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
