/* tests/front/test_tls.c - TLS without a daemon: tickets while their keys change, a client that does not read, and one that
 * only changes its keys
 *
 * The client is OpenSSL's, at the other end of the socket pair, in this process: both sides go on in turns. */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/certificate.h"
#include "stage.h"

static int certificate = -1; /* the memfd */
static struct region keys;
static struct conf *conf; /* for its default priorities */
static SSL_CTX *ctx;

static X509 *certificate_new(EVP_PKEY *key)
{
	X509 *x = X509_new();

	check(x && X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), 1));
	check(X509_gmtime_adj(X509_getm_notBefore(x), 0) && X509_gmtime_adj(X509_getm_notAfter(x), 86400));
	check(X509_set_pubkey(x, key) && X509_sign(x, key, EVP_sha256()));
	return x;
}

static struct slice text_of(BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);

	return (struct slice){p, (size_t)n};
}

static int begin(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = certificate_new(key);
	BIO *chain = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN); /* OpenSSL's client writes to whoever is there */
	check(PEM_write_bio_X509(chain, x) && PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL));
	certificate = memfd_create("certificate", MFD_ALLOW_SEALING);
	const struct slice text[PEMS] = {[PEM_CHAIN] = text_of(chain), [PEM_KEY] = text_of(secret)};

	check(certificate_write(certificate, text, NULL) == OK);
	check(region_new(&keys, "keys", sizeof(struct tickets), NULL) == OK && tickets_rotate(&keys, NULL) == OK);
	BIO_free(chain);
	BIO_free(secret);
	X509_free(x);
	EVP_PKEY_free(key);
	conf = conf_default();
	ctx = SSL_CTX_new(TLS_client_method());
	return conf && ctx ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	SSL_CTX_free(ctx);
	conf_free(conf);
	region_free(&keys);
	close(certificate);
	return 0;
}

/* A front whose server begins with TLS. */
static void open_front(void)
{
	stage_open();
	stage.server.tls_mode = TLS_CONNECTION;
	stage.server.tls.priorities = conf->tls.priorities;
	stage.env.certs = &certificate;
	stage.env.tickets = region_map(&keys, false, 0, keys.size);
	check(stage.env.tickets && front_tls_open(&stage.front, NULL) == OK);
}

static void close_front(void)
{
	stage_close();
	munmap((void *)stage.env.tickets, keys.size);
}

/* Calls SSL_read until there is nothing, the front having its turns; what came is a C string. */
static const char *hear(SSL *ssl)
{
	static char heard[1 << 20];
	size_t len = 0;

	for (int idle = 0; idle < 3;) {
		int n = SSL_read(ssl, heard + len, (int)(sizeof heard - 1 - len));

		len += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		stage_run();
	}
	heard[len] = '\0';
	return heard;
}

static bool say(SSL *ssl, const char *text)
{
	int n = SSL_write(ssl, text, (int)strlen(text));

	stage_run();
	return n == (int)strlen(text);
}

/* A client of this version behind the greeting. The caller's: leave(). */
static SSL *come(int version, SSL_SESSION *session)
{
	SSL *ssl = SSL_new(ctx);
	int fd = stage_client();

	check(ssl && SSL_set_fd(ssl, fd) == 1);
	check(SSL_set_min_proto_version(ssl, version) == 1 && SSL_set_max_proto_version(ssl, version) == 1);
	check(!session || SSL_set_session(ssl, session) == 1);
	for (int tries = 0; SSL_connect(ssl) != 1; tries++) {
		check(tries < 100);
		stage_run();
	}
	check(strcmp(hear(ssl), "+OK POP3 Ready\r\n") == 0);
	return ssl;
}

static void leave(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	(void)SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
	stage_run();
}

/* A ticket is good for as long as its key is, in a front that was there before and in one that comes behind. */
static void test_keys_of_tickets_change(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t v = 0; v < TABLE_ROWS(versions); v++)
		for (unsigned changes = 0; changes < TICKETS_ACCEPTED + 2; changes++)
			for (int another = 0; another < 2; another++) {
				open_front();
				SSL *ssl = come(versions[v], NULL);
				SSL_SESSION *session = SSL_get1_session(ssl);

				check_row(v, "new", !SSL_session_reused(ssl) && SSL_SESSION_has_ticket(session));
				leave(ssl);
				for (unsigned i = 0; i < changes; i++)
					check(tickets_rotate(&keys, NULL) == OK);
				if (another) {
					close_front();
					open_front();
				}
				ssl = come(versions[v], session);
				check_row(changes, "resumed", SSL_session_reused(ssl) == (changes < TICKETS_ACCEPTED));
				leave(ssl);
				SSL_SESSION_free(session);
				close_front();
			}
}

