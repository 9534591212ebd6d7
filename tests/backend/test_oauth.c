/* Tokens: signatures that others have made, what they claim, and keys that come over HTTP. */
#include "backend/oauth/claims.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/oauth/keyring.h"
#include "base/clock.h"
#include "check.h"
#include "oauth_tokens.h"

/* --- signatures ------------------------------------------------------------------------------------------------------ */

static void test_signatures(void **state)
{
	struct key_set set;
	struct why why = {""};

	(void)state;
	check(keys_read(&set, slice_str(key_set_text), &why) == OK &&
	      set.n == 6); /* without the small one and the secret */
	for (size_t i = 0; i < TABLE_ROWS(tokens); i++) {
		struct jwt t;
		enum err err = jwt_read(&t, slice_str(tokens[i].token), &why);
		int got = err == OK ? (int)jwt_verify(&t, &set) : REFUSED;

		check_row(i, tokens[i].what, got == tokens[i].verdict && (err == OK || err == ERR_AUTH));
		if (err == OK)
			jwt_free(&t);
	}
	keys_free(&set);
}

/* Any octet of the three parts that changes makes it another token. */
static void test_any_octet(void **state)
{
	struct key_set set;
	struct jwt t;
	char text[4096];
	size_t n = strlen(tokens[9].token); /* EdDSA, the shortest */

	(void)state;
	check(keys_read(&set, slice_str(key_set_text), NULL) == OK && n < sizeof text);
	for (size_t i = 0; i < n; i++) {
		memcpy(text, tokens[9].token, n);
		text[i] = text[i] == 'A' ? 'B' : 'A';
		if (jwt_read(&t, (struct slice){text, n}, NULL) != OK)
			continue;
		check_row(i, text, jwt_verify(&t, &set) != JWT_RIGHT);
		jwt_free(&t);
	}
	keys_free(&set);
}

static const struct {
	const char *text;
	size_t n; /* keys */
} sets[] = {
	{"", 0},
	{"{}", 0},
	{"[]", 0},
	{"{\"keys\": {}}", 0},
	{"{\"keys\": []}", 0},
	{"{\"keys\": [1, null, [], {}, \"x\"]}", 0},
	{"{\"keys\": [{\"kty\": \"oct\", \"k\": \"AAAA\"}]}", 0},
	{"{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": "
	 "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
	 1}, /* RFC 8037, A.2 */
	{"{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": "
	 "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR\"}]}",
	 0},
	{"{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"X25519\", \"x\": "
	 "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
	 0},
	{"{\"keys\": [{\"kty\": \"EC\", \"crv\": \"Ed25519\", \"x\": "
	 "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
	 0},
	/* RFC 7515, A.3, then not on the curve */
	{"{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\", "
	 "\"y\": \"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
	 1},
	{"{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\", "
	 "\"y\": \"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}]}",
	 0},
#define ED "\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
	{"{\"keys\": [{" ED ", \"use\": \"sig\", \"alg\": \"EdDSA\", \"key_ops\": [\"verify\"]}]}", 1},
	{"{\"keys\": [{" ED ", \"use\": \"enc\"}, {" ED ", \"alg\": \"ECDH-ES\"}, {" ED ", \"key_ops\": [\"sign\"]}]}",
	 0},
};

static void test_sets(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(sets); i++) {
		struct key_set set;
		enum err err = keys_read(&set, slice_str(sets[i].text), NULL);

		check_row(i, sets[i].text, set.n == sets[i].n && (err == OK) == (set.n > 0));
		keys_free(&set);
	}
}

/* RFC 7515, A.3: the signature of somebody else. */
static void test_rfc(void **state)
{
	static const char token[] =
		"eyJhbGciOiJFUzI1NiJ9."
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
		"cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
	struct key_set set;
	struct jwt t;

	(void)state;
	check(keys_read(&set, slice_str(sets[11].text), NULL) == OK);
	check(jwt_read(&t, slice_str(token), NULL) == OK && jwt_verify(&t, &set) == JWT_RIGHT);
	jwt_free(&t);
	keys_free(&set);
}

/* --- claims ---------------------------------------------------------------------------------------------------------- */

