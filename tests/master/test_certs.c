/* tests/master/test_certs.c - certificates from files to sealed memory: which are taken, what is said about the others, and that
 * no key passes through this process */
#include "master/certs.h"

#include <fcntl.h>
#include <ftw.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "ipc/certificate.h"

static char dir[] = "/tmp/certs-test-XXXXXX";
static struct conf *cf;
static struct conf_server servers[3];
static int said = -1; /* the log */

static void sh(const char *command)
{
	check_row(0, command, system(command) == 0); /* NOLINT(cert-env33-c): a text of ours */
}

/* An authority, one below it, and what they sign: new NAME, sign NAME BY OPTIONS. */
static const char make_files[] =
	"exec 2>/dev/null; set -e\n"
	"new() { openssl req \"$@\" -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes; }\n"
	"sign() { new -subj /CN=$1 -keyout $1.key | openssl x509 -req -CA $2.pem -CAkey $2.key -out $1.pem $3; }\n"
	"new -x509 -days 30 -subj /CN=ca -keyout ca.key -out ca.pem\n"
	"echo 'basicConstraints=critical,CA:TRUE' >ext\n"
	"sign sub ca '-days 30 -extfile ext'; sign server sub '-days 30'; sign old ca '-days -1'\n"
	"openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key\n"
	"openssl ec -in server.key -aes128 -passout pass:x -out locked.key\n"
	"cat server.pem server.key >both.pem; cat server.pem sub.pem >chain.pem\n"
	"(cat server.pem; head -3 sub.pem; echo -----END CERTIFICATE-----) >torn.pem\n"
	"echo nothing >junk.pem; : >empty.pem; head -c 1100000 /dev/zero >huge.pem; mkfifo fifo\n"
	"ln -s server.key link.key; mkdir open; chmod 777 open";

static int begin(void **state)
{
	(void)state;
	if (!mkdtemp(dir) || chdir(dir) != 0)
		return -1;
	sh(make_files);
	sh("chmod 600 *.key; chmod 644 *.pem");
	said = memfd_create("said", MFD_CLOEXEC);
	log_setup(&(struct log_setup){.fd = said, .severity = LOG_DEBUG, .tag = "t"});
	cf = conf_default();
	return said >= 0 && cf ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int end(void **state)
{
	(void)state;
	conf_free(cf);
	return chdir("/") == 0 ? nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) : -1;
}

