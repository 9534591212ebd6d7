/* conf/lex.h - the words of a configuration file
 *
 * Takes a file's text apart into keywords, words, strings (here-documents too) and punctuation. What cannot be read is
 * told and skipped, so that one run tells all; it always ends in TOKEN_END. Texts of tokens live in the arena. */
#pragma once
#include "base/arena.h"
#include "conf/report.h"

enum token_type {
	TOKEN_END,
	TOKEN_KEYWORD, /* a word that may also name a statement */
	TOKEN_WORD,
	TOKEN_STRING,
	TOKEN_PRAGMA, /* "#debug=SPEC": text is SPEC */
	TOKEN_PUNCT   /* one of { } ( ) , ; */
};

struct token {
	enum token_type type;
	char punct;       /* of TOKEN_PUNCT */
	const char *text; /* of the others; no NUL inside */
	struct range at;
};

struct lexer {
	const char *p, *end; /* what is left */
	struct place place;  /* of *p */
	const char *file;
	struct arena *arena;
	struct report *report;
	bool no_memory;
	bool unclosed; /* a here-document was not closed: told, and the rest of the file is lost */
};

void lex_init(struct lexer *lx, const char *file, struct slice text, struct arena *arena, struct report *report);
struct token lex_next(struct lexer *lx);

/* Whether `text` can stand unquoted in a file: a word, not empty, without the start of a comment. */
bool lex_is_word(struct slice text);