#define C "\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"alice\","
static const struct {
	const char *claims, *says; /* NULL: they are fine */
	bool told_too;             /* when the provider tells them, too */
} rows[] = {
	{"{" C "\"exp\":1000}", NULL, true},
	{"{" C "\"exp\":971}", NULL, true}, /* the skew is 30 */
	{"{" C "\"exp\":970}", "expired", true},
	{"{" C "\"exp\":0}", "expired", true},
	{"{" C "\"exp\":-1e300}", "expired", true},
	{"{" C "\"exp\":\"2000\"}", "until when", true},
	{"{" C "\"exp\":null}", "until when", true},
	{"{" C "\"x\":1}", "until when", false},
	{"{" C "\"exp\":2000.5,\"nbf\":1030}", NULL, true},
	{"{" C "\"exp\":2000,\"nbf\":1031}", "not good yet", true},
	{"{" C "\"exp\":2000,\"nbf\":true}", "until when", true},
	{"{\"iss\":\"j\",\"aud\":\"a\",\"sub\":\"alice\",\"exp\":2000}", "another issuer", true},
	{"{\"iss\":[\"i\"],\"aud\":\"a\",\"sub\":\"alice\",\"exp\":2000}", "another issuer", true},
	{"{\"aud\":\"a\",\"sub\":\"alice\",\"exp\":2000}", "another issuer", false},
	{"{\"iss\":\"i\",\"sub\":\"alice\",\"exp\":2000}", "somebody else", true},
	{"{\"iss\":\"i\",\"aud\":\"A\",\"sub\":\"alice\",\"exp\":2000}", "somebody else", true},
	{"{\"iss\":\"i\",\"aud\":[\"b\",\"a\"],\"sub\":\"alice\",\"exp\":2000}", NULL, true},
	{"{\"iss\":\"i\",\"aud\":[\"b\",1],\"sub\":\"alice\",\"exp\":2000}", "somebody else", true},
	{"{\"iss\":\"i\",\"aud\":[],\"sub\":\"alice\",\"exp\":2000}", "somebody else", true},
	{"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":2000}", "whose it is", true},
	{"{\"iss\":\"i\",\"aud\":\"a\",\"sub\":7,\"exp\":2000}", "whose it is", true},
	{"{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"\",\"exp\":2000}", "whose it is", true},
};

static const struct {
	const char *wanted, *given; /* given: a member of JSON */
	bool fine;
} scopes[] = {
	{"mail", "\"scope\":\"mail\"", true},
	{"mail", "\"scope\":\"a mail b\"", true},
	{"mail b", "\"scope\":\"b mail\"", true},
	{"mail  b", "\"scope\":\"b a\"", false},
	{"mail", "\"scope\":\"email mail2\"", false},
	{"mail", "\"scope\":[\"a\",\"mail\"]", true},
	{"mail", "\"scp\":[\"mail\"]", true},
	{"mail", "\"scp\":\"b mail\"", true},
	{"mail", "\"scope\":\"b\",\"scp\":\"mail\"", false},
	{"mail", "\"scope\":1", false},
	{"mail", "\"x\":1", false},
	{NULL, "\"x\":1", true},
};

static struct conf *conf(void)
{
	struct conf *cf = conf_default();

	assert_non_null(cf);
	cf->oauth.issuer = "i";
	cf->oauth.audience = "a";
	return cf;
}

static enum err claims(const struct conf *cf, const char *text, enum claims_of of, struct slice *user, struct why *why)
{
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	enum err err = claims_check(json, of, &cf->oauth, 1000, user, why);

	if (err == OK) /* while it is there */
		check(slice_eq(*user, SLICE("alice")));
	json_decref(json);
	return err;
}

static void test_claims(void **state)
{
	struct conf *cf = conf();
	struct slice user;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		struct why why = {""};
		enum err err = claims(cf, rows[i].claims, CLAIMS_SIGNED, &user, &why);

		check_row(i, rows[i].claims,
			  err == (rows[i].says ? ERR_AUTH : OK) && strstr(why.text, rows[i].says ? rows[i].says : ""));
		err = claims(cf, rows[i].claims, CLAIMS_TOLD, &user, &why);
		check_row(i, rows[i].claims, err == (rows[i].says && rows[i].told_too ? ERR_AUTH : OK));
	}
	cf->oauth.clock_skew.n = 0;
	check(claims(cf, rows[0].claims, CLAIMS_SIGNED, &user, NULL) == ERR_AUTH);
	conf_free(cf);
}

static void test_scopes(void **state)
{
	struct conf *cf = conf();
	struct slice user;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(scopes); i++) {
		char text[200];

		(void)snprintf(text, sizeof text, "{" C "\"exp\":2000,%s}", scopes[i].given);
		cf->oauth.scope = scopes[i].wanted;
		check_row(i, text, claims(cf, text, CLAIMS_SIGNED, &user, NULL) == (scopes[i].fine ? OK : ERR_AUTH));
	}
	conf_free(cf);
}

/* --- URLs and keys over HTTP ------------------------------------------------------------------------------------------ */

static const struct {
	const char *url;
	bool fine;
} urls[] = {
	{"https://login.example.org/introspect", true},
	{"http://127.0.0.1:8080/x", true},
	{"http://[::1]/x", true},
	{"http://localhost/x", true},
	{"http://login.example.org/introspect", false},
	{"http://127.0.0.1.example.org/", false},
	{"http://localhost@example.org/", false},
	{"https://user:secret@example.org/", false},
	{"ftp://127.0.0.1/", false},
	{"file:///etc/passwd", false},
	{"login.example.org", false},
	{"", false},
};

static void test_urls(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(urls); i++)
		check_row(i, urls[i].url, (http_url_check("jwks-url", urls[i].url, NULL) == OK) == urls[i].fine);
}

/* Answers each connection once. */
static struct {
	int fd;
	_Atomic(const char *) body; /* NULL: status 500 */
	atomic_uint asked;
} server;

