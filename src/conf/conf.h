/* conf/conf.h - the configuration as the program uses it
 *
 * Filled by conf_load from files and --set through the table in statements.c; read-only from then on. All of it, strings
 * included, lives in one arena: conf_free ends it. An unset string is NULL. Values that depend on others (a server's
 * port and timeout) are resolved after everything was read, so that the order of statements does not matter. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/debug.h"
#include "base/secret.h"
#include "base/why.h"

enum run_mode { MODE_INETD, MODE_DAEMON };
enum tls_mode { TLS_UNSET, TLS_NO, TLS_ONDEMAND, TLS_REQUIRED, TLS_CONNECTION };
enum client_certificate { CLIENT_CERT_ASK, CLIENT_CERT_REQUIRE, CLIENT_CERT_NO };
enum client_name { CLIENT_NAME_EMAIL, CLIENT_NAME_CN };
enum plaintext_login { PLAINTEXT_YES, PLAINTEXT_TLS, PLAINTEXT_NO };

/* Strings in the order they were given. */
struct conf_list {
	const char **item;
	size_t n;
	bool given;       /* by the configuration; false: the default */
	const char *file; /* of a chain: where its last statement stands; NULL: given by --set, or not at all */
	unsigned line;
};
bool conf_list_has(const struct conf_list *l, const char *name);

/* A file, and the place that names it. */
struct conf_file {
	const char *path; /* NULL: none */
	const char *file; /* of the configuration; NULL: given by --set */
	unsigned line;
};

/* NAME=VALUE pairs in the order they were given; a name that comes again replaces the value. */
struct conf_map {
	struct conf_pair {
		const char *name, *value;
	} * pair;
	size_t n;
};

struct conf_port {
	uint16_t n;
	bool given;
};

/* What must hold of a file before it is trusted: the bits of checks that are made. */
enum conf_check {
	CHECK_GWRFIL = 1 << 0,    /* not writable by its group */
	CHECK_AWRFIL = 1 << 1,    /* not writable by others */
	CHECK_GRDFIL = 1 << 2,    /* not readable by its group */
	CHECK_ARDFIL = 1 << 3,    /* not readable by others */
	CHECK_LINKWRDIR = 1 << 4, /* no link in a directory that group or others may write */
	CHECK_GWRDIR = 1 << 5,    /* not in a directory that its group may write */
	CHECK_AWRDIR = 1 << 6,    /* not in a directory that others may write */
	CHECK_OWNER = 1 << 7,     /* owned by whom we expect */
	CHECK_ALL = (1 << 8) - 1
};
struct conf_checks {
	unsigned bits; /* of enum conf_check */
};

struct conf_owner {
	uid_t uid;
	bool given;
};

/* Categories of debugging: bit LEVEL (enum debug_level) of levels[CATEGORY]. */
enum { CONF_DEBUG_CATEGORIES = 31 };
struct conf_debug {
	uint16_t levels[CONF_DEBUG_CATEGORIES]; /* in the order of conf_debug_category */
};
extern const char *const conf_debug_category[CONF_DEBUG_CATEGORIES];

/* What a priority string of GnuTLS asks for, in the names that OpenSSL has for it, with colons between; "": none. The order
 * is that of the string. Made by priorities.c; never without a version, and something for each version that is there. */
struct conf_priorities {
	const char *text; /* as written */
	bool tls12, tls13;
	const char *ciphers;      /* of TLS 1.2 */
	const char *ciphersuites; /* of TLS 1.3 */
	const char *groups, *sigalgs;
	bool server_precedence; /* our order counts, not the client's */
	bool prioritize_chacha; /* but a client that names ChaCha20 first gets it: it has no instructions for AES */
	bool compat;            /* workarounds for old clients */
	bool no_tickets;
};

/* Appends what GnuTLS calls the cipher and MAC of a suite of OpenSSL: "AES-256-GCM-AEAD". Of one that none of the priorities can
 * give, its own name. */
void conf_gnutls_name(struct buf *out, const char *suite);

struct conf_tls {
	bool given; /* the block is there */
	const char *certificate_file, *key_file, *ca_file;
	const char *client_ca_file; /* NULL: clients are not asked for certificates */
	enum client_certificate client_certificate;
	enum client_name client_name;
	struct conf_priorities priorities;
	uint32_t handshake_timeout_s; /* 0: none but login-timeout */
};

