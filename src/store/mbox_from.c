/* store/mbox_from.c - From_ lines. See mbox.h
 *
 * The sender may be anything, blanks included, so the date is looked for: at each word that is a weekday. What a word may be
 * is a function; which words make a date is a table. */
#include <string.h>
#include <time.h>

#include "store/mbox.h"

static bool is_one_of(struct slice word, const char *names)
{
	for (; *names; names += 3)
		if (word.n == 3 && memcmp(word.p, names, 3) == 0)
			return true;
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* A number of `least` to `most` digits up to `high`, at the front of `text`, which it is taken from. */
static bool take_number(struct slice *text, size_t least, size_t most, unsigned high)
{
	unsigned value = 0;
	size_t n = 0;

	while (n < text->n && n < most && is_digit(text->p[n]))
		value = value * 10 + (unsigned)(text->p[n++] - '0');
	*text = (struct slice){text->p + n, text->n - n};
	return n >= least && value <= high;
}

static bool take_char(struct slice *text, char c)
{
	bool is = text->n > 0 && text->p[0] == c;

	if (is)
		*text = (struct slice){text->p + 1, text->n - 1};
	return is;
}

static bool is_weekday(struct slice word)
{
	return is_one_of(word, "SunMonTueWedThuFriSat");
}

static bool is_month(struct slice word)
{
	return is_one_of(word, "JanFebMarAprMayJunJulAugSepOctNovDec");
}

static bool is_day(struct slice word)
{
	return word.n > 0 && take_number(&word, 1, 2, 31) && word.n == 0;
}

static bool is_time(struct slice word)
{
	bool is = take_number(&word, 1, 2, 23) && take_char(&word, ':') && take_number(&word, 2, 2, 59);

	if (is && take_char(&word, ':'))
		is = take_number(&word, 2, 2, 60);
	return is && word.n == 0;
}

static bool is_year(struct slice word)
{
	return take_number(&word, 4, 4, 9999) && word.n == 0;
}

/* EST, or +0100. */
static bool is_zone(struct slice word)
{
	if (take_char(&word, '+') || take_char(&word, '-'))
		return take_number(&word, 4, 4, 9999) && word.n == 0;
	for (size_t i = 0; i < word.n; i++)
		if (!is_alpha(word.p[i]))
			return false;
	return word.n > 0 && word.n <= 8;
}

static bool is_remote(struct slice word)
{
	return slice_eq(word, SLICE("remote"));
}

static bool is_dst(struct slice word)
{
	return slice_eq(word, SLICE("DST"));
}

/* In this order. A word that may be missing is skipped where it does not fit. */
static const struct {
	bool (*is)(struct slice word);
	bool may_be_missing;
} parts[] = {
	{is_weekday, false}, {is_month, false}, {is_day, false}, {is_time, false}, {is_zone, true},
	{is_dst, true},      {is_year, false},  {is_zone, true}, {is_dst, true},
};

/* Takes the next word, and the blanks before it. */
static struct slice take_word(struct slice *text)
{
	size_t blanks = 0, n;

	while (blanks < text->n && (text->p[blanks] == ' ' || text->p[blanks] == '\t'))
		blanks++;
	for (n = blanks; n < text->n && text->p[n] != ' ' && text->p[n] != '\t';)
		n++;
	struct slice word = {text->p + blanks, n - blanks};

	*text = (struct slice){text->p + n, text->n - n};
	return word;
}

static bool is_date(struct slice text)
{
	struct slice word = take_word(&text);

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		/* "remote" could be a zone */
		bool fits = parts[i].is(word) && !(parts[i].may_be_missing && is_remote(word));

		if (!fits && !parts[i].may_be_missing)
			return false;
		if (fits)
			word = take_word(&text);
	}
	if (is_remote(word)) {
		word = take_word(&text);
		return slice_eq(word, SLICE("from")) && take_word(&text).n > 0 && take_word(&text).n == 0;
	}
	return word.n == 0;
}

/* Of words that is_date has seen; a zone may stand before the year. */
static uint64_t date_seconds(struct slice text)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = {0};

	(void)take_word(&text);
	struct slice month = take_word(&text), day = take_word(&text), time = take_word(&text), word = take_word(&text);

	while (word.n > 0 && !is_year(word))
		word = take_word(&text);
	while (tm.tm_mon < 11 && memcmp(months + (size_t)tm.tm_mon * 3, month.p, 3) != 0)
		tm.tm_mon++;
	uint32_t year = 0, mday = 0, hour = 0, minute = 0;
	struct slice h = slice_take(&time, ':'), m = slice_take(&time, ':');

	if (!slice_u32(word, &year) || !slice_u32(day, &mday) || !slice_u32(h, &hour) || !slice_u32(m, &minute))
		return 0;
	tm.tm_year = (int)year - 1900;
	tm.tm_mday = (int)mday;
	tm.tm_hour = (int)hour;
	tm.tm_min = (int)minute;
	time_t seconds = timegm(&tm);

	return seconds > 0 ? (uint64_t)seconds : 0;
}

uint64_t mbox_from_date(struct slice line)
{
	line.n -= line.n > 0 && line.p[line.n - 1] == '\r';
	if (!mbox_is_from(line))
		return 0;
	struct slice rest = {line.p + 5, line.n - 5};

	while (rest.n > 0) {
		struct slice date = rest, from = rest;

		if (is_weekday(take_word(&rest)) && is_date(date))
			return date_seconds(from);
	}
	return 0;
}

bool mbox_is_from(struct slice line)
{
	line.n -= line.n > 0 && line.p[line.n - 1] == '\r';
	if (line.n > MBOX_FROM_MOST || !slice_starts(line, SLICE("From ")))
		return false;
	struct slice rest = {line.p + 5, line.n - 5};

	if (take_word(&rest).n == 0) /* the sender, or its first word */
		return false;
	while (rest.n > 0) {
		struct slice date = rest;

		if (is_weekday(take_word(&rest)) && is_date(date))
			return true;
	}
	return false;
}

/* A deliverer is at its first message, and its From_ line is not whole: procmail writes the F, and a second later the rest. What it comes
 * to, the scan sees, under the mailbox lock. */
bool mbox_is_from_begun(struct slice octets)
{
	static const struct slice from = {"From ", 5};
	size_t n = octets.n < from.n ? octets.n : from.n;

	return octets.n <= MBOX_FROM_MOST && slice_find(octets, '\n') == octets.n &&
	       slice_starts(octets, (struct slice){from.p, n});
}