static void *serve(void *arg)
{
	int fd;

	while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
		const char *body = server.body;
		char in[4096], out[8192];

		(void)read(fd, in, sizeof in); /* a small question comes at once */
		server.asked++;
		int n = snprintf(out, sizeof out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
				 body ? "200 OK" : "500 No", strlen(body ? body : ""), body ? body : "");
		(void)!write(fd, out, (size_t)n);
		(void)close(fd);
	}
	return arg;
}

#define NEW "{\"keys\": [{" ED ", \"kid\": \"new\"}]}"

/* Fetched once; for an unknown key once more, and then not for a while; when it is old; and kept while nobody answers. */
static void test_keyring(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	struct conf *cf = conf();
	struct http http;
	struct keyring k = {.conf = &cf->oauth, .http = &http};
	uint64_t deadline = clock_ms() + 20000;
	struct why why = {""};
	char url[64];
	pthread_t thread;

	(void)state;
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(bind(server.fd, (struct sockaddr *)&at, n) == 0 && listen(server.fd, 8) == 0);
	check(getsockname(server.fd, (struct sockaddr *)&at, &n) == 0);
	check(pthread_create(&thread, NULL, serve, NULL) == 0);
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(at.sin_port));
	cf->oauth.jwks_url = url;
	check(http_open(&http, &cf->oauth, &why) == OK);

	check(keyring_settle(&k, deadline, &why) == ERR_TEMP && server.asked == 1 &&
	      strstr(why.text, "500"));                                             /* no keys yet */
	check(keyring_settle(&k, deadline, &why) == ERR_TEMP && server.asked == 1); /* nor asked at once */
	server.body = key_set_text;
	k.again_ms = 0;
	check(keyring_settle(&k, deadline, &why) == OK && server.asked == 2 && k.set.n == 6);
	check(k.old_ms > clock_ms() + 3500 * 1000 && k.old_ms <= clock_ms() + 3600 * 1000);
	check(keyring_settle(&k, deadline, &why) == OK && server.asked == 2);

	check(keyring_again(&k, deadline, &why) == OK && server.asked == 3 && k.pause_s == 1);
	check(keyring_again(&k, deadline, &why) == ERR_AUTH && server.asked == 3);
	for (unsigned pause = 2; pause < 400; pause *= 2) {
		k.again_ms = 0;
		check(keyring_again(&k, deadline, &why) == OK && k.pause_s == (pause < 60 ? pause : 60));
	}
	server.body = NEW;
	k.again_ms = 0;
	check(keyring_again(&k, deadline, &why) == OK && k.set.n == 1 && strcmp(k.set.key[0].kid, "new") == 0);
	keyring_found(&k);
	check(k.pause_s == 0 && k.again_ms == 0);

	server.body = NULL;
	k.again_ms = 0;
	check(keyring_again(&k, deadline, &why) == ERR_TEMP && keyring_again(&k, deadline, &why) == ERR_TEMP);
	unsigned asked = server.asked;

	k.old_ms = k.again_ms = 0;
	check(keyring_settle(&k, deadline, &why) == OK && server.asked == asked + 1 && k.set.n == 1);
	k.again_ms = 0;
	server.body = key_set_text;
	check(keyring_settle(&k, deadline, &why) == OK && server.asked == asked + 2 && k.set.n == 6);

	check(shutdown(server.fd, SHUT_RDWR) == 0 && pthread_join(thread, NULL) == 0);
	(void)close(server.fd);
	keyring_close(&k);
	http_close(&http);
	conf_free(cf);
}

/* Read again when it is another one; trouble does not take the keys that were there. */
static void test_file(void **state)
{
	char path[] = "/tmp/poplar-keys-XXXXXX", next[sizeof path + 4];
	struct conf *cf = conf();
	struct keyring k = {.conf = &cf->oauth};
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	(void)state;
	cf->oauth.jwks_file = path;
	check(f && fputs(key_set_text, f) >= 0 && fclose(f) == 0);
	check(keyring_settle(&k, 0, NULL) == OK && k.set.n == 6);
	EVP_PKEY *first = k.set.key[0].pkey;

	check(keyring_settle(&k, 0, NULL) == OK && k.set.key[0].pkey == first);
	check(keyring_again(&k, 0, NULL) == ERR_AUTH);
	(void)snprintf(next, sizeof next, "%s.new", path);
	f = fopen(next, "w");
	check(f && fputs(NEW, f) >= 0 && fclose(f) == 0 && rename(next, path) == 0);
	check(keyring_settle(&k, 0, NULL) == OK && k.set.n == 1);
	f = fopen(next, "w");
	check(f && fputs("{}", f) >= 0 && fclose(f) == 0 && rename(next, path) == 0);
	check(keyring_settle(&k, 0, NULL) == ERR_PERM && k.set.n == 1);
	check(unlink(path) == 0 && keyring_settle(&k, 0, NULL) == ERR_PERM);
	keyring_close(&k);
	conf_free(cf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signatures), cmocka_unit_test(test_any_octet), cmocka_unit_test(test_sets),
		cmocka_unit_test(test_rfc),        cmocka_unit_test(test_claims),    cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_urls),       cmocka_unit_test(test_keyring),   cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
