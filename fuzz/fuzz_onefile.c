/* fuzz/fuzz_onefile.c - a mailbox in one file as anybody may have written it: what is listed of it is what is there
 *
 * The first octet says where the file ended at an earlier scan, in 256ths, and what was known then is used for the next one; where it is odd,
 * the file is of dotmail. The rest is the file. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "store/dotmail.h"
#include "store/mbox.h"

static const struct format {
	const struct onefile_format *format;
	uint32_t rules;
	const char *start; /* what stands before a message, but for the first */
} formats[] = {{&mbox_format, WIRE_HIDE_UIDL | WIRE_HIDE_STATUS | WIRE_UNQUOTE, "From "},
	       {&dotmail_format, WIRE_HIDE_UIDL | WIRE_HIDE_STATUS | WIRE_UNDOT, ""}};

/* Each message is where the listing says, with these octets, apart from the others, and no part of it begins another one. */
static void check_scan(const struct format *f, const struct scan *s, const char *file, size_t n)
{
	uint64_t end = 0, octets = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		const struct listing_rec *r = &s->rec[i];
		struct wire w;

		uint64_t at = (uint64_t)s->entry[i].at;

		must(s->entry[i].at >= 0 && at >= end && at <= r->pos);
		must(at == 0 || strncmp(file + at, f->start, strlen(f->start)) == 0);
		must(at == 0 || (f->start[0] ? at < r->pos : at == r->pos));
		must(r->pos <= n && r->raw <= n - r->pos);
		must(listing_is_sane(r));
		must(r->crc == listing_crc(0, (struct slice){file + r->pos, r->raw}));
		wire_init(&w, f->rules, WIRE_ALL_LINES);
		wire_count(&w, (struct slice){file + r->pos, r->raw});
		wire_count_end(&w);
		must(w.octets == r->octets && w.lines == r->lines);
		for (uint32_t k = 0; k < i && i < 50; k++)
			must(!uidl_same(&s->rec[k], r));
		end = r->pos + r->raw;
		octets += r->octets;
	}
	must(octets == s->octets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char file[64 * 1024];
	struct scan none = {0}, known = {0}, grown = {0}, fresh = {0};
	struct room where = {0};

	if (n < 1)
		return 0;
	const struct format *f = &formats[data[0] & 1];

	memcpy(file, data + 1, --n);
	size_t before = n * data[0] / 255;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0 && pwrite(fd, file, before, 0) == (ssize_t)before);
	enum err err = onefile_find(fd, f->format, f->rules, &none, true, &known, NULL, NULL);

	if (err == OK)
		check_scan(f, &known, file, before);
	must(pwrite(fd, file, n, 0) == (ssize_t)n);
	err = onefile_find(fd, f->format, f->rules, err == OK ? &known : &none, true, &grown, &where, NULL);
	must(onefile_find(fd, f->format, f->rules, &none, true, &fresh, NULL, NULL) == err);
	if (err == OK) {
		check_scan(f, &grown, file, n);
		must(grown.count == fresh.count && grown.octets == fresh.octets);
		for (uint32_t i = 0; i < fresh.count; i++)
			must(grown.entry[i].at == fresh.entry[i].at && grown.rec[i].crc == fresh.rec[i].crc);
	}
	room_done(&where);
	scan_done(&known);
	scan_done(&grown);
	scan_done(&fresh);
	close(fd);
	return 0;
}
