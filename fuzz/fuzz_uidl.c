/* fuzz/fuzz_uidl.c - a durable file of unique-ids as anybody may have written it: what is taken of it can be written, and is the same then */
#include <string.h>

#include "fuzz.h"
#include "store/uidl_file.h"
#include "store/uidl_format.h"

static void must_be_same(const struct uidl_file *a, const struct uidl_file *b)
{
	must(a->count == b->count && a->next == b->next && a->validity == b->validity);
	for (uint32_t i = 0; i < a->count; i++) {
		must(a->entry[i].key == b->entry[i].key && a->entry[i].sub == b->entry[i].sub);
		must(a->entry[i].going == b->entry[i].going);
		must(slice_eq(uidl_file_uidl(a, i), uidl_file_uidl(b, i)) && uidl_is_sane(uidl_file_uidl(a, i)));
	}
}

/* A text with a right checksum, so that more than its end is looked at. */
static void check_text(struct slice text)
{
	struct uidl_file file, again;
	struct uidl_text t;

	if (uidl_file_parse(&file, text, NULL) != OK)
		return;
	uidl_text_begin(&t, "/x", file.validity, file.next);
	for (uint32_t i = 0; i < file.count; i++)
		uidl_text_add(&t, file.entry[i].key, file.entry[i].sub, file.entry[i].going, uidl_file_uidl(&file, i));
	uidl_text_end(&t);
	must(!t.failed);
	must(uidl_file_parse(&again, (struct slice){t.p, t.n}, NULL) == OK);
	must_be_same(&file, &again);
	uidl_text_done(&t);
	uidl_file_done(&file);
	uidl_file_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = {(const char *)data, n};
	struct uidl_text t = {0};

	check_text(text);
	const char *end = n > 4 ? memmem(data, n, "\nend ", 5) : NULL;

	if (!end)
		return 0;
	size_t body = (size_t)(end - text.p) + 1;

	uidl_text_begin(&t, "", 0, 0); /* for its end alone */
	t.n = t.count = 0;
	for (struct slice rest = {text.p, body}; rest.n > 0;) {
		struct slice line = slice_take(&rest, '\n');

		if (t.room.cap - t.n < line.n + 128) /* longer than any that is right */
			break;
		memcpy(t.p + t.n, line.p, line.n);
		t.n += line.n;
		t.p[t.n++] = '\n';
		t.count += !slice_starts(line, SLICE("pop3d-uidl ")) && !slice_starts(line, SLICE("maildrop ")) &&
			   !slice_starts(line, SLICE("numbers "));
	}
	uidl_text_end(&t);
	check_text((struct slice){t.p, t.n});
	uidl_text_done(&t);
	return 0;
}
