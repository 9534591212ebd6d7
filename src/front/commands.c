/* front/commands.c - see commands.h */
#include "front/commands.h"

#include <string.h>

#include "front/front.h"
#include "front/reply.h"
#include "front/stls.h"

/* clang-format off */
static const struct command commands[] = {
	/*        legal in                               argument       secret password */
	{"USER", AUTHORIZATION,                          ARG_NAME,      false, true,  cmd_user}, /* RFC 1939, section 7 */
	{"PASS", AUTHORIZATION,                          ARG_VERBATIM,  true,  true,  cmd_pass}, /* section 7 */
	{"APOP", AUTHORIZATION,                          ARG_VERBATIM,  true,  false, cmd_apop}, /* section 7 */
	{"AUTH", AUTHORIZATION,                          ARG_ANY,       true,  false, cmd_auth}, /* RFC 5034 */
	{"STLS", INITIAL | AUTHORIZATION,                ARG_NONE,      false, false, cmd_stls}, /* RFC 2595, section 4 */
	{"CAPA", INITIAL | AUTHORIZATION | TRANSACTION,  ARG_NONE,      false, false, cmd_capa}, /* RFC 2449, section 5 */
	{"QUIT", INITIAL | AUTHORIZATION | TRANSACTION,  ARG_NONE,      false, false, cmd_quit}, /* sections 4 to 6 */
	{"STAT", TRANSACTION,                            ARG_NONE,      false, false, cmd_stat}, /* section 5 */
	{"LIST", TRANSACTION,                            ARG_MSG_OPT,   false, false, cmd_list}, /* section 5 */
	{"UIDL", TRANSACTION,                            ARG_MSG_OPT,   false, false, cmd_uidl}, /* section 7 */
	{"RETR", TRANSACTION,                            ARG_MSG,       false, false, cmd_retr}, /* section 5 */
	{"TOP",  TRANSACTION,                            ARG_MSG_LINES, false, false, cmd_top},  /* section 7 */
	{"DELE", TRANSACTION,                            ARG_MSG,       false, false, cmd_dele}, /* section 5 */
	{"NOOP", INITIAL | AUTHORIZATION | TRANSACTION,  ARG_NONE,      false, false, cmd_noop}, /* section 5; clients send it
												  * before a login, too */
	{"RSET", TRANSACTION,                            ARG_NONE,      false, false, cmd_rset}, /* section 5 */
};
/* clang-format on */

static const char invalid_arguments[] = "Invalid arguments";
static const char no_such_message[] = "No such message";

/* Small or capital. Others than letters may pass. */
static bool is_letter(char c, char capital)
{
	return (c & ~('a' - 'A')) == capital;
}

const struct command *command_find(struct slice verb)
{
	for (size_t i = 0; verb.n > 0 && i < sizeof commands / sizeof *commands; i++)
		if (is_letter(verb.p[0], *commands[i].verb) && slice_eq_nocase(verb, slice_str(commands[i].verb)))
			return &commands[i];
	return NULL;
}

static bool is_digits(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	return text.n > 0;
}

/* The word at the front of *rest, and the blanks behind it. */
static struct slice take_word(struct slice *rest)
{
	struct slice word = *rest;

	for (word.n = 0; word.n < rest->n && rest->p[word.n] != ' ' && rest->p[word.n] != '\t';)
		word.n++;
	*rest = slice_trim((struct slice){rest->p + word.n, rest->n - word.n});
	return word;
}

static const char *parse_msgno(struct slice *rest, const struct view *v, uint32_t *out)
{
	struct slice word = take_word(rest);
	uint32_t msgno;

	if (!is_digits(word))
		return invalid_arguments;
	if (!slice_u32(word, &msgno) || msgno < 1 || msgno > v->count)
		return no_such_message;
	if (view_is_deleted(v, msgno))
		return "Message has been deleted";
	*out = msgno;
	return NULL;
}

static const char *parse_name(struct slice text, struct args *out)
{
	out->text = take_word(&text);
	return out->text.n > 0 && out->text.n <= NAME_MOST && text.n == 0 ? NULL : invalid_arguments;
}

/* The syntax is looked at before the message: TOP 9 x is not a question for message 9. */
static const char *parse_msg(enum arg shape, struct slice text, const struct view *v, struct args *out)
{
	struct slice rest = text;

	(void)take_word(&rest);
	if (shape == ARG_MSG_LINES ? !slice_u32(rest, &out->lines) : rest.n > 0)
		return invalid_arguments;
	return parse_msgno(&text, v, &out->msgno);
}

const char *args_parse(enum arg shape, struct slice text, const struct view *v, struct args *out)
{
	*out = (struct args){.text = text};
	if (shape == ARG_VERBATIM || shape == ARG_ANY)
		return NULL;
	text = slice_trim(text);
	if (shape == ARG_NAME)
		return parse_name(text, out);
	if (shape == ARG_NONE || (shape == ARG_MSG_OPT && text.n == 0))
		return text.n > 0 ? invalid_arguments : NULL;
	return parse_msg(shape, text, v, out);
}

static enum next refuse(struct session *s, const char *text)
{
	reply_err(&s->out, text);
	return NEXT_COMMAND;
}

/* Looks up the record of the message, or of the first one of a listing, before the handler says anything: it may
 * have to come from store. */
static enum next look_up(struct session *s, struct args *a)
{
	uint32_t msgno = a->msgno > 0 ? a->msgno : 1;

	if (s->view.count == 0)
		return NEXT_COMMAND;
	return listing_get(s, msgno, &a->message) ? NEXT_COMMAND
						  : NEXT_AGAIN; /* where the session ends, it will not be run */
}

static enum next run(struct session *s, const struct command *c, struct slice rest)
{
	struct args a;

	if (!(c->states & s->state))
		return refuse(s, "Incorrect state");
	if (c->password && !stls_passwords_may_come(s))
		return refuse(s, "Plaintext login is not allowed here");
	const char *wrong = args_parse(c->shape, rest, &s->view, &a);

	if (wrong)
		return refuse(s, wrong);
	if (c->shape >= ARG_MSG && look_up(s, &a) == NEXT_AGAIN)
		return NEXT_AGAIN;
	return c->run(s, &a);
}

static struct slice skip_blanks(struct slice text)
{
	while (text.n > 0 && (text.p[0] == ' ' || text.p[0] == '\t'))
		text = (struct slice){text.p + 1, text.n - 1};
	return text;
}

enum next session_command(struct session *s, struct slice line)
{
	struct slice rest = skip_blanks(line), verb = rest;

	for (verb.n = 0; verb.n < rest.n && rest.p[verb.n] != ' ' && rest.p[verb.n] != '\t';)
		verb.n++;
	/* One blank separates; what follows belongs to the argument. */
	size_t used = verb.n < rest.n ? verb.n + 1 : verb.n;

	rest = (struct slice){rest.p + used, rest.n - used};
	const struct command *c = command_find(verb);
	enum next next = c ? run(s, c, rest) : refuse(s, "Invalid command");

	if ((!c || c->secret) && next != NEXT_AGAIN && line.n > 0)
		explicit_bzero((char *)line.p, line.n); /* it stands in our own input buffer */
	return next;
}
