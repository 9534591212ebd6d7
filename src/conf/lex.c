/* conf/lex.c - see lex.h */
#include "conf/lex.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word_char(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || (c != '\0' && strchr("_./:*=@-", c));
}

/* Two characters or more, as Mailutils wants it. */
static bool is_keyword(struct slice t)
{
	if (t.n < 2 || (!is_letter(t.p[0]) && t.p[0] != '_'))
		return false;
	for (size_t i = 0; i < t.n; i++)
		if (!is_word_char(t.p[i]) || strchr("./:*=@", t.p[i]))
			return false;
	return true;
}

bool lex_is_word(struct slice t)
{
	for (size_t i = 0; i < t.n; i++)
		if (!is_word_char(t.p[i]))
			return false;
	return t.n > 0 && !slice_starts(t, SLICE("//")) && !slice_starts(t, SLICE("/*"));
}

void lex_init(struct lexer *lx, const char *file, struct slice text, struct arena *arena, struct report *report)
{
	*lx = (struct lexer){
		.p = text.n ? text.p : "", .place = {1, 1}, .file = file, .arena = arena, .report = report};
	lx->end = lx->p + text.n;
}

static struct slice rest(const struct lexer *lx)
{
	return (struct slice){lx->p, (size_t)(lx->end - lx->p)};
}

static void skip(struct lexer *lx, size_t n)
{
	for (; n > 0; n--, lx->p++) {
		lx->place.col++;
		if (*lx->p == '\n')
			lx->place = (struct place){lx->place.line + 1, 1};
	}
}

/* The token that covers the next `n` octets, which are taken. */
static struct token take(struct lexer *lx, enum token_type type, size_t n)
{
	struct token t = {.type = type, .at = {.file = lx->file, .from = lx->place}};

	skip(lx, n - 1);
	t.at.to = lx->place;
	skip(lx, 1);
	return t;
}

static struct token with_text(struct lexer *lx, struct token t, const char *text)
{
	t.text = text;
	if (!text) {
		lx->no_memory = true;
		t.type = TOKEN_END;
	}
	return t;
}

static size_t line_octets(const struct lexer *lx)
{
	return slice_find(rest(lx), '\n');
}

static size_t comment_octets(const struct lexer *lx)
{
	struct slice r = rest(lx);

	if (slice_starts(r, SLICE("#")) || slice_starts(r, SLICE("//")))
		return line_octets(lx);
	if (slice_starts(r, SLICE("/*"))) {
		const char *close = memmem(r.p + 2, r.n - 2, "*/", 2);

		return close ? (size_t)(close + 2 - r.p) : r.n; /* one that is not closed goes to the end */
	}
	return 0;
}

/* `text` with the escapes of quoted strings replaced, in the arena; NULL: no memory. Escapes that are none lose
 * their backslash, and the last of them is in *unknown (else untouched). */
static char *unescape(struct arena *arena, struct slice text, char *unknown)
{
	static const char escape[] = "abfnrtv\\\"", means[] = "\a\b\f\n\r\t\v\\\"";
	char *out = arena_zero(arena, text.n + 1), *to = out;

	for (size_t i = 0; out && i < text.n; i++) {
		if (text.p[i] != '\\' || i + 1 == text.n) {
			*to++ = text.p[i];
			continue;
		}
		char c = text.p[++i];
		const char *known = c ? strchr(escape, c) : NULL;

		if (c == '\n')
			continue;
		*to++ = known ? means[known - escape] : c;
		if (!known)
			*unknown = c;
	}
	return out;
}

static char *unescape_and_warn(struct lexer *lx, struct slice text, const struct range *at)
{
	char unknown = '\0';
	char *s = unescape(lx->arena, text, &unknown);

	if (unknown)
		report_warning(lx->report, at, "unknown escape \\%c, its backslash is ignored", unknown);
	return s;
}

/* Octets of the quoted string that begins here; 0 when it is not closed on its line (backslash-newline goes on). */
static size_t string_octets(struct slice r)
{
	for (size_t i = 1; i < r.n && r.p[i] != '\n' && r.p[i] != '\0'; i++) {
		if (r.p[i] == '"')
			return i + 1;
		if (r.p[i] == '\\')
			i++;
	}
	return 0;
}

static struct token take_string(struct lexer *lx, size_t n)
{
	struct slice inside = {lx->p + 1, n - 2};
	struct token t = take(lx, TOKEN_STRING, n);

	return with_text(lx, t, unescape_and_warn(lx, inside, &t.at));
}

/* The line behind `<<`: how a here-document is written. */
struct heredoc {
	struct slice word;
	bool strip_tabs, strip_blanks, verbatim;
};

/* `line` is the text behind `<<`, to the end of its line. False: no here-document begins here. */
static bool heredoc_head(struct slice line, struct heredoc *h)
{
	*h = (struct heredoc){0};
	if (slice_starts(line, SLICE("-"))) {
		slice_take(&line, '-');
		h->strip_tabs = true;
		h->strip_blanks = slice_starts(line, SLICE(" "));
		if (h->strip_blanks)
			slice_take(&line, ' ');
	}
	bool quoted = slice_starts(line, SLICE("\"")), escaped = slice_starts(line, SLICE("\\"));

	h->verbatim = quoted || escaped;
	if (h->verbatim) {
		line.p++;
		line.n--;
	}
	h->word.p = line.p;
	while (h->word.n < line.n && is_word_char(line.p[h->word.n]))
		h->word.n++;
	line.p += h->word.n;
	line.n -= h->word.n;
	if (h->word.n == 0 || (quoted && !slice_starts(line, SLICE("\""))))
		return false;
	if (quoted)
		slice_take(&line, '"');
	while (line.n > 0 && (is_blank(line.p[0]) || line.p[0] == '\r')) {
		line.p++;
		line.n--;
	}
	return line.n == 0 || line.p[0] == '#' || slice_starts(line, SLICE("//")) ||
	       (slice_starts(line, SLICE("/*")) && memmem(line.p + 2, line.n - 2, "*/", 2) == line.p + line.n - 2);
}

