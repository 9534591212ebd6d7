/* bench/popload.c - the command line of the load: popload SCENARIO, prints key=value lines */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bare.h"
#include "bulk.h"
#include "dialogue.h"

struct command_line {
	struct options opt;
	const char *scenario, *host, *port, *user;
	const char *tls_port, *certificate, *key; /* of the servers that know nothing */
	struct bulk bulk;
};

enum { OPT_TLS_PORT = 256, OPT_CERTIFICATE, OPT_KEY, OPT_FILE, OPT_MESSAGES, OPT_COPY };

static const struct argp_option argp_options[] = {
	{"host", 'h', "HOST", 0, "Where the server is (127.0.0.1)", 0},
	{"port", 'p', "PORT", 0, "Its port (110)", 0},
	{"user", 'u', "NAME", 0, "Who logs in: a name with %d for 1 to --users, or @FILE with a name a line", 0},
	{"users", 'n', "N", 0, "How many users there are (1)", 0},
	{"password", 'P', "TEXT", 0, "The password of them all", 0},
	{"clients", 'c', "N", 0, "Sessions at the same time (1), at most as many as users", 0},
	{"once", 'o', NULL, 0, "A session for every user; always so for a scenario that holds", 0},
	{"sessions", 's', "N", 0, "Stop after so many", 0},
	{"seconds", 't', "N", 0, "Start no session later than this", 0},
	{"patience", 'w', "N", 0, "Seconds of silence that fail a session (30)", 0},
	{"errors", 'e', "N", 0, "Stop after so many (100)", 0},
	{"ahead", 'a', "N", 0, "Commands for single messages that are sent before their replies have come (1)", 0},
	{"tls", 'T', "HOW", 0, "TLS from the first octet: full (a handshake of its own for each session), or resumed",
	 0},
	{"tls-port", OPT_TLS_PORT, "PORT", 0, "serve, bulk: TLS from the first octet on this port too", 0},
	{"certificate", OPT_CERTIFICATE, "FILE", 0, "serve, bulk: its certificate, in PEM", 0},
	{"key", OPT_KEY, "FILE", 0, "serve, bulk: its private key, in PEM", 0},
	{"file", OPT_FILE, "FILE", 0, "bulk: each message as it is on the wire, with its last line", 0},
	{"messages", OPT_MESSAGES, "N", 0, "bulk: how many there are (1)", 0},
	{"copy", OPT_COPY, NULL, 0, "bulk: by pread and write, not by sendfile", 0},
	{0},
};

static uint32_t number(const char *arg, struct argp_state *state)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(arg, &end, 10);

	if (errno || *end || end == arg || n > INT32_MAX)
		argp_error(state, "not a number: %s", arg);
	return (uint32_t)n;
}

static enum secure_mode tls_mode(const char *arg, struct argp_state *state)
{
	bool resumed = strcmp(arg, "resumed") == 0;

	if (!resumed && strcmp(arg, "full") != 0)
		argp_error(state, "full or resumed, not %s", arg);
	return resumed ? SECURE_RESUMED : SECURE_FULL;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct command_line *cl = state->input;