enum acl_action { ACL_ALLOW, ACL_DENY, ACL_LOG, ACL_EXEC, ACL_IFEXEC, ACL_WRAPPERS };
struct conf_acl_rule {
	enum acl_action action;
	int family;          /* AF_INET, AF_INET6; AF_UNSPEC: any */
	uint8_t address[16]; /* in network order, the first 4 or 16; already masked */
	uint8_t mask[16];    /* a client matches when (its address & mask) == address */
	const char *text;    /* LOG: what to write; EXEC, IFEXEC: the program; else NULL. See acl_expand */
	const char **word;   /* EXEC, IFEXEC: the program and its arguments; WRAPPERS: see enum conf_wrappers */
	size_t words;
	unsigned number;  /* in its list, from 1 on; entries made of one host share it */
	const char *file; /* where it stands; NULL: given by --set */
	unsigned line;
};
/* Words of the entry that stands for TCP wrappers: what it is called in the log, and what it asks. */
enum conf_wrappers { WRAPPERS_NAME, WRAPPERS_DAEMON, WRAPPERS_ALLOW, WRAPPERS_DENY, WRAPPERS_WORDS };

struct conf_acl {
	bool given; /* the block is there: an empty list allows nobody less */
	struct conf_acl_rule *rule;
	size_t n;
};

struct conf_server {
	const char *label;            /* as written */
	struct sockaddr_storage addr; /* resolved; AF_INET, AF_INET6 (V6ONLY), AF_UNIX */
	socklen_t addr_len;
	uint32_t backlog; /* connections that may wait for a place; default 512 */
	struct seconds timeout;
	bool single_process, transcript;
	enum tls_mode tls_mode;
	const char *file; /* where the block stands; NULL: made by us or by --set */
	unsigned line;
	struct conf_tls tls; /* the global one when the block has none */
	struct conf_acl acl;
};

/* Connections that the kernel keeps until a front takes them. Fronts do that at once, so nobody waits there for a place: it is enough for a burst, whatever
 * `backlog' says. */
static inline uint32_t conf_server_queue(const struct conf_server *sv)
{
	static const uint32_t least = 4096;

	return sv->backlog > least ? sv->backlog : least;
}

/* Where passwd and shadow are: of the system, and of its users that libnss-extrausers brings. */
#define CONF_ETC "/etc"
#define CONF_EXTRAUSERS "/var/lib/extrausers"

struct conf_auth {
	struct conf_list authorization, authentication; /* module names, defaults filled in */
	uint32_t min_uid;
	enum plaintext_login plaintext_login;
	struct {
		struct seconds ttl, negative_ttl;
		uint32_t size; /* entries */
	} cache;
	struct seconds failure_delay;
	struct {
		bool enable;
		struct seconds most;
		struct conf_acl exempt; /* allow: each of them */
	} penalty;
	uint32_t lockout_failures;
	struct seconds lockout_time; /* 0: nobody is locked out */
	bool apop_password_login;
	uint32_t backend_processes; /* for each module that asks others (backend/backend.h) */
	struct seconds lookup_timeout;
};

/* What name servers call an address of ours. */
struct conf_local_name {
	struct address address;
	const char *name;
};

enum mbox_quoting { QUOTING_MBOXRD, QUOTING_MBOXO, QUOTING_NONE };
enum { ACCURACY_AUTO = -1, ACCURACY_FAST = 0, ACCURACY_MINIMAL = 1, ACCURACY_DEFAULT = 99 };

struct conf_mailbox {
	const char *pattern;      /* URL with ${user}: mailbox-pattern, or made of mail-spool, whichever came last */
	const char *mailbox_type; /* scheme for what does not exist yet: "mbox" */
	const char *folder;       /* directory of names with a + before them; relative to a home */
	const char *index;        /* "auto", "off" or a directory */
	const char *uidl_format;  /* "auto", "mailutils", "dovecot", "courier", "cyrus", "basename", "md5-header" */
	const char *uidl_pattern; /* of "dovecot" */
	enum mbox_quoting mbox_quoting;
	int autodetect_accuracy; /* ACCURACY_..., or another number; what MU_AUTODETECT_ACCURACY says where it is auto */
	bool mh_backup, update_flags, session_takeover;
	struct seconds session_lock_wait, session_idle_worker;
};

/* The names of mailboxes have a + before them (or a =): they lie in the users' folders. */
static inline bool conf_mailbox_in_folder(const struct conf_mailbox *m)
{
	return m->pattern[0] == '+' || m->pattern[0] == '=';
}

