/* conf/statements.h - the table of statements: what there is, what it takes, what it is for
 *
 * Parser, checks, --config-help, the manual page and the tests are loops over it. A block's rows share a group; one group
 * may belong to several blocks (the tls of a server and the global one). A row's member is found from the struct that its
 * group fills: struct conf, struct conf_server, struct conf_tls or struct conf_acl. */
#pragma once
#include "base/slice.h"
#include "conf/conf.h"

/* What a value looks like: a row of `kinds' in kinds.c each. */
enum kind {
	KIND_BOOL,
	KIND_NUMBER, /* uint32_t between min and max */
	KIND_TIME,   /* struct seconds between min and max */
	KIND_STRING,
	KIND_PATH,     /* a string that begins with `/', or one of the words where there are some */
	KIND_TEMPLATE, /* a string with variables */
	KIND_WORD,     /* an enum or int: one of the words */
	KIND_NAME,     /* a string: one of the words */
	KIND_NUMBERED, /* an int: one of the words, or a number between min and max */
	KIND_FACILITY, /* of syslog: one of the words in any case, with LOG_ in front or not, or its number */
	KIND_PORT,
	KIND_OWNER,
	KIND_CHECKS,
	KIND_SECRET,
	KIND_MAP,
	KIND_CHAIN, /* of authentication modules */
	KIND_DEBUG,
	KIND_PRIORITIES, /* of TLS, as GnuTLS writes them */
	KIND_ACL,        /* a rule; its action is the keyword */
	KIND_SPOOL,      /* mail-spool, turned into a pattern */
	KIND_UIDL_FORMAT,
	KIND_BULLETIN_NEW,
	KIND_LOCK_FLAGS,
	KIND_NETWORKS,
	KIND_SERVERS, /* that we ask: hosts with ports */
	KIND_FILE,    /* a path that begins with `/', and the place that names it */
	KIND_COUNT
};

struct word {
	const char *name;
	int value;
};

/* The words that a statement takes; the table ends with a NULL name. */
struct words {
	const char *says; /* the error for another word, perhaps with one %s for it */
	const struct word *word;
};

/* What becomes of a statement that is given. */
enum honour {
	HONOURED,
	ACCEPTED /* for Mailutils' sake: it has no effect on POP3 */
};

struct statement {
	const char *group, *keyword;
	enum kind kind;
	size_t at;       /* of the member, in the group's struct */
	const char *arg; /* what help calls the value */
	const char *def; /* the default, as it would be written; NULL: unset */
	const char *help;
	enum honour honour;
	const char *effect; /* of HONOURED rows: FILE::TEST that shows what the statement does */
	uint64_t min, max;  /* KIND_NUMBER, KIND_TIME, KIND_NUMBERED; max 0: as large as fits */
	const struct words *words;
	const char *says; /* the error for a bad value, where Mailutils has a text of its own */
	const char *unit; /* of numbers: "days" */
};

struct block {
	const char *parent, *keyword; /* group that it stands in, and its name there */
	const char *group;            /* of the rows in it */
	size_t at;                    /* where its struct begins in its parent's */
	size_t given;                 /* of the bool in its parent's struct that says it is there; 0: none */
	const char *label;            /* what help calls its label; NULL: it has none */
	const char *help;
};

/* A module that `auth' knows. */
struct module {
	const char *name;
	bool authorization, authentication; /* which of the two it can do */
	const char *alias_of;               /* NULL: a name of its own */
};

extern const struct statement statements[];
extern const struct block blocks[];
extern const struct module modules[];
extern const size_t statements_n, blocks_n, modules_n;
extern const char *const foreign_blocks[]; /* of Mailutils' other programs; ends with NULL */

/* NULL: there is none. */
const struct statement *statement_find(const char *group, const char *keyword);
const struct block *block_find(const char *parent, const char *keyword);
const struct module *module_find(struct slice name);
bool is_foreign_block(const char *keyword);

/* "server.tls.ssl-key-file" for a row in a block of that path; cut when too long. */
const char *statement_path(char *dst, size_t cap, const char *block_path, const char *keyword);