/* QUIT behind DELE, and the client does not read: records that wait in the front are not acknowledged, nothing is deleted.
 * When all was read, it is. */
static void test_nothing_is_deleted_before_all_is_acknowledged(void **state)
{
	static char large[700000];

	(void)state;
	memset(large, 'x', sizeof large - 1);
	for (size_t i = 70; i < sizeof large - 1; i += 71)
		large[i] = '\n';
	open_front();
	stage.message[0] = large;
	stage.messages = 1;
	stage.how = HOW_SEALED;
	SSL *ssl = come(TLS1_3_VERSION, NULL);

	check(say(ssl, "USER bob@example.test\r\nPASS good\r\n"));
	(void)hear(ssl);
	check(say(ssl, "RETR 1\r\nDELE 1\r\nQUIT\r\n"));
	for (int i = 0; i < 20; i++)
		stage_run();
	check(stage.commits == 0);
	const char *all = hear(ssl), *told = strstr(all, "\r\n.\r\n+OK Message 1 marked\r\n");
	bool committed = told && strstr(told, "marked\r\n+OK\r\n"); /* on a busy machine that comes already */

	check(strlen(all) > sizeof large && told);
	for (int turn = 0; turn < 100 && stage.front.sessions; turn++)
		ev_run(stage.loop, EVRUN_ONCE);
	check(stage.commits == 1 && strcmp(hear(ssl), committed ? "" : "+OK\r\n") == 0);
	check(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN);
	leave(ssl);
	close_front();
}

/* Each request for new keys makes the front answer. It stops reading when the client does not read its answers, holds one buffer, and
 * goes on when it does. */
static void test_flood_of_key_updates(void **state)
{
	unsigned asked = 0;

	(void)state;
	open_front();
	SSL *ssl = come(TLS1_3_VERSION, NULL);

	while (!stage.front.sessions->blocked && ++asked < 100000) {
		check(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1);
		stage_run();
	}
	check(asked > 100 && stage.front.sessions->blocked);
	check(stage.front.sessions->tls.out.cap == stage.front.records.octets);
	(void)hear(ssl);
	check(!stage.front.sessions->blocked && say(ssl, "NOOP\r\n"));
	check(strcmp(hear(ssl), "+OK\r\n") == 0);
	leave(ssl);
	close_front();
}

/* New keys of the client's, thousands of them at once: the front takes a part in each turn, so others have theirs. */
static void test_key_updates_leave_others_their_turn(void **state)
{
	int left = 0;
	char *p;

	(void)state;
	open_front();
	SSL *ssl = come(TLS1_3_VERSION, NULL);
	int fd = SSL_get_fd(ssl), front = stage.front.sessions->io.fd;
	BIO *flood = BIO_new(BIO_s_mem());

	check(flood && BIO_up_ref(flood));
	SSL_set0_wbio(ssl, flood);
	for (int i = 0; i < 4000; i++)
		check(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1);
	long octets = BIO_get_mem_data(flood, &p);

	check(octets > 100000 && send(fd, p, (size_t)octets, 0) == octets);
	ev_run(stage.loop, EVRUN_NOWAIT);
	check(ioctl(front, FIONREAD, &left) == 0 && left > 0 && left < octets);
	stage_run();
	check(ioctl(front, FIONREAD, &left) == 0 && left == 0);
	SSL_set0_wbio(ssl, BIO_new_socket(fd, BIO_NOCLOSE));
	check(say(ssl, "NOOP\r\n") && strcmp(hear(ssl), "+OK\r\n") == 0);
	BIO_free(flood);
	leave(ssl);
	close_front();
}

/* Between two commands a session holds no buffer for records. */
static void test_idle_holds_no_buffer(void **state)
{
	(void)state;
	open_front();
	SSL *ssl = come(TLS1_3_VERSION, NULL);
	const struct session *s = stage.front.sessions;

	check(say(ssl, "NOOP\r\n") && !s->tls.out.p && !s->out.p && !s->in_kept);
	check(strcmp(hear(ssl), "+OK\r\n") == 0);
	leave(ssl);
	check(!stage.front.sessions);
	close_front();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_of_tickets_change),
		cmocka_unit_test(test_nothing_is_deleted_before_all_is_acknowledged),
		cmocka_unit_test(test_flood_of_key_updates),
		cmocka_unit_test(test_key_updates_leave_others_their_turn),
		cmocka_unit_test(test_idle_holds_no_buffer),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
