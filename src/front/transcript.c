/* front/transcript.c - see transcript.h */
#include "front/transcript.h"

#include "base/log.h"
#include "conf/conf.h"
#include "front/commands.h"

static const struct slice masked = {"***", 3};

void transcript_open(struct session *s)
{
	if (s->server->transcript && log_wants(LOG_DEBUG))
		s->transcript = arena_zero(s->arena, sizeof *s->transcript);
}

/* The word at the front of *rest, and the blanks behind it. */
static struct slice take_word(struct slice *rest)
{
	struct slice all = *rest, word = {all.p, 0};

	while (word.n < all.n && all.p[word.n] != ' ' && all.p[word.n] != '\t')
		word.n++;
	*rest = slice_trim((struct slice){all.p + word.n, all.n - word.n});
	return word;
}

/* Whether an argument of such a command can be shown: the first one, or a later one. */
static bool is_harmless(const struct command *c, struct slice word, bool first)
{
	uint32_t number;

	if (c->secret)
		return false;
	if (c->shape == ARG_NAME)
		return first;
	return c->shape >= ARG_MSG && slice_u32(word, &number);
}

void transcript_mask(struct buf *out, struct slice line)
{
	struct slice rest = slice_trim(line);
	struct slice word = take_word(&rest);
	const struct command *c = command_find(word);

	if (!c) {
		buf_put(out, line.n > 0 ? masked : SLICE(""));
		return;
	}
	buf_put(out, word);
	for (bool first = true; rest.n > 0; first = false) {
		word = take_word(&rest);
		buf_char(out, ' ');
		if (!is_harmless(c, word, first)) {
			buf_put(out, masked);
			return;
		}
		log_escape(out, word);
	}
}

void transcript_client(struct session *s, struct slice line)
{
	char text[512];
	struct buf b = BUF(text);

	if (s->transcript->heard)
		return;
	s->transcript->heard = true;
	if (s->sasl != SASL_NONE)
		buf_put(&b, masked);
	else
		transcript_mask(&b, line);
	log_line(LOG_DEBUG, "C: %.*s", (int)b.len, b.p);
}

/* A status line, up to what follows it: nothing, or the first octets of a multi-line part. */
static void tell_status(struct transcript *t, struct slice said)
{
	struct slice rest = said, line = slice_take(&rest, '\n');

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (slice_starts(line, SLICE("+ ")))
		line = SLICE("+ ***"); /* a challenge of AUTH */
	log_line(LOG_DEBUG, "S: %.*s", (int)line.n, line.p);
	t->heard = false;
	t->octets = rest.n;
	t->in_data = rest.n > 0;
}

void transcript_server(struct session *s)
{
	struct transcript *t = s->transcript;
	struct slice said = s->out.p ? (struct slice){s->out.p + t->told, s->out.len - t->told} : SLICE("");

	t->told = s->out.len;
	if (t->in_data)
		t->octets += said.n;
	else if (said.n > 0)
		tell_status(t, said);
	t->in_data |= said.n > 0 && s->more;
	if (t->in_data && !s->more) {
		log_line(LOG_DEBUG, "S: (data: %llu octets)", (unsigned long long)t->octets);
		t->in_data = false;
	}
}

void transcript_moved(struct session *s)
{
	s->transcript->told = s->out.len;
}