	switch (key) {
	case 'h':
		cl->host = arg;
		break;
	case 'p':
		cl->port = arg;
		break;
	case 'u':
		cl->user = arg;
		break;
	case 'P':
		cl->opt.password = arg;
		break;
	case 'n':
		cl->opt.nusers = number(arg, state);
		break;
	case 'c':
		cl->opt.clients = number(arg, state);
		break;
	case 'o':
		cl->opt.once = true;
		break;
	case 's':
		cl->opt.sessions = number(arg, state);
		break;
	case 't':
		cl->opt.seconds = number(arg, state);
		break;
	case 'w':
		cl->opt.patience = number(arg, state);
		break;
	case 'a':
		cl->opt.ahead = number(arg, state);
		break;
	case 'e':
		cl->opt.errors_most = number(arg, state);
		break;
	case 'T':
		cl->opt.secure = tls_mode(arg, state);
		break;
	case OPT_TLS_PORT:
		cl->tls_port = arg;
		break;
	case OPT_CERTIFICATE:
		cl->certificate = arg;
		break;
	case OPT_KEY:
		cl->key = arg;
		break;
	case OPT_FILE:
		cl->bulk.file = arg;
		break;
	case OPT_MESSAGES:
		cl->bulk.messages = number(arg, state);
		break;
	case OPT_COPY:
		cl->bulk.copies = true;
		break;
	case ARGP_KEY_ARG:
		if (cl->scenario)
			argp_usage(state);
		cl->scenario = arg;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Behind the options: what there is to be done. */
static char *help_text(int key, const char *text, void *input)
{
	char *help = NULL;
	size_t n;
	FILE *f = key == ARGP_KEY_HELP_POST_DOC ? open_memstream(&help, &n) : NULL;

	(void)input;
	if (!f)
		return (char *)text;
	fputs("Scenarios:\n", f);
	for (const struct scenario *sc = scenarios; sc->name; sc++)
		fprintf(f, "  %-10s %s\n", sc->name, sc->help);
	fputs("  serve      be the server that knows nothing: the bound for poll\n", f);
	fputs("  bulk       be the one that sends the same file as every message: the bound for large ones\n", f);
	fclose(f);
	return help;
}

static const struct argp argp = {
	argp_options, parse_option, "SCENARIO", "Loads a POP3 server and checks every reply.\v", NULL, help_text, NULL};

static const struct scenario *scenario_find(const char *name)
{
	for (const struct scenario *sc = scenarios; sc->name; sc++)
		if (strcmp(sc->name, name) == 0)
			return sc;
	return NULL;
}

static bool resolve(const char *host, const char *port, struct sockaddr_storage *addr, socklen_t *len)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	int failure = getaddrinfo(host, port, &hints, &found);

	if (failure) {
		fprintf(stderr, "popload: %s: %s\n", host, gai_strerror(failure));
		return false;
	}
	memcpy(addr, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* "user%d@x" with the number put in; no other % means anything. */
static char *user_name(const char *pattern, uint32_t n)
{
	const char *at = strstr(pattern, "%d");
	char *name = NULL;

	if (!at)
		return strdup(pattern);
	if (asprintf(&name, "%.*s%" PRIu32 "%s", (int)(at - pattern), pattern, n, at + 2) < 0)
		return NULL;
	return name;
}

static bool users_make(struct options *opt, const char *pattern)
{
	opt->users = calloc(opt->nusers, sizeof *opt->users);
	for (uint32_t i = 0; opt->users && i < opt->nusers; i++) {
		opt->users[i].name = user_name(pattern, i + 1);
		if (!opt->users[i].name || strlen(opt->users[i].name) > USER_MOST)
			return false;
	}
	return opt->users != NULL;
}

static bool users_read(struct options *opt, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	uint32_t made = 0;

	opt->users = f ? calloc(opt->nusers, sizeof *opt->users) : NULL;
	for (ssize_t n; opt->users && made < opt->nusers && (n = getline(&line, &room, f)) > 0;) {
		line[strcspn(line, "\n")] = '\0';
		if (n <= USER_MOST)
			opt->users[made++].name = strdup(line);
	}
	free(line);
	if (f)
		fclose(f);
	opt->nusers = made;
	return made > 0;
}

static void users_free(struct options *opt)
{
	for (uint32_t i = 0; opt->users && i < opt->nusers; i++)
		free(opt->users[i].name);
	free(opt->users);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double latency_ms(const struct totals *t, size_t per_mille)
{
	size_t i = t->latencies ? (t->latencies - 1) * per_mille / 1000 : 0;

	return t->latencies ? t->latency[i] / 1000.0 : 0;
}

static void print_totals(struct totals *t)
{
	if (t->latencies)
		qsort(t->latency, t->latencies, sizeof *t->latency, by_number);
	printf("sessions=%" PRIu64 "\nerrors=%" PRIu64 "\nseconds=%.3f\n", t->sessions, t->errors, t->wall);
	printf("rate=%.1f\n", t->wall > 0 ? (double)t->sessions / t->wall : 0);
	printf("median_ms=%.3f\np95_ms=%.3f\np99_ms=%.3f\n", latency_ms(t, 500), latency_ms(t, 950),
	       latency_ms(t, 990));
	printf("octets_in=%" PRIu64 "\noctets_out=%" PRIu64 "\n", t->octets_in, t->octets_out);
	printf("handshakes=%" PRIu64 "\nresumed=%" PRIu64 "\n", t->handshakes, t->resumed);
	printf("messages=%" PRIu64 "\nverified=%" PRIu64 "\n", t->messages, t->verified);
}

/* What each step of a session took, on average. */
static void print_steps(const struct totals *t, const struct scenario *sc)
{
	for (unsigned i = 0; i < STEPS_MOST; i++)
		if (t->step_count[i] > 0 && *scenario_verb(sc, i))
			printf("%s_ms=%.3f\n", scenario_verb(sc, i),
			       (double)t->step_us[i] / (double)t->step_count[i] / 1000);
}

/* A descriptor for each connection, if we may. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static bool is_complete(const struct options *opt)
{
	const char *lacking = NULL;

	if (!opt->scenario)
		lacking = "no such scenario";
	else if (!opt->password)
		lacking = "no password";
	else if (opt->ahead < 1)
		lacking = "ahead: at least 1";
	else if (opt->clients < 1 || opt->clients > opt->nusers)
		lacking = "clients: from 1 to the number of users";
	else if (!opt->once && !opt->sessions && !opt->seconds)
		lacking = "once, sessions or seconds?";
	if (lacking)
		fprintf(stderr, "popload: %s\n", lacking);
	return !lacking;
}

/* Exit status: 1 when a session failed, 2 when there was nothing to be done. */
static int load(struct command_line *cl)
{
	struct totals t = {0};
	bool ok;

	cl->opt.scenario = scenario_find(cl->scenario);
	cl->opt.once |= cl->opt.scenario && cl->opt.scenario->holds;
	ok = cl->user[0] == '@' ? users_read(&cl->opt, cl->user + 1) : users_make(&cl->opt, cl->user);
	if (!ok)
		fputs("popload: no users\n", stderr);
	ok = ok && is_complete(&cl->opt) && load_run(&cl->opt, &t);
	if (ok) {
		print_totals(&t);
		print_steps(&t, cl->opt.scenario);
	}
	users_free(&cl->opt);
	free(t.latency);
	return !ok ? 2 : t.errors ? 1 : 0;
}

/* Where a server that knows nothing has TLS, if it has. */
static bool resolve_tls(const struct command_line *cl, struct sockaddr_storage *addr, socklen_t *len)
{
	if (!cl->tls_port)
		return true;
	if (!cl->certificate || !cl->key) {
		fputs("popload: --tls-port wants --certificate and --key\n", stderr);
		return false;
	}
	return resolve(cl->host, cl->tls_port, addr, len);
}

static int serve(const struct command_line *cl)
{
	struct bare b = {.addr = cl->opt.addr, .len = cl->opt.addr_len, .certificate = cl->certificate, .key = cl->key};

	return resolve_tls(cl, &b.tls_addr, &b.tls_len) ? bare_serve(&b) : 2;
}

static int serve_bulk(const struct command_line *cl)
{
	struct bulk b = cl->bulk;

	b.addr = cl->opt.addr;
	b.len = cl->opt.addr_len;
	b.certificate = cl->certificate;
	b.key = cl->key;
	if (!b.file) {
		fputs("popload: bulk wants --file\n", stderr);
		return 2;
	}
	return resolve_tls(cl, &b.tls_addr, &b.tls_len) ? bulk_serve(&b) : 2;
}

int main(int argc, char **argv)
{
	struct command_line cl = {.opt = {.nusers = 1, .clients = 1, .ahead = 1, .patience = 30, .errors_most = 100},
				  .host = "127.0.0.1",
				  .port = "110",
				  .bulk = {.messages = 1},
				  .user = "user%d"};

	argp_parse(&argp, argc, argv, 0, NULL, &cl);
	raise_limit();
	if (!resolve(cl.host, cl.port, &cl.opt.addr, &cl.opt.addr_len))
		return 2;
	if (strcmp(cl.scenario, "bulk") == 0)
		return serve_bulk(&cl);
	return strcmp(cl.scenario, "serve") == 0 ? serve(&cl) : load(&cl);
}