static struct slice heredoc_strip(const struct heredoc *h, struct slice line)
{
	while (line.n > 0 && ((h->strip_tabs && line.p[0] == '\t') || (h->strip_blanks && line.p[0] == ' '))) {
		line.p++;
		line.n--;
	}
	return line;
}

static bool heredoc_ends(const struct heredoc *h, struct slice stripped)
{
	if (!slice_starts(stripped, h->word))
		return false;
	size_t i = h->word.n;

	while (i < stripped.n && (is_blank(stripped.p[i]) || stripped.p[i] == '\r'))
		i++;
	return i == stripped.n || stripped.p[i] == ';';
}

/* Finds the line that ends the document: *body is all before it, *word what ends it. */
static bool heredoc_find(const struct heredoc *h, struct slice text, struct slice *body, struct slice *word)
{
	const char *start = text.p;

	while (text.n > 0) {
		const char *line_start = text.p;
		struct slice line = heredoc_strip(h, slice_take(&text, '\n'));

		if (heredoc_ends(h, line)) {
			*body = (struct slice){start, (size_t)(line_start - start)};
			*word = (struct slice){line.p, h->word.n};
			return true;
		}
	}
	return false;
}

/* The body with what is to be stripped from its lines gone; NULL: no memory. */
static char *heredoc_body(struct arena *arena, const struct heredoc *h, struct slice body)
{
	char *out = arena_zero(arena, body.n + 1), *to = out;

	while (out && body.n > 0) {
		struct slice line = heredoc_strip(h, slice_take(&body, '\n'));

		to = (char *)mempcpy(to, line.p, line.n);
		*to++ = '\n'; /* the line that ends the document follows: every line before it is whole */
	}
	return out;
}

/* Takes `<<` and all up to and with the word that ends the document. False: none begins here. */
static bool take_heredoc(struct lexer *lx, struct token *t)
{
	struct slice text = rest(lx), body, word;
	struct slice head = slice_take(&text, '\n');
	struct heredoc h;

	if (!heredoc_head((struct slice){head.p + 2, head.n - 2}, &h))
		return false;
	if (!heredoc_find(&h, text, &body, &word)) {
		*t = take(lx, TOKEN_END, head.n);
		report_error(lx->report, &t->at,
			     "syntax error; expected `%.*s' alone on a line before the end of the file",
			     (int)(h.word.n < 64 ? h.word.n : 64), h.word.p);
		lx->unclosed = true;
		lx->p = lx->end;
		return true;
	}
	char *s = heredoc_body(lx->arena, &h, body);

	*t = take(lx, TOKEN_STRING, (size_t)(word.p + word.n - lx->p));
	if (s && !h.verbatim)
		s = unescape_and_warn(lx, slice_str(s), &t->at);
	*t = with_text(lx, *t, s);
	return true;
}

static void stray(struct lexer *lx)
{
	char c = *lx->p;
	const char *hint = "";
	struct token t = take(lx, TOKEN_PUNCT, 1);

	if (c == '"')
		hint = "; expected the string to be closed on its line";
	else if (c == '<')
		hint = "; expected a here-document: <<WORD and, further down, WORD alone on a line";
	else if ((unsigned char)c > ' ' && c != 0x7F)
		hint = "; expected it inside a quoted string";
	if ((unsigned char)c < ' ' || (unsigned char)c >= 0x7F)
		report_error(lx->report, &t.at, "stray character \\%03o", (unsigned)(unsigned char)c);
	else
		report_error(lx->report, &t.at, "stray character %c%s", c, hint);
}

static size_t word_octets(struct slice r)
{
	size_t n = 0;

	while (n < r.n && is_word_char(r.p[n]))
		n++;
	return n;
}

/* The next token, or false when something was told and skipped instead. */
static bool lex_try(struct lexer *lx, struct token *t)
{
	struct slice r = rest(lx);
	char c = r.p[0];
	size_t n;

	if (strchr("{}(),;", c) && c) {
		*t = take(lx, TOKEN_PUNCT, 1);
		t->punct = c;
		return true;
	}
	if ((n = word_octets(r)) > 0) {
		struct slice word = {r.p, n};

		*t = take(lx, is_keyword(word) ? TOKEN_KEYWORD : TOKEN_WORD, n);
		*t = with_text(lx, *t, arena_str(lx->arena, word));
		return true;
	}
	if (c == '"' && (n = string_octets(r)) > 0) {
		*t = take_string(lx, n);
		return true;
	}
	if (slice_starts(r, SLICE("<<")) && take_heredoc(lx, t))
		return true;
	stray(lx);
	return false;
}

struct token lex_next(struct lexer *lx)
{
	struct token t = {.type = TOKEN_END};

	while (lx->p < lx->end && !lx->no_memory) {
		size_t comment = comment_octets(lx);

		if (comment > 0 && slice_starts(rest(lx), SLICE("#debug="))) {
			struct slice spec = slice_trim((struct slice){lx->p + 7, comment - 7});

			t = take(lx, TOKEN_PRAGMA, comment);
			return with_text(lx, t, arena_str(lx->arena, spec));
		}
		if (comment > 0)
			skip(lx, comment);
		else if (is_blank(*lx->p) || *lx->p == '\n' || *lx->p == '\r')
			skip(lx, 1);
		else if (lex_try(lx, &t))
			return t;
	}
	t.at = (struct range){.file = lx->file, .from = lx->place, .to = lx->place};
	return t;
}