enum lock_type { LOCK_DOTLOCK, LOCK_KERNEL, LOCK_EXTERNAL, LOCK_NULL };
struct conf_locking {
	enum lock_type type;
	uint32_t retry_count;                       /* 0: try once */
	struct seconds retry_sleep, expire_timeout; /* expire_timeout 0: a lock never grows old */
	const char *external_locker;                /* a program: its path, or its name in PATH */
	struct seconds external_timeout;            /* that it may run */
	bool pid_check;
};

enum sql_interface { SQL_UNSET, SQL_MYSQL, SQL_ODBC, SQL_POSTGRES, SQL_SQLITE };
enum sql_password { SQL_PLAIN, SQL_HASH, SQL_CRYPT, SQL_SCRAMBLED };
struct conf_sql {
	bool given;
	enum sql_interface interface;
	const char *getpwnam, *getpwuid, *getpass, *host, *user, *db, *param;
	struct secret passwd;
	struct conf_port port;
	enum sql_password password_encryption;
	struct conf_map field_map;
};

struct conf_ldap {
	bool given, enable; /* enable: after reading, false where there is no section */
	const char *url, *base, *binddn, *getpwnam, *getpwuid, *ca_file;
	struct secret passwd;
	bool tls, verify_server;
	bool auth_bind;       /* passwords are checked by binding as the entry found */
	bool plain_passwords; /* userPassword without a scheme is a password in the clear */
	bool cache;           /* answers to auth_bind */
	uint32_t debug;
	struct conf_map field_map;
};

struct conf_radius {
	bool given;
	const char *directory, *auth, *getpwnam, *getpwuid;
	struct conf_list server; /* HOST, HOST:PORT, [IPv6]:PORT, in the order in which they are asked */
	struct secret secret;
	struct seconds timeout;
	bool require_message_authenticator, cache;
};

struct conf_oauth {
	bool given;
	const char *introspection_url, *client_id, *jwks_file, *jwks_url; /* who is asked, or what is looked into */
	const char *issuer, *audience, *scope, *user_claim;               /* what a token must say */
	const char *ca_file, *openid_configuration;
	struct secret client_secret;
	struct seconds clock_skew, jwks_ttl;
};

enum bulletin_new_user { BULLETINS_ALL, BULLETINS_NONE, BULLETINS_SINCE };
enum expire_mark { EXPIRE_HEADER, EXPIRE_INDEX };

struct conf {
	enum run_mode mode;
	bool foreground, transcript, undelete, delete_expired, scan_lines, single_process;
	uint32_t expire_days;  /* UINT32_MAX: never */
	uint32_t max_children; /* UINT32_MAX: not set; 0: no limit */
	const char *pidfile;
	struct seconds timeout, login_timeout, client_wait, acl_timeout, shutdown_timeout, login_delay;
	struct conf_acl login_delay_exempt; /* allow: each of them */
	bool login_delay_per_user;
	uint32_t line_limit, sasl_line_limit, max_per_address, output_buffer_size;
	const char *front_user, *auth_user;
	const char *runtime_dir, *cache_dir,
		*state_dir; /* "runtime-dir", "cache-dir", "state-dir"; NULL: the usual places (master/paths.h) */
	struct conf_server *servers;
	size_t nservers; /* at least one in daemon mode: the wildcard addresses when none is given */
	struct conf_auth auth;
	struct conf_mailbox mailbox;
	const char *virtdomain_dir;
	bool virtdomain_reverse;
	/* where virtdomain_reverse asks for them: of our addresses, as clients see them */
	struct conf_local_name *local_names;
	size_t nlocal_names;
	struct {
		bool syslog, print_severity, session_id;
		int severity, facility; /* of syslog.h */
		const char *tag;
		bool compatible; /* Mailutils' texts */
	} logging;

