/* fuzz/fuzz_wire.c - a stored message, in any pieces: what is sent ends where it should, and is as long as LIST says
 *
 * The first octets of the input choose the rules, the lines of a TOP and the pieces; the rest is the message. */
#include <string.h>

#include "fuzz.h"
#include "mail/wire.h"

enum { HEAD = 4, OUT = 256 };

/* What was sent so far, without keeping it: dots unstuffed, lines counted. */
struct reader {
	uint64_t octets, lines;
	bool line_start, after_cr;
};

static void reader_take(struct reader *r, struct slice sent)
{
	for (size_t i = 0; i < sent.n; i++) {
		char c = sent.p[i];

		if (r->line_start && c == '.') { /* stuffed: does not count */
			r->line_start = false;
			continue;
		}
		r->octets++;
		must(c != '\n' || r->after_cr); /* no bare LF */
		r->lines += c == '\n';
		r->line_start = c == '\n';
		r->after_cr = c == '\r';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < HEAD)
		return 0;
	uint32_t rules = data[0] & WIRE_RULES;
	uint64_t lines = data[1] == 255 ? WIRE_ALL_LINES : data[1];
	size_t piece = data[2] + 1U, room = 64 + data[3] % (OUT - 64 + 1U);
	struct slice rest = {(const char *)data + HEAD, n - HEAD};
	struct wire sending, counting;
	struct reader reader = {.line_start = true};
	char text[OUT];
	struct buf out = {.p = text, .cap = room};

	wire_init(&counting, rules, lines);
	wire_count(&counting, rest);
	wire_count_end(&counting);
	wire_init(&sending, rules, lines);
	while (rest.n > 0) {
		struct slice in = {rest.p, rest.n < piece ? rest.n : piece};
		size_t taken = wire_put(&sending, in, &out);

		must(taken <= in.n && !out.full && out.len <= room);
		must(taken > 0 || out.len > 0); /* it gets on */
		rest = (struct slice){rest.p + taken, rest.n - taken};
		reader_take(&reader, buf_slice(&out));
		out.len = 0;
	}
	must(wire_end(&sending, &out));
	reader_take(&reader, buf_slice(&out));
	must(reader.line_start); /* whole lines */
	must(reader.octets == sending.octets && reader.octets == counting.octets);
	must(reader.lines == sending.lines && reader.lines == counting.lines);
	return 0;
}
