/* backend/oauth/http.h - questions to the provider, by libcurl: https, or http to this machine
 *
 * One at a time; the connection is kept. Redirections are not followed and proxies not asked: what is sent are tokens and our own secret.
 * What comes is at most BODY_MOST octets. */
#pragma once
#include <curl/curl.h>

#include "base/secret.h"
#include "base/why.h"
#include "conf/conf.h"

enum { BODY_MOST = 256 * 1024 };

struct http {
	CURL *curl;
	struct curl_slist *headers;
	char *body; /* BODY_MOST octets */
	size_t body_n;
	bool too_long;
};

struct http_request {
	const char *url;
	const char *form;          /* for POST, wiped by its owner; NULL: GET */
	const char *user, *passwd; /* of Basic; NULL: without */
	uint64_t deadline_ms;      /* of clock_ms() */
};

enum err http_open(struct http *h, const struct conf_oauth *cf, struct why *why);
void http_close(struct http *h);

/* A URL that may be asked: `what' is the statement's name. */
enum err http_url_check(const char *what, const char *url, struct why *why);

/* OK: the status is 200, and *body is there until the next question. ERR_TEMP: nobody answered, or the provider is in trouble or busy; ERR_PERM: it
 * refuses us, or is not who it should be. */
enum err http_ask(struct http *h, const struct http_request *q, struct slice *body, struct why *why);

/* Appends text as a form has it (application/x-www-form-urlencoded). */
void http_put_escaped(struct buf *out, struct slice text);
