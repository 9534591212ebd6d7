/* backend/oauth/http.c - see http.h */
#include "backend/oauth/http.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* --- URLs ---------------------------------------------------------------------------------------------------------- */

static bool is_local(const char *host)
{
	return strcmp(host, "127.0.0.1") == 0 || strcmp(host, "[::1]") == 0 || strcmp(host, "localhost") == 0;
}

enum err http_url_check(const char *what, const char *url, struct why *why)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *user = NULL;
	enum err err = OK;

	if (!u)
		return fail(why, ERR_TEMP, "oauth: no memory");
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		err = fail(why, ERR_PERM, "oauth.%s: not a URL", what);
	else if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK)
		err = fail(why, ERR_PERM, "oauth.%s: no names and passwords may be in it", what);
	else if (strcmp(scheme, "https") != 0 && !(strcmp(scheme, "http") == 0 && is_local(host)))
		err = fail(why, ERR_PERM, "oauth.%s: it must be https (http to this machine)", what);
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_url_cleanup(u);
	return err;
}

void http_put_escaped(struct buf *out, struct slice text)
{
	static const char digits[] = "0123456789ABCDEF",
			  plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c != '\0' && strchr(plain, c)) {
			buf_char(out, (char)c);
		} else {
			buf_char(out, '%');
			buf_char(out, digits[c >> 4]);
			buf_char(out, digits[c & 15]);
		}
	}
}

/* --- a question ---------------------------------------------------------------------------------------------------- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http *h = arg;

	n *= size;
	h->too_long |= n > BODY_MOST - h->body_n;
	if (h->too_long)
		return 0;
	memcpy(h->body + h->body_n, p, n);
	h->body_n += n;
	return n;
}

static CURLcode ask(struct http *h, const struct http_request *q, long left_ms)
{
	CURL *c = h->curl;

	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, left_ms);
	(void)curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
	if (q->form) {
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->form);
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)strlen(q->form));
	}
	CURLcode code = curl_easy_setopt(c, CURLOPT_URL, q->url);

	if (code == CURLE_OK)
		code = curl_easy_setopt(c, CURLOPT_USERNAME, q->user);
	if (code == CURLE_OK)
		code = curl_easy_setopt(c, CURLOPT_PASSWORD, q->passwd);
	if (code == CURLE_OK)
		code = curl_easy_perform(c);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, NULL);
	(void)curl_easy_setopt(c, CURLOPT_PASSWORD, NULL);
	return code;
}

static bool is_for_the_operator(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
	       code == CURLE_UNSUPPORTED_PROTOCOL;
}

static enum err status_means(struct http *h, const char *url, struct why *why)
{
	long status = 0;

	(void)curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return OK;
	bool passes = status >= 500 || status == 429 || status == 408;

	return fail(why, passes ? ERR_TEMP : ERR_PERM, "%s: HTTP status %ld%s", url, status,
		    status == 401 || status == 403 ? ": see client-id and client-secret" : "");
}

enum err http_ask(struct http *h, const struct http_request *q, struct slice *body, struct why *why)
{
	uint64_t now = clock_ms();

	if (now >= q->deadline_ms)
		return fail(why, ERR_TEMP, "%s: too late to ask", q->url);
	h->body_n = 0;
	h->too_long = false;
	CURLcode code = ask(h, q, (long)(q->deadline_ms - now));

	if (h->too_long)
		return fail(why, ERR_PERM, "%s: the answer is longer than %d octets", q->url, BODY_MOST);
	if (code != CURLE_OK)
		return fail(why, is_for_the_operator(code) ? ERR_PERM : ERR_TEMP, "%s: %s", q->url,
			    curl_easy_strerror(code));
	*body = (struct slice){h->body, h->body_n};
	return status_means(h, q->url, why);
}

/* --- the handle ---------------------------------------------------------------------------------------------------- */

static bool header_add(struct http *h, const char *line)
{
	struct curl_slist *more = curl_slist_append(h->headers, line);

	if (more)
		h->headers = more;
	return more;
}

static void settle(struct http *h, const struct conf_oauth *cf)
{
	CURL *c = h->curl;

	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https,http");
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	(void)curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	(void)curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(c, CURLOPT_CAINFO, cf->ca_file);
	(void)curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->headers);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
}

enum err http_open(struct http *h, const struct conf_oauth *cf, struct why *why)
{
	*h = (struct http){.body = malloc(BODY_MOST)};
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		h->curl = curl_easy_init();
	if (!h->body || !h->curl || !header_add(h, "Accept: application/json") || !header_add(h, "Expect:"))
		return fail(why, ERR_TEMP, "oauth: no memory");
	settle(h, cf);
	return OK;
}

void http_close(struct http *h)
{
	curl_easy_cleanup(h->curl);
	curl_slist_free_all(h->headers);
	if (h->body)
		explicit_bzero(h->body, BODY_MOST);
	free(h->body);
	*h = (struct http){0};
}