	struct conf_port port; /* of servers that name none */
	enum tls_mode tls_mode;
	struct conf_tls tls;
	struct {
		struct conf_checks key, cert, ca;
	} tls_file_checks;
	struct conf_acl acl;
	struct {
		bool given, enable;
		const char *daemon, *allow_table, *deny_table;
		struct conf_acl list; /* after reading: where it is enabled, one entry that asks the tables */
	} tcp_wrappers;
	struct conf_locking locking;
	struct {
		bool given, enable; /* enable: after reading, false where there is no block */
		const char *lock_directory;
	} mandatory_locking;
	struct {
		struct conf_debug level;
		bool line_info;
	} debug;
	enum expire_mark expire_mark;
	const char *stat_file, *bulletin_source, *bulletin_db, *apop_database_file;
	struct {
		enum bulletin_new_user which;
		int64_t since; /* seconds since 1970, midnight UTC */
	} bulletin_new_user;
	struct conf_owner apop_database_owner;
	struct conf_checks apop_database_safety;
	struct {
		bool given;
		const char *service;
		bool cache, session;
	} pam;
	struct conf_sql sql;
	struct conf_ldap ldap;
	struct conf_radius radius;
	struct conf_oauth oauth;
	struct {
		bool enable, digest_md5, stored_passwords;
		uint32_t scram_iterations; /* UINT32_MAX: as the file has them */
		const char *cram_passwd, *service, *realm, *hostname, *anonymous_user;
		struct conf_file keytab;
		enum principal_name { PRINCIPAL_LOCAL, PRINCIPAL_FULL } principal_name;
	} gsasl;

	struct arena *arena;
	void *priv; /* of src/conf: the parsed tree, notices */
};

/* There are bulletins, and a data base of their numbers. */
bool conf_numbers_bulletins(const struct conf *cf);

/* Something is kept of users from one login to the next. */
bool conf_keeps_state(const struct conf *cf);

/* Where the configuration comes from. Everything is borrowed for the time of conf_load. */
struct conf_source {
	const char *program;     /* `program' blocks and includes of directories are looked up by this name */
	const char *site_file;   /* read if it is there; NULL: none */
	const char *config_file; /* read instead of site_file, must be there; NULL: none */
	const char *const *set;  /* PATH=VALUE, in order, after the files */
	size_t nset;
	const char *include_dir; /* relative names of `include' start here; NULL: /etc */
	unsigned verbose;        /* 1: tell which files are read; 2: print the statements too */
	FILE *err;               /* where errors, warnings and that go; NULL: standard error */
};

/* Reads all that `src` names, tells every error on src->err, and on 0 gives the configuration in *out, to be freed with
 * conf_free. Otherwise the status to exit with: EX_CONFIG (78), 1 for an unknown module in a chain (as Mailutils), EX_OSERR
 * without memory. */
int conf_load(const struct conf_source *src, struct conf **out);

/* What would have been loaded from nothing: all defaults, no server. NULL: no memory. */
struct conf *conf_default(void);

/* Wipes the secrets and frees all. NULL is fine. */
void conf_free(struct conf *cf);

/* Wipes passwords of data bases, for roles that do not need them: the rest stays, and so do those of one block. NULL: none. */
void conf_wipe_secrets(struct conf *cf, const char *but);

/* Makes the servers of daemon mode where the configuration has none; for inetd mode one without an address, "<inetd>", instead of
 * all. After the command line, which decides the mode. 0, or EX_OSERR without memory. */
int conf_finish(struct conf *cf);

/* A statement that was given and may not do what was meant. */
struct conf_notice {
	const char *statement; /* its path, "server.acl" */
	const char *file;      /* NULL: given by --set */
	unsigned line;
	const char *says; /* what about it */
};
const struct conf_notice *conf_notices(const struct conf *cf, size_t *n);

/* "FILE:LINE: statement X ...", for the log; cut when too long. */
const char *conf_notice_text(const struct conf_notice *notice, char *dst, size_t cap);

/* Writes the template with its $variables and $(commands) expanded into `out` (`full` when it does not fit). Variables
 * that are not in `vars` are empty. What runs `$(shell COMMAND)` is the caller's: it appends what the command writes. */
struct conf_var {
	const char *name;
	struct slice value;
};
struct conf_shell {
	enum err (*run)(void *arg, struct slice command, struct buf *out, struct why *why);
	void *arg;
};
enum err conf_expand(struct buf *out, struct slice template, const struct conf_var *vars, size_t nvars,
		     const struct conf_shell *shell,
		     struct why *why); /* shell NULL: none is run, the expansion fails */

/* Single values, with the kind that the named statement has: the command line's options use them. */
enum err conf_facility(const char *word, int *out, struct why *why);
enum err conf_debug_spec(struct conf_debug *d, struct slice spec, struct why *why);

/* From the table: --config-help, the statements of pop3d.conf(5) in mdoc, and --show-config-options. */
void conf_help(FILE *f, const char *program);
void conf_man(FILE *f);