static const char *what_was_said(void)
{
	static char text[4096];
	ssize_t n = pread(said, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	check(ftruncate(said, 0) == 0 && lseek(said, 0, SEEK_SET) == 0);
	return text;
}

static void set_server(size_t i, enum tls_mode mode, const char *cert, const char *key, const char *ca)
{
	servers[i] = (struct conf_server){
		.tls_mode = mode, .file = "f.conf", .line = (unsigned)i + 1, .tls = cf->tls, .addr_len = 2};
	servers[i].addr.ss_family = AF_UNIX;
	servers[i].tls.certificate_file = cert;
	servers[i].tls.key_file = key;
	servers[i].tls.ca_file = ca;
	cf->servers = servers;
	cf->nservers = i + 1;
}

/* The defaults of tls-file-checks are what conf_default says. */
static const struct {
	const char *cert, *key, *ca;
	int status;
	const char *said; /* a part of it */
} files[] = {
	{"server.pem", "server.key", NULL, EX_OK, ""},
	{"both.pem", "both.pem", NULL, EX_CONFIG, "both.pem: Group readable file"},
	{"chain.pem", "server.key", NULL, EX_OK, ""},
	{"server.pem", "server.key", "sub.pem", EX_OK, ""},
	{"server.pem", "link.key", NULL, EX_OK, ""},
	{"old.pem", "old.key", NULL, EX_OK, "old.pem: the certificate expired on 20"},
	{NULL, NULL, NULL, EX_CONFIG, "f.conf:1: server unix://: no certificate set; expected ssl-certificate-file"},
	{NULL, "server.key", NULL, EX_CONFIG, "no certificate set"},
	{"server.pem", NULL, NULL, EX_CONFIG, "f.conf:1: server unix://: no private key set; expected ssl-key-file"},
	{"none.pem", "server.key", NULL, EX_CONFIG, "t: none.pem: No such file or directory"},
	{"server.pem", "none.key", NULL, EX_CONFIG, "t: none.key: No such file or directory"},
	{"server.pem", "server.key", "none.pem", EX_CONFIG, "t: none.pem: No such file or directory"},
	{"none.pem", "no.key", NULL, EX_CONFIG, "none.pem: No such file or directory\nt: no.key: No such"}, /* both */
	{".", "server.key", NULL, EX_CONFIG, "t: .: not a regular file"},
	{"fifo", "server.key", NULL, EX_CONFIG, "t: fifo: not a regular file"},
	{"huge.pem", "server.key", NULL, EX_CONFIG, "t: huge.pem: longer than 1048576 octets"},
	{"junk.pem", "server.key", NULL, EX_CONFIG,
	 "f.conf:1: server unix://: no certificate in PEM: no start line (ssl-certificate-file junk.pem, "
	 "ssl-key-file server.key)"},
	{"empty.pem", "server.key", NULL, EX_CONFIG, "no certificate in PEM"},
	{"torn.pem", "server.key", NULL, EX_CONFIG, "a certificate of the chain is broken"},
	{"server.pem", "old.key", NULL, EX_CONFIG, "this private key is not that of the certificate"},
	{"server.pem", "rsa.key", NULL, EX_CONFIG, "this private key is not that of the certificate"},
	{"server.pem", "locked.key", NULL, EX_CONFIG, "no private key in PEM without a password"},
	{"server.pem", "server.key", "junk.pem", EX_CONFIG, "no certificate of an authority in PEM"},
};

static void test_files(void **state)
{
	struct certs c;

	(void)state;
	check(chmod("junk.pem", 0644) == 0);
	for (size_t i = 0; i < TABLE_ROWS(files); i++) {
		set_server(0, TLS_REQUIRED, files[i].cert, files[i].key, files[i].ca);
		int status = certs_load(&c, cf);
		const char *text = what_was_said();

		check_row(i, text, status == files[i].status);
		check_row(i, text, *files[i].said ? strstr(text, files[i].said) != NULL : *text == '\0');
		check_row(i, text, (c.n == 1) == (status == EX_OK));
		if (status == EX_OK) {
			const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
			struct why why = {""};
			SSL_CTX *ctx = certificate_open(c.fd[0], &servers[0].tls, &why);

			check_row(i, why.text, ctx);
			check_row(i, text, fcntl(c.fd[0], F_GET_SEALS) == seals);
			SSL_CTX_free(ctx);
		}
		check_row(i, text, certs_lint(cf) == status);
		(void)what_was_said();
		certs_free(&c);
	}
}

/* Every check, on each of the three files. */
static const struct {
	unsigned check;
	mode_t mode; /* of the file */
	const char *name, *said;
	bool is_owned;
} checks[] = {
	{CHECK_GWRFIL, 0620, "a", "Group writable file", true},
	{CHECK_AWRFIL, 0602, "a", "World writable file", true},
	{CHECK_GRDFIL, 0640, "a", "Group readable file", true},
	{CHECK_ARDFIL, 0604, "a", "World readable file", true},
	{CHECK_LINKWRDIR, 0600, "link", "Linked file in a group writable directory", true},
	{CHECK_GWRDIR, 0600, "a", "File in a group writable directory", true},
	{CHECK_AWRDIR, 0600, "a", "File in a world writable directory", true},
	{CHECK_OWNER, 0600, "a", "File owner mismatch", false},
};

static void set_mode(const char *path, mode_t mode, bool is_owned)
{
	struct stat st;

	check_row(0, path, stat(path, &st) == 0 && (st.st_mode & 07777) <= 0777 && chmod(path, mode) == 0);
	check_row(0, path, geteuid() != 0 || chown(path, is_owned ? 0 : 7, 0) == 0);
}

static void test_checks(void **state)
{
	struct conf_checks *const lists[PEMS] = {[PEM_CHAIN] = &cf->tls_file_checks.cert,
						 [PEM_KEY] = &cf->tls_file_checks.key,
						 [PEM_CA] = &cf->tls_file_checks.ca};
	struct conf_checks before[PEMS];
	struct certs c;

	(void)state;
	sh("cp server.pem open/chain-a; cp server.key open/key-a; cp ca.pem open/ca-a; cd open;"
	   "ln -s chain-a chain-link; ln -s key-a key-link; ln -s ca-a ca-link; chmod 600 *-a");
	for (enum pem p = PEM_CHAIN; p <= PEM_CA; p++)
		before[p] = *lists[p];
	for (size_t i = 0; i < TABLE_ROWS(checks); i++)
		for (enum pem p = PEM_CHAIN; p <= PEM_CA; p++) {
			static const char *const kinds[PEMS] = {"chain", "key", "ca"};
			char path[PEMS][32], text[160];

			if (!checks[i].is_owned && geteuid() != 0)
				continue;
			for (enum pem k = PEM_CHAIN; k <= PEM_CA; k++) {
				(void)snprintf(path[k], sizeof path[k], "open/%s-%s", kinds[k],
					       k == p ? checks[i].name : "a");
				set_mode(path[k], k == p ? checks[i].mode : 0600, k != p || checks[i].is_owned);
				lists[k]->bits = k == p ? CHECK_ALL & ~checks[i].check : 0;
			}
			/* All others but those that cannot hold here. */
			lists[p]->bits &= ~(unsigned)(CHECK_GWRDIR | CHECK_AWRDIR | CHECK_LINKWRDIR);
			set_server(0, TLS_ONDEMAND, path[PEM_CHAIN], path[PEM_KEY], path[PEM_CA]);
			check_row(i, path[p], certs_load(&c, cf) == EX_OK);
			certs_free(&c);
			lists[p]->bits = checks[i].check;
			(void)what_was_said();
			check_row(i, path[p], certs_load(&c, cf) == EX_CONFIG);
			(void)snprintf(text, sizeof text, "t: %s: %s\n", path[p], checks[i].said);
			check_row(i, path[p], strcmp(what_was_said(), text) == 0);
		}
	for (enum pem p = PEM_CHAIN; p <= PEM_CA; p++)
		*lists[p] = before[p];
}

/* Servers with the same files share what is read; those without TLS have nothing. */
static void test_sharing(void **state)
{
	struct certs c;

	(void)state;
	set_server(0, TLS_NO, "none.pem", NULL, NULL);
	check(certs_load(&c, cf) == EX_OK && c.n == 1 && c.fd[0] == -1);
	certs_free(&c);
	set_server(1, TLS_ONDEMAND, "server.pem", "server.key", NULL);
	set_server(2, TLS_CONNECTION, "server.pem", "server.key", NULL);
	check(certs_load(&c, cf) == EX_OK && c.n == 3 && c.fd[0] == -1 && c.fd[1] >= 0 && c.fd[1] == c.fd[2]);
	certs_free(&c);
	set_server(2, TLS_CONNECTION, "old.pem", "old.key", NULL);
	check(certs_load(&c, cf) == EX_OK && c.fd[1] != c.fd[2] && c.fd[2] >= 0);
	certs_free(&c);
	certs_free(&c);
	(void)what_was_said();
}

/* What is sent: the file's chain, completed by the authorities' file, the root left out. */
static void test_chain(void **state)
{
	static const struct {
		const char *cert, *ca;
		int sent; /* besides the server's own */
	} chains[] = {
		{"server.pem", NULL, 0},    {"chain.pem", NULL, 1},      {"server.pem", "sub.pem", 1},
		{"chain.pem", "ca.pem", 1}, {"server.pem", "ca.pem", 0},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(chains); i++) {
		STACK_OF(X509) *sent = NULL;
		struct certs c;

		set_server(0, TLS_ONDEMAND, chains[i].cert, "server.key", chains[i].ca);
		check_row(i, chains[i].cert, certs_load(&c, cf) == EX_OK);
		SSL_CTX *ctx = certificate_open(c.fd[0], &servers[0].tls, NULL);

		check_row(i, chains[i].cert, ctx && SSL_CTX_get0_chain_certs(ctx, &sent) == 1);
		check_row(i, chains[i].cert, (sent ? sk_X509_num(sent) : 0) == chains[i].sent);
		SSL_CTX_free(ctx);
		certs_free(&c);
	}
}

/* What is not a certificate's memory is refused, not believed. */
static void test_broken_memory(void **state)
{
	static const struct {
		size_t n;
		uint32_t octets[PEMS + 1];
	} broken[] = {
		{0, {0}},
		{8, {0}},
		{sizeof(uint32_t) * PEMS, {0}},
		{sizeof(uint32_t) * PEMS, {1, 0, 0, 0}},
		{sizeof(uint32_t) * (PEMS + 1), {4, UINT32_MAX, 2, 0, 0}},
		{sizeof(uint32_t) * (PEMS + 1), {2, 2, 0, 0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(broken); i++) {
		int fd = memfd_create("broken", 0);
		struct why why = {""};

		check(fd >= 0 && write(fd, broken[i].octets, broken[i].n) == (ssize_t)broken[i].n);
		check_row(i, why.text, !certificate_open(fd, &cf->tls, &why) && why.text[0]);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files), cmocka_unit_test(test_checks),        cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_chain), cmocka_unit_test(test_broken_memory),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
