/* conf/statements.c - the table of statements (statements.h) */
#include "conf/statements.h"

#include <string.h>
#include <syslog.h>

#include "base/slice.h"

#define WORDS(name, error, ...)                                                                                        \
	static const struct word name##_word[] = {__VA_ARGS__, {NULL, 0}};                                             \
	static const struct words name = {error, name##_word}

WORDS(run_modes, "unknown daemon mode", {"inetd", MODE_INETD}, {"interactive", MODE_INETD}, {"daemon", MODE_DAEMON});
WORDS(tls_modes, "not a valid tls keyword: %s", {"no", TLS_NO}, {"false", TLS_NO}, {"off", TLS_NO}, {"0", TLS_NO},
      {"ondemand", TLS_ONDEMAND}, {"stls", TLS_ONDEMAND}, {"required", TLS_REQUIRED}, {"connection", TLS_CONNECTION},
      {"yes", TLS_CONNECTION}, {"true", TLS_CONNECTION}, {"on", TLS_CONNECTION}, {"1", TLS_CONNECTION});
WORDS(client_certificates, "invalid argument: %s", {"ask", CLIENT_CERT_ASK}, {"require", CLIENT_CERT_REQUIRE},
      {"no", CLIENT_CERT_NO});
WORDS(client_names, "invalid argument: %s", {"email", CLIENT_NAME_EMAIL}, {"cn", CLIENT_NAME_CN});
WORDS(plaintext_words, "invalid argument: %s", {"yes", PLAINTEXT_YES}, {"tls", PLAINTEXT_TLS}, {"no", PLAINTEXT_NO});
WORDS(expire_marks, "invalid argument: %s", {"header", EXPIRE_HEADER}, {"index", EXPIRE_INDEX});
WORDS(quotings, "invalid argument: %s", {"mboxrd", QUOTING_MBOXRD}, {"mboxo", QUOTING_MBOXO}, {"none", QUOTING_NONE});
WORDS(mailbox_types, "invalid mailbox type: %s", {"mbox", 0}, {"maildir", 0}, {"mh", 0}, {"dotmail", 0});
WORDS(index_words, "invalid argument: %s", {"auto", 0}, {"off", 0});
WORDS(uidl_formats, "invalid argument: %s", {"auto", 0}, {"mailutils", 0}, {"dovecot", 0}, {"courier", 0}, {"cyrus", 0},
      {"basename", 0}, {"md5-header", 0});
WORDS(accuracies, "conversion failed: Invalid argument", {"auto", ACCURACY_AUTO}, {"fast", ACCURACY_FAST},
      {"minimal", ACCURACY_MINIMAL}, {"default", ACCURACY_DEFAULT});
WORDS(lock_types, "unrecognized locker type: %s", {"default", LOCK_DOTLOCK}, {"dotlock", LOCK_DOTLOCK},
      {"external", LOCK_EXTERNAL}, {"kernel", LOCK_KERNEL}, {"null", LOCK_NULL});
WORDS(sql_interfaces, "unknown SQL interface `%s'", {"mysql", SQL_MYSQL}, {"odbc", SQL_ODBC},
      {"postgres", SQL_POSTGRES}, {"sqlite", SQL_SQLITE});
WORDS(sql_passwords, "unrecognized password encryption", {"plain", SQL_PLAIN}, {"hash", SQL_HASH}, {"crypt", SQL_CRYPT},
      {"scrambled", SQL_SCRAMBLED});
WORDS(severities, "unknown severity `%s'", {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"notice", LOG_NOTICE},
      {"warning", LOG_WARNING}, {"error", LOG_ERR}, {"crit", LOG_CRIT}, {"alert", LOG_ALERT}, {"emerg", LOG_EMERG});
WORDS(facilities, "unknown syslog facility `%s'", {"user", LOG_USER}, {"daemon", LOG_DAEMON}, {"auth", LOG_AUTH},
      {"authpriv", LOG_AUTHPRIV}, {"mail", LOG_MAIL}, {"cron", LOG_CRON}, {"local0", LOG_LOCAL0},
      {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
      {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7});
WORDS(principal_names, "invalid argument: %s", {"local", PRINCIPAL_LOCAL}, {"full", PRINCIPAL_FULL});
WORDS(bulletin_words, "invalid argument: %s", {"all", BULLETINS_ALL}, {"none", BULLETINS_NONE},
      {"since", BULLETINS_SINCE});

/* The member's C type picks the kind; AS says it where one type has several. */
#define FIELD(type, m)                                                                                                 \
	.kind = _Generic(((type *)0)->m,                                                                               \
		bool: KIND_BOOL,                                                                                       \
		uint32_t: KIND_NUMBER,                                                                                 \
		struct seconds: KIND_TIME,                                                                             \
		const char *: KIND_STRING,                                                                             \
		struct conf_port: KIND_PORT,                                                                           \
		struct conf_owner: KIND_OWNER,                                                                         \
		struct conf_checks: KIND_CHECKS,                                                                       \
		struct secret: KIND_SECRET,                                                                            \
		struct conf_map: KIND_MAP,                                                                             \
		struct conf_list: KIND_CHAIN,                                                                          \
		struct conf_debug: KIND_DEBUG,                                                                         \
		struct conf_acl: KIND_NETWORKS,                                                                         \
		struct conf_file: KIND_FILE,                                                                           \
		struct conf_priorities: KIND_PRIORITIES),                                                                      \
	.at = offsetof(type, m)
#define AS(k, type, m) .kind = (k), .at = offsetof(type, m)
#define TOP(m) FIELD(struct conf, m)
#define TOP_AS(k, m) AS(k, struct conf, m)
#define RANGE(low, high) .min = (low), .max = (high)

#define CHAIN_HELP                                                                                                     \
	"Names separated by colons, or a list; `clear' forgets the names before it. generic, system, pam, sql, "       \
	"virtdomain, radius, ldap."
#define CHECKS_HELP                                                                                                    \
	"A list, applied from left to right: none, all, gwrfil and awrfil (no file that group or others may write), "  \
	"grdfil and ardfil (nor read), linkwrdir (no link in a directory that group or others may write), gwrdir and " \
	"awrdir (no file in such a directory); `-' in front takes a check away."
#define MAP_HELP                                                                                                       \
	"A list of NAME=COLUMN, or such separated by colons; NAME is one of name, passwd, uid, gid, gecos, dir, "      \
	"shell, mailbox, quota."

enum { DAY = 86400, YEAR = 366 * DAY };

const struct statement statements[] = {
	{"", "mode", TOP_AS(KIND_WORD, mode), "mode", "inetd",
	 "One session on standard input and output, or a daemon that listens.", HONOURED,
	 "e2e/test_statements.py::test_mode", .words = &run_modes},
	{"", "foreground", TOP(foreground), "arg", "no", "As a daemon: stay with the terminal.", HONOURED,
	 "e2e/test_statements.py::test_foreground"},
	{"", "max-children", TOP(max_children), "number", NULL,
	 "Clients at the same time; those beyond wait for a place. 0: no limit. Unset: 10000, or what descriptors "
	 "allow.",
	 HONOURED, "e2e/test_limits.py::test_those_beyond_max_children_wait_in_order"},
	{"", "max-per-address", TOP(max_per_address), "number", "0",
	 "Clients at the same time from one address. 0: no limit.", HONOURED, "e2e/test_limits.py::test_per_address"},
	{"", "pidfile", TOP(pidfile), "file", NULL, "Store the process id of the daemon in this file.", HONOURED,
	 "e2e/test_config.py::test_pidfile"},
	{"", "port", TOP(port), "port", "110", "Port of servers that name none.", HONOURED,
	 "e2e/test_statements.py::test_port"},
	{"", "timeout", TOP(timeout), "time", "600",
	 "Close a connection that was idle for so long. 0: never. RFC 1939 wants at least ten minutes.", HONOURED,
	 "e2e/test_limits.py::test_idle_timeout", RANGE(0, YEAR)},
	{"", "login-timeout", TOP(login_timeout), "time", "60", "Time that a client has to log in.", HONOURED,
	 "e2e/test_limits.py::test_login_timeout", RANGE(1, YEAR)},
	{"", "client-wait", TOP(client_wait), "time", "10",
	 "How long a client may wait for a place before it is refused.", HONOURED,
	 "e2e/test_limits.py::test_waiting_ends_with_a_reason", RANGE(0, DAY)},
	{"", "acl-timeout", TOP(acl_timeout), "time", "20",
	 "How long a program of an access list may run, and how long a client may wait for its turn to be asked about.",
	 HONOURED, "e2e/test_programs.py::test_program_that_hangs", RANGE(1, DAY)},
	{"", "shutdown-timeout", TOP(shutdown_timeout), "time", "30",
	 "Time that sessions have to end when the daemon does.", HONOURED, "e2e/test_run.py::test_shutdown_timeout",
	 RANGE(0, DAY)},
	{"", "line-limit", TOP(line_limit), "octets", "1024", "Longest command line.", HONOURED,
	 "e2e/test_statements.py::test_line_limit", RANGE(255, 65536), .unit = "octets"},
	{"", "sasl-line-limit", TOP(sasl_line_limit), "octets", "12288", "Longest line within AUTH.", HONOURED,
	 "e2e/test_sasl.py::test_lines", RANGE(255, 128 * 1024), .unit = "octets"},
	{"", "output-buffer-size", TOP(output_buffer_size), "octets", "65536",
	 "Most that is kept for sending to one client.", HONOURED, "e2e/test_counts.py::test_output_buffer_size",
	 .unit = "octets"},
	{"", "front-user", TOP(front_user), "user", "_pop3d", "User that the processes in front of the network run as.",
	 HONOURED, "e2e/test_statements.py::test_users_of_the_roles"},
	{"", "auth-user", TOP(auth_user), "user", "_pop3auth", "User that look-ups run as where they need not be root.",
	 HONOURED, "e2e/test_statements.py::test_users_of_the_roles"},
	{"", "runtime-dir", TOP_AS(KIND_PATH, runtime_dir), "dir", NULL,
	 "Directory of the session locks. Unset: /run/pop3d, or without root $XDG_RUNTIME_DIR/pop3d.", HONOURED,
	 "e2e/test_statements.py::test_runtime_dir"},
	{"", "cache-dir", TOP_AS(KIND_PATH, cache_dir), "dir", NULL,
	 "Directory of the indexes that cannot be beside the mail. Unset: /var/cache/pop3d, or without root "
	 "$XDG_CACHE_HOME/pop3d.",
	 HONOURED, "e2e/test_statements.py::test_cache_dir"},
	{"", "state-dir", TOP_AS(KIND_PATH, state_dir), "dir", NULL,
	 "Directory of what must survive a power cut: journals of mailboxes that are being changed, and unique-ids. "
	 "Unset: "
	 "/var/lib/pop3d, or "
	 "without root $XDG_STATE_HOME/pop3d.",
	 HONOURED, "e2e/test_statements.py::test_state_dir"},
	{"", "transcript", TOP(transcript), "arg", "no",
	 "Log what client and server say, without passwords and mail, at severity debug. Servers may say otherwise for "
	 "themselves.",
	 HONOURED, "e2e/test_logs.py::test_transcript"},
	{"", "scan-lines", TOP(scan_lines), "arg", "no",
	 "Show a message's number of lines behind its octets in scan listings.", HONOURED,
	 "e2e/test_statements.py::test_scan_lines"},
	{"", "undelete", TOP(undelete), "arg", "no",
	 "At login, clear deletion marks that are stored with messages. Without it they stay and mean nothing.",
	 HONOURED, "e2e/test_marks.py::test_undelete"},
	{"", "expire", TOP(expire_days), "days", NULL,
	 "Days that a retrieved message may stay, for CAPA and for `delete-expired'; 0: none, what was retrieved whole "
	 "goes at QUIT. Unset: for ever. RETR and TOP mark messages as retrieved.",
	 HONOURED, "e2e/test_expire.py::test_capabilities", .unit = "days"},
	{"", "delete-expired", TOP(delete_expired), "arg", "no",
	 "Delete at QUIT what was first retrieved so many days ago as `expire' says; `expire 0' implies it.", HONOURED,
	 "e2e/test_expire.py::test_delete_expired"},
	{"", "expire-mark", TOP_AS(KIND_WORD, expire_mark), "arg", "header",
	 "Where the time of retrieval is kept: in a header of the message and the index, or in the index alone.",
	 HONOURED, "e2e/test_expire.py::test_headers", .words = &expire_marks},
	{"", "login-delay", TOP(login_delay), "time", "0",
	 "Refuse a login that follows the last one of this user sooner. 0: never.", HONOURED,
	 "e2e/test_login_delay.py::test_a_login_too_soon_is_refused", RANGE(0, YEAR)},
	{"", "login-delay-exempt", TOP(login_delay_exempt), "list", NULL,
	 "Clients with these addresses (192.0.2.1, 2001:db8::/32) may log in at any time, and their logins do not "
	 "count for others: a web "
	 "mailer, a monitor.",
	 HONOURED, "e2e/test_login_delay.py::test_addresses_that_are_exempt"},
	{"", "login-delay-per-user", TOP(login_delay_per_user), "arg", "no",
	 "A user whose record says login-delay=TIME among the parts of its gecos field (between commas) has that "
	 "delay: 0, none.",
	 HONOURED, "e2e/test_login_delay.py::test_a_delay_of_ones_own"},
	{"", "stat-file", TOP(stat_file), "file", "/var/run/pop3-login",
	 "Data base of the last logins: /PATH (gdbm), or SCHEME:///PATH with gdbm, lmdb or bdb. Where the default is "
	 "not there and "
	 "/var/run/pop3-login.db is, that one.",
	 HONOURED, "e2e/test_login_delay.py::test_stat_file"},
	{"", "bulletin-source", TOP(bulletin_source), "url", NULL, "Give each user the messages of this mailbox.",
	 HONOURED, "e2e/test_bulletins.py::test_source"},
	{"", "bulletin-db", TOP(bulletin_db), "file", NULL,
	 "Data base of the last bulletin that each user got: /PATH (gdbm), or SCHEME:///PATH with gdbm, lmdb or bdb. "
	 "Unset, or where it cannot be used: "
	 "~/.popbull.",
	 HONOURED, "e2e/test_bulletins.py::test_database"},
	{"", "bulletin-new-user", TOP_AS(KIND_BULLETIN_NEW, bulletin_new_user), "arg", "all",
	 "Bulletins for a user who got none before: all, none, or since \"YYYY-MM-DD\".", HONOURED,
	 "e2e/test_bulletins.py::test_new_user", .words = &bulletin_words},
	{"", "apop-database-file", TOP(apop_database_file), "file", "/etc/apop.db",
	 "Data base of secrets for APOP (popauth(8)): /PATH or gdbm, lmdb, text, bdb with ///PATH; behind it perhaps "
	 ";CHECKS. "
	 "Without the file there is no APOP.",
	 HONOURED, "e2e/test_apop.py::test_clients"},
	{"", "apop-database-owner", TOP(apop_database_owner), "user", NULL,
	 "Who must own it: a name or a number. Unset: the user that the daemon was started by.", HONOURED,
	 "e2e/test_apop.py::test_owner"},
	{"", "apop-database-safety", TOP(apop_database_safety), "list", "all",
	 "What must hold of it before it is used. " CHECKS_HELP, HONOURED, "e2e/test_apop.py::test_safety"},
	{"", "tls-mode", TOP_AS(KIND_WORD, tls_mode), "mode", NULL,
	 "For inetd mode, and servers that say nothing: no TLS, STLS offered (ondemand), STLS required, or TLS from "
	 "the "
	 "first octet (connection). Unset: ondemand where there is a certificate, else no.",
	 HONOURED, "e2e/test_tls.py::test_modes", .words = &tls_modes},

	{"tls", "ssl-certificate-file", FIELD(struct conf_tls, certificate_file), "file", NULL,
	 "Certificate chain in PEM, the server's own first.", HONOURED,
	 "e2e/test_tls.py::test_a_server_has_its_own_certificate"},
	{"tls", "ssl-key-file", FIELD(struct conf_tls, key_file), "file", NULL,
	 "Its private key in PEM, without a password. The same file may be named for both.", HONOURED,
	 "e2e/test_tls.py::test_a_server_has_its_own_certificate"},
	{"tls", "ssl-ca-file", FIELD(struct conf_tls, ca_file), "file", NULL,
	 "Authorities in PEM, to complete the chain that is sent.", HONOURED,
	 "e2e/test_tls.py::test_authorities_complete_the_chain"},
	{"tls", "client-ca-file", FIELD(struct conf_tls, client_ca_file), "file", NULL,
	 "Authorities in PEM that clients' certificates are verified with. With them clients are asked for one, and "
	 "EXTERNAL is "
	 "offered to those who have one.",
	 HONOURED, "e2e/test_external.py::test_external"},
	{"tls", "client-certificate", AS(KIND_WORD, struct conf_tls, client_certificate), "arg", "ask",
	 "Whether clients must have one: require refuses those without in the handshake.", HONOURED,
	 "e2e/test_external.py::test_required", .words = &client_certificates},
	{"tls", "client-name", AS(KIND_WORD, struct conf_tls, client_name), "arg", "email",
	 "Where a certificate has the user's name: the only rfc822Name among its alternative names (email), or the "
	 "only common "
	 "name (cn).",
	 HONOURED, "e2e/test_external.py::test_common_name", .words = &client_names},
	{"tls", "ssl-priorities", FIELD(struct conf_tls, priorities), "arg",
	 "PFS:+RSA:-CIPHER-ALL:+AES-128-GCM:+CIPHER-ALL:%SERVER_PRECEDENCE:%PRIORITIZE_CHACHA",
	 "Versions (1.2 and 1.3), ciphers, key exchanges, groups and signatures, as GnuTLS writes them; what OpenSSL "
	 "has no equal for is an error. The default is NORMAL in another order, which is kept whatever a client "
	 "prefers: "
	 "AES-128-GCM first, key exchange by RSA last; but a client that names CHACHA20-POLY1305 first gets it.",
	 HONOURED, "e2e/test_tls.py::test_order_of_ciphers"},
	{"tls", "handshake-timeout", FIELD(struct conf_tls, handshake_timeout_s), "seconds", "10",
	 "Time for a handshake, within login-timeout. 0: no other limit.", HONOURED,
	 "e2e/test_tls.py::test_handshake_timeout", RANGE(0, DAY), .unit = "seconds"},

	{"tls-file-checks", "key-file", TOP(tls_file_checks.key), "list", "gwrfil awrfil grdfil ardfil",
	 "What must hold of a private key's file. " CHECKS_HELP, HONOURED,
	 "e2e/test_certificates.py::test_file_checks"},
	{"tls-file-checks", "cert-file", TOP(tls_file_checks.cert), "list", "gwrfil awrfil",
	 "What must hold of a certificate's file.", HONOURED, "e2e/test_certificates.py::test_file_checks"},
	{"tls-file-checks", "ca-file", TOP(tls_file_checks.ca), "list", "gwrfil awrfil",
	 "What must hold of the authorities' file.", HONOURED, "e2e/test_certificates.py::test_file_checks"},

	{"server", "single-process", FIELD(struct conf_server, single_process), "arg", "no",
	 "For debugging: one process of each role, for all servers where one says so.", HONOURED,
	 "e2e/test_statements.py::test_single_process"},
	{"server", "transcript", FIELD(struct conf_server, transcript), "arg", NULL, "As the global statement.",
	 HONOURED, "e2e/test_logs.py::test_transcript_of_one_server"},
	{"server", "timeout", FIELD(struct conf_server, timeout), "time", NULL, "As the global statement.", HONOURED,
	 "e2e/test_limits.py::test_timeout_of_a_server_wins", RANGE(0, YEAR)},
	{"server", "backlog", FIELD(struct conf_server, backlog), "number", "512",
	 "Clients that may wait for a place, and connections that may wait to be accepted, of these at least 4096.",
	 HONOURED, "e2e/test_limits.py::test_waiting_is_bounded_by_backlog_and_logged_once", RANGE(1, INT32_MAX),
	 .says = "invalid argument"},
	{"server", "tls-mode", AS(KIND_WORD, struct conf_server, tls_mode), "mode", NULL, "As the global statement.",
	 HONOURED, "e2e/test_tls.py::test_modes", .words = &tls_modes},

	{"acl", "allow", AS(KIND_ACL, struct conf_acl, rule), "[from] address", NULL,
	 "Allow connections from this address: any, an address, ADDRESS/BITS, ADDRESS/MASK, a host (all its addresses, "
	 "looked up at start). The first entry that decides wins; where none does, the list allows.",
	 HONOURED, "e2e/test_access.py::test_addresses"},
	{"acl", "deny", AS(KIND_ACL, struct conf_acl, rule), "[from] address", NULL,
	 "Deny them: the connection is closed without an octet.", HONOURED, "e2e/test_access.py::test_addresses"},
	{"acl", "log", AS(KIND_ACL, struct conf_acl, rule), "[from] address [text]", NULL,
	 "Log them, with this text: $aclno, $family, $address and $port are known. Decides nothing.", HONOURED,
	 "e2e/test_access.py::test_log"},
	{"acl", "exec", AS(KIND_ACL, struct conf_acl, rule), "[from] address program", NULL,
	 "Run this program, with its absolute path and its arguments, in which the same variables are known. Nobody "
	 "waits for "
	 "it, and it decides nothing.",
	 HONOURED, "e2e/test_programs.py::test_exec"},
	{"acl", "ifexec", AS(KIND_ACL, struct conf_acl, rule), "[from] address program", NULL,
	 "Run it, and allow when it ends with status 0; else, or when it cannot be run or takes too long, deny.",
	 HONOURED, "e2e/test_programs.py::test_ifexec"},

	{"tcp-wrappers", "enable", TOP(tcp_wrappers.enable), "arg", "yes",
	 "Ask the tables below, behind access lists. Without this block: no.", HONOURED,
	 "e2e/test_wrappers.py::test_statements"},
	{"tcp-wrappers", "daemon", TOP(tcp_wrappers.daemon), "name", NULL, "Name to look up. Unset: the program's.",
	 HONOURED, "e2e/test_wrappers.py::test_statements"},
	{"tcp-wrappers", "allow-table", TOP(tcp_wrappers.allow_table), "file", "/etc/hosts.allow",
	 "Who is allowed. A table that is not there is an empty one; one that cannot be read lets nobody in.", HONOURED,
	 "e2e/test_wrappers.py::test_statements"},
	{"tcp-wrappers", "deny-table", TOP(tcp_wrappers.deny_table), "file", "/etc/hosts.deny",
	 "Who is not, of those whom the other table does not mean.", HONOURED, "e2e/test_wrappers.py::test_statements"},

	{"mandatory-locking", "enable", TOP(mandatory_locking.enable), "arg", "yes",
	 "Hold the lock of the mailbox for the whole session, as Mailutils does, so that nothing is delivered "
	 "meanwhile: NAME.lock, or what locking says, and of "
	 "what has no such lock a file in lock-directory. Without this block: no.",
	 HONOURED, "e2e/test_mandatory_locking.py::test_held_for_the_session"},
	{"mandatory-locking", "lock-directory", TOP(mandatory_locking.lock_directory), "dir", "/var/lock/subsys/mail",
	 "Where Mailutils' sessions lock mailboxes that have no lock beside them; such locks are honoured. With enable "
	 "it is made where it is missing.",
	 HONOURED, "e2e/test_locks.py::test_session_of_mailutils"},

	{"mailbox", "mail-spool", TOP_AS(KIND_SPOOL, mailbox.pattern), "url", "/var/mail",
	 "Directory of the mailboxes: that of a user is VALUE/USER, or where VALUE ends in user=, VALUEUSER.", HONOURED,
	 "e2e/test_auth.py::test_record_without_home"},
	{"mailbox", "mailbox-pattern", TOP_AS(KIND_TEMPLATE, mailbox.pattern), "url", NULL,
	 "The mailbox of a user, with ${user} in it: a path whose format is found out, or SCHEME:PATH with the scheme "
	 "mbox, "
	 "maildir, mh, dotmail, or file. Behind a scheme ;type=index;param=2;user=${user} (or rev-index, hash) spreads "
	 "mailboxes "
	 "over directories. +PATH is a path in folder. Of this and mail-spool the later counts.",
	 HONOURED, "e2e/test_auth.py::test_record_without_home"},
	{"mailbox", "mailbox-type", TOP_AS(KIND_NAME, mailbox.mailbox_type), "scheme", "mbox",
	 "Format of a mailbox that is not there yet, or is an empty file.", HONOURED,
	 "e2e/test_statements.py::test_mailbox_type", .words = &mailbox_types},
	{"mailbox", "folder", TOP(mailbox.folder), "dir", "Mail",
	 "Where mailboxes lie whose names begin with + (or =): +x is x in this directory, which is relative to the "
	 "user's "
	 "home unless it begins with /.",
	 HONOURED, "e2e/test_system.py::test_folder"},
	{"mailbox", "autodetect-accuracy", TOP_AS(KIND_NUMBERED, mailbox.autodetect_accuracy), "n", "auto",
	 "How closely a file is looked at to find its format. fast (0): not at all, it is an mbox; minimal (1): its "
	 "beginning; default, and whatever is more: until "
	 "that is sure. auto: as MU_AUTODETECT_ACCURACY says.",
	 HONOURED, "e2e/test_statements.py::test_autodetect_accuracy", RANGE(0, INT32_MAX), .words = &accuracies},
	{"mailbox", "index", TOP_AS(KIND_PATH, mailbox.index), "where", "auto",
	 "Where scan listings are kept between sessions: beside the mail where that may be written, nowhere, or in "
	 "this "
	 "directory.",
	 HONOURED, "e2e/test_statements.py::test_index_directory", .words = &index_words},
	{"mailbox", "uidl-format", TOP_AS(KIND_UIDL_FORMAT, mailbox.uidl_format), "format", "auto",
	 "Unique-ids of messages that have none: our own (auto), or such as another server gives. What has been given "
	 "stays; popctl uidl import brings those of another server.",
	 HONOURED, "e2e/test_uidl_import.py::test_dovecot", .words = &uidl_formats},
	{"mailbox", "mbox-quoting", TOP_AS(KIND_WORD, mailbox.mbox_quoting), "arg", "mboxrd",
	 "How lines of an mbox that begin with `From ' are quoted: with one more > than they had (mboxrd), with one if "
	 "they had "
	 "none (mboxo), or not at all. Decides what is taken away when they are sent.",
	 HONOURED, "e2e/test_mbox.py::test_quoting", .words = &quotings},
	{"mailbox", "mh-backup", TOP(mailbox.mh_backup), "arg", "yes",
	 "What clients delete of an MH folder stays there under the name `,NUMBER', as with rmm(1) and Mailutils; no: "
	 "it is gone.",
	 HONOURED, "e2e/test_mh.py::test_backup"},
	{"mailbox", "update-flags", TOP(mailbox.update_flags), "arg", "no",
	 "At QUIT, mark messages as seen, those that were retrieved as read, and number them, as Mailutils does.",
	 HONOURED, "e2e/test_flags.py::test_flags"},
	{"mailbox", "session-takeover", TOP(mailbox.session_takeover), "arg", "no",
	 "A new session of a user, with the right password, ends the old one, which deletes nothing.", HONOURED,
	 "e2e/test_session_locks.py::test_takeover"},
	{"mailbox", "session-lock-wait", TOP(mailbox.session_lock_wait), "time", "5",
	 "How long a second session waits for the end of the first before it is refused. 0: half a second, in which a "
	 "process "
	 "lets go of what a client has been told is closed.",
	 HONOURED, "e2e/test_clients.py::test_session_lock_is_waited_for", RANGE(0, 600)},
	{"mailbox", "session-idle-worker", TOP(mailbox.session_idle_worker), "time", "30",
	 "How long a session does nothing before the process that has its mail open ends; another one goes on when it "
	 "is "
	 "needed. A session of a user who has no such process, and whose mail is as it was, begins without one. "
	 "0: each has one, and it stays.",
	 HONOURED, "e2e/test_parked.py::test_idle_sessions_have_no_workers", RANGE(0, 86400)},

	{"locking", "type", TOP_AS(KIND_WORD, locking.type), "type", "default",
	 "How deliverers are kept out of a mailbox in one file: NAME.lock and fcntl, or (external) a program and "
	 "fcntl, "
	 "or (kernel) fcntl alone, or (null) not at all.",
	 HONOURED, "e2e/test_locks.py::test_type_kernel", .words = &lock_types},
	{"locking", "retry-count", TOP(locking.retry_count), "number", "10",
	 "Attempts; 0: one. An external locker is told by -r, and makes them itself.", HONOURED,
	 "e2e/test_locks.py::test_retry_count", RANGE(0, INT32_MAX)},
	{"locking", "retry-sleep", TOP(locking.retry_sleep), "time", "1", "Time between two.", HONOURED,
	 "e2e/test_locks.py::test_retry_sleep", RANGE(0, DAY)},
	{"locking", "retry-timeout", TOP(locking.retry_sleep), "time", NULL, "The old name of retry-sleep.", HONOURED,
	 "e2e/test_locks.py::test_retry_sleep", RANGE(0, DAY)},
	{"locking", "expire-timeout", TOP(locking.expire_timeout), "time", "0",
	 "Locks older than this are removed. 0: never. An external locker is told the seconds by -f.", HONOURED,
	 "e2e/test_locks.py::test_expire_timeout", RANGE(0, YEAR)},
	{"locking", "external-locker", TOP(locking.external_locker), "program", "dotlock",
	 "Locker of type external: its path, or its name in one of the system's directories. It runs as the mail's "
	 "owner.",
	 HONOURED, "e2e/test_external_lock.py::test_calls"},
	{"locking", "external-locker-timeout", TOP(locking.external_timeout), "time", "60",
	 "How long the external locker may run, with all its attempts; then it is ended.", HONOURED,
	 "e2e/test_external_lock.py::test_program_that_hangs", RANGE(1, DAY)},
	{"locking", "pid-check", TOP(locking.pid_check), "arg", "yes",
	 "Remove locks of processes that are gone, those that hold no number, and those from before the machine was "
	 "started.",
	 HONOURED, "e2e/test_locks.py::test_pid_check"},
	{"locking", "flags", TOP_AS(KIND_LOCK_FLAGS, locking), "flags", NULL, "Deprecated: warned about and ignored.",
	 ACCEPTED},

	{"logging", "syslog", TOP(logging.syslog), "arg", "yes", "Log to the system's log; no: to standard error.",
	 HONOURED, "e2e/test_statements.py::test_syslog"},
	{"logging", "facility", TOP_AS(KIND_FACILITY, logging.facility), "facility", "mail",
	 "Facility of the system's log.", HONOURED, "e2e/test_statements.py::test_syslog", RANGE(0, 23),
	 .words = &facilities},
	{"logging", "severity", TOP_AS(KIND_WORD, logging.severity), "severity", "debug", "Drop lines below this.",
	 HONOURED, "e2e/test_statements.py::test_lines_of_the_log", .words = &severities},
	{"logging", "print-severity", TOP(logging.print_severity), "arg", "no", "Write the severity into each line.",
	 HONOURED, "e2e/test_statements.py::test_lines_of_the_log"},
	{"logging", "session-id", TOP(logging.session_id), "arg", "no", "Write the session's id into each line.",
	 HONOURED, "e2e/test_logs.py::test_session_id_in_all_processes"},
	{"logging", "tag", TOP(logging.tag), "name", NULL, "Begin lines with this name. Unset: the program's.",
	 HONOURED, "e2e/test_statements.py::test_lines_of_the_log"},
	{"logging", "compatible", TOP(logging.compatible), "arg", "no",
	 "Write lines as Mailutils does, where it has any.", HONOURED, "e2e/test_logs.py::test_compatible"},

	{"debug", "level", TOP(debug.level), "spec", NULL,
	 "What to log for debugging: CATEGORY[.LEVEL[,LEVEL]...][;...], `!' in front of a category or level takes it "
	 "away. Written at severity debug.",
	 HONOURED, "e2e/test_logs.py::test_debug_levels"},
	{"debug", "line-info", TOP(debug.line_info), "arg", "no", "Write places in the source into debugging lines.",
	 HONOURED, "e2e/test_logs.py::test_debug_line_info"},

	{"auth", "authorization", TOP(auth.authorization), "modules", "generic:system:pam:sql:virtdomain:radius:ldap",
	 "Who finds users, in this order. " CHAIN_HELP, HONOURED, "auth/test_chain.c::test_evaluation"},
	{"auth", "authentication", TOP(auth.authentication), "modules", "generic:system:pam:sql:virtdomain:radius:ldap",
	 "Who checks passwords, in this order. " CHAIN_HELP, HONOURED, "auth/test_chain.c::test_other_job"},
	{"auth", "min-uid", TOP(auth.min_uid), "uid", "1", "Users with a smaller uid cannot log in.", HONOURED,
	 "e2e/test_statements.py::test_min_uid", RANGE(0, UINT32_MAX - 1)},
	{"auth", "plaintext-login", TOP_AS(KIND_WORD, auth.plaintext_login), "arg", "yes",
	 "Whether passwords may come in the clear: yes, on an encrypted connection (tls), no.", HONOURED,
	 "e2e/test_tls.py::test_plaintext_login", .words = &plaintext_words},
	{"auth", "failure-delay", TOP(auth.failure_delay), "time", "2",
	 "Time from PASS to the refusal; grows to 15 seconds with each failure on a connection.", HONOURED,
	 "e2e/test_statements.py::test_failure_delay", RANGE(0, 15)},
	{"auth", "penalty", TOP(auth.penalty.enable), "arg", "yes",
	 "Let logins wait after several different wrong passwords from an address (of IPv6: a network of 64 bits) or "
	 "for a "
	 "user, 1, 2, 4 ... seconds. Half of them is forgotten every five minutes; the same wrong password again does "
	 "not "
	 "count.",
	 HONOURED, "e2e/test_penalty.py::test_off"},
	{"auth", "penalty-most", TOP(auth.penalty.most), "time", "15",
	 "The longest such time. Logins of one address wait one behind the other; those that would wait longer are "
	 "refused.",
	 HONOURED, "e2e/test_penalty.py::test_address", RANGE(1, 30)},
	{"auth", "penalty-exempt", TOP(auth.penalty.exempt), "list", "127.0.0.0/8 ::1",
	 "Addresses of web mailers and the like, behind which there are many clients: nothing is counted for the "
	 "address, and "
	 "still for the user. `none': all are counted. Repeated statements add up.",
	 HONOURED, "e2e/test_penalty.py::test_exempt"},
	{"auth", "lockout-failures", TOP(auth.lockout_failures), "number", "20",
	 "Different wrong passwords of an address, or for a user, behind which `lockout-time' begins.", HONOURED,
	 "e2e/test_penalty.py::test_lockout", RANGE(1, 4000)},
	{"auth", "lockout-time", TOP(auth.lockout_time), "time", "0",
	 "How long no login of this address, or of this user, is tried then, whatever the password. 0: this does not "
	 "happen.",
	 HONOURED, "e2e/test_penalty.py::test_lockout", RANGE(0, DAY)},
	{"auth", "apop-password-login", TOP(auth.apop_password_login), "arg", "no",
	 "Whether users with a secret for APOP may log in with USER and PASS, too.", HONOURED,
	 "e2e/test_apop.py::test_password_of_a_user_with_a_secret"},
	{"auth", "backend-processes", TOP(auth.backend_processes), "number", "4",
	 "Processes of each module that asks others (pam, sql, radius, ldap, oauth): so many look-ups at the same "
	 "time.",
	 HONOURED, "auth/test_pools.c::test_as_many_as_processes", RANGE(1, 64)},
	{"auth", "lookup-timeout", TOP(auth.lookup_timeout), "time", "5",
	 "How long an answer of such a module is waited for.", HONOURED, "auth/test_pools.c::test_deadline",
	 RANGE(1, 60)},
	{"auth.cache", "ttl", TOP(auth.cache.ttl), "time", "300",
	 "How long a password that was right is remembered (as a keyed hash). 0: not at all.", HONOURED,
	 "auth/test_cache.c::test_story", RANGE(0, DAY)},
	{"auth.cache", "negative-ttl", TOP(auth.cache.negative_ttl), "time", "30", "And one that was wrong.", HONOURED,
	 "auth/test_cache.c::test_story", RANGE(0, DAY)},
	{"auth.cache", "size", TOP(auth.cache.size), "number", "100000", "Passwords that are remembered.", HONOURED,
	 "auth/test_cache.c::test_guesses_displace_nobody", RANGE(1, 100000000)},

	{"virtdomain", "passwd-dir", TOP(virtdomain_dir), "dir", "/etc/domain",
	 "Directory of the virtual domains: a file like passwd(5) for each, of its name.", HONOURED,
	 "auth/test_chain.c::test_virtdomain"},
	{"virtdomain", "reverse-dns", TOP(virtdomain_reverse), "arg", "no",
	 "For a login name without a domain: also try the host name that name servers have for the address that the "
	 "client connected to, before that address itself. "
	 "Whoever answers for these addresses then chooses the domain. Names are looked up when the configuration is "
	 "read.",
	 HONOURED, "e2e/test_reverse_dns.py::test_reverse_dns"},

	{"pam", "service", TOP(pam.service), "name", "mailutils", "PAM service.", HONOURED,
	 "e2e/test_pam.py::test_no_service"},
	{"pam", "cache", TOP(pam.cache), "arg", "no", "Remember passwords that PAM found right.", HONOURED,
	 "e2e/test_pam.py::test_cache"},
	{"pam", "session", TOP(pam.session), "arg", "no",
	 "Open a session of PAM with each login, and close it at once: for modules that make home directories or write "
	 "down who came. The session of the client lives in another process.",
	 HONOURED, "e2e/test_pam.py::test_session"},

	{"sql", "interface", TOP_AS(KIND_WORD, sql.interface), "interface", NULL, "Kind of server.", HONOURED,
	 "e2e/test_sql.py::test_users", .words = &sql_interfaces},
	{"sql", "getpwnam", TOP_AS(KIND_TEMPLATE, sql.getpwnam), "query", NULL, "Finds a user by $user.", HONOURED,
	 "e2e/test_sql.py::test_users"},
	{"sql", "getpwuid", TOP_AS(KIND_TEMPLATE, sql.getpwuid), "query", NULL, "Finds a user by number, $user.",
	 HONOURED, "backend/sql/test_module.c::test_by_uid"},
	{"sql", "getpass", TOP_AS(KIND_TEMPLATE, sql.getpass), "query", NULL, "Gives the password of $user.", HONOURED,
	 "e2e/test_sql.py::test_users"},
	{"sql", "host", TOP(sql.host), "host", NULL, "The server; a name that begins with / is a socket.", HONOURED,
	 "e2e/test_sql.py::test_users"},
	{"sql", "user", TOP(sql.user), "user", NULL, "The server's user that asks.", HONOURED,
	 "e2e/test_sql.py::test_users"},
	{"sql", "passwd", TOP(sql.passwd), "password", NULL, "And that user's password.", HONOURED,
	 "e2e/test_sql.py::test_users"},
	{"sql", "port", TOP(sql.port), "port", NULL, "Port of the server.", HONOURED, "e2e/test_sql.py::test_silent"},
	{"sql", "db", TOP(sql.db), "name", NULL, "Data base.", HONOURED, "e2e/test_sql.py::test_users"},
	{"sql", "param", TOP(sql.param), "arg", NULL, "More, for the kind of server.", HONOURED,
	 "backend/sql/test_module.c::test_wrong_configurations"},
	{"sql", "password-encryption", TOP_AS(KIND_WORD, sql.password_encryption), "arg", "plain",
	 "What getpass gives: the password, its crypt(3) (hash or crypt), or MySQL's PASSWORD().", HONOURED,
	 "e2e/test_sql.py::test_encryption", .words = &sql_passwords},
	{"sql", "field-map", TOP(sql.field_map), "map", NULL, "Columns of getpwnam. " MAP_HELP, HONOURED,
	 "e2e/test_sql.py::test_field_map"},

	{"ldap", "enable", TOP(ldap.enable), "arg", "yes", "Ask LDAP. Without this section: no.", HONOURED,
	 "e2e/test_ldap.py::test_not_enabled"},
	{"ldap", "url", TOP(ldap.url), "url", NULL, "The server, or several with blanks between.", HONOURED,
	 "e2e/test_ldap.py::test_fail_over"},
	{"ldap", "base", TOP(ldap.base), "dn", NULL, "Where searches begin.", HONOURED,
	 "e2e/test_ldap.py::test_who_asks"},
	{"ldap", "binddn", TOP(ldap.binddn), "dn", NULL, "Who asks.", HONOURED, "e2e/test_ldap.py::test_who_asks"},
	{"ldap", "passwd", TOP(ldap.passwd), "password", NULL, "And that entry's password.", HONOURED,
	 "e2e/test_ldap.py::test_who_asks"},
	{"ldap", "tls", TOP(ldap.tls), "arg", "no", "StartTLS before anything is asked.", HONOURED,
	 "e2e/test_ldap.py::test_tls"},
	{"ldap", "verify-server", TOP(ldap.verify_server), "arg", "yes",
	 "Whether the server's certificate, and the host name in it, must be right. Without, whoever stands between "
	 "reads all passwords.",
	 HONOURED, "e2e/test_ldap.py::test_tls"},
	{"ldap", "ca-file", TOP_AS(KIND_PATH, ldap.ca_file), "file", "/etc/ssl/certs/ca-certificates.crt",
	 "Certificates of the authorities that may have signed the server's.", HONOURED, "e2e/test_ldap.py::test_tls"},
	{"ldap", "auth-bind", TOP(ldap.auth_bind), "arg", "no",
	 "Check passwords by binding as the entry found, instead of reading its userPassword.", HONOURED,
	 "e2e/test_ldap.py::test_bind"},
	{"ldap", "plain-passwords", TOP(ldap.plain_passwords), "arg", "no",
	 "Take a userPassword without a {SCHEME} for a password in the clear, instead of refusing it.", HONOURED,
	 "e2e/test_ldap.py::test_plain_passwords"},
	{"ldap", "cache", TOP(ldap.cache), "arg", "no", "With auth-bind: remember passwords that were right.", HONOURED,
	 "e2e/test_ldap.py::test_cache"},
	{"ldap", "debug", TOP(ldap.debug), "number", "0",
	 "What the library says while it works, at level debug: bits of ldap.conf(5)'s -d, but for what shows "
	 "passwords (2 and 16).",
	 HONOURED, "e2e/test_ldap.py::test_debug"},
	{"ldap", "field-map", TOP(ldap.field_map), "map",
	 "name=uid:passwd=userPassword:uid=uidNumber:gid=gidNumber:gecos=gecos:dir=homeDirectory:shell=loginShell",
	 "Attributes of a user. " MAP_HELP, HONOURED, "e2e/test_ldap.py::test_map_and_filter"},
	{"ldap", "getpwnam", TOP_AS(KIND_TEMPLATE, ldap.getpwnam), "filter",
	 "(&(objectClass=posixAccount) (uid=$user))", "Finds a user by $user.", HONOURED,
	 "e2e/test_ldap.py::test_map_and_filter"},
	{"ldap", "getpwuid", TOP_AS(KIND_TEMPLATE, ldap.getpwuid), "filter",
	 "(&(objectClass=posixAccount) (uidNumber=$user))", "Finds a user by number, $user.", HONOURED,
	 "backend/test_ldap.c::test_map"},

	{"radius", "directory", TOP(radius.directory), "dir", NULL, "Directory of the dictionaries.", HONOURED,
	 "e2e/test_radius.py::test_directory"},
	{"radius", "auth", TOP_AS(KIND_TEMPLATE, radius.auth), "request", NULL,
	 "Attributes that check a password, of $user and $passwd.", HONOURED, "e2e/test_radius.py::test_users"},
	{"radius", "getpwnam", TOP_AS(KIND_TEMPLATE, radius.getpwnam), "request", NULL,
	 "Attributes that find a user by $user.", HONOURED, "e2e/test_radius.py::test_users"},
	{"radius", "getpwuid", TOP_AS(KIND_TEMPLATE, radius.getpwuid), "request", NULL,
	 "Attributes that find a user by number, $user.", HONOURED, "backend/test_radius_server.c::test_lookup"},
	{"radius", "server", TOP_AS(KIND_SERVERS, radius.server), "host", NULL,
	 "HOST, HOST:PORT or [IPv6]:PORT; port 1812 where none is named. Several, in a list or by further statements: "
	 "the "
	 "one that answered last is asked, and the next where it does not answer.",
	 HONOURED, "e2e/test_radius.py::test_fail_over"},
	{"radius", "secret", TOP(radius.secret), "password", NULL, "Shared secret.", HONOURED,
	 "e2e/test_radius.py::test_users"},
	{"radius", "timeout", TOP(radius.timeout), "time", "2",
	 "Time to wait for an answer before the request is sent again.", HONOURED,
	 "e2e/test_radius.py::test_sent_again", RANGE(1, 60)},
	{"radius", "cache", TOP(radius.cache), "arg", "no", "Remember passwords that a server has accepted.", HONOURED,
	 "e2e/test_radius.py::test_cache"},
	{"radius", "require-message-authenticator", TOP(radius.require_message_authenticator), "arg", "yes",
	 "Believe only answers that are signed.", HONOURED, "e2e/test_radius.py::test_signatures_not_required"},

	{"oauth", "introspection-url", TOP(oauth.introspection_url), "url", NULL,
	 "Ask there whether a token is good (RFC 7662). https, or http to this machine.", HONOURED,
	 "e2e/test_oauth.py::test_introspection"},
	{"oauth", "client-id", TOP(oauth.client_id), "name", NULL, "Who asks.", HONOURED,
	 "e2e/test_oauth.py::test_introspection"},
	{"oauth", "client-secret", TOP(oauth.client_secret), "password", NULL, "And that client's secret.", HONOURED,
	 "e2e/test_oauth.py::test_introspection"},
	{"oauth", "jwks-url", TOP(oauth.jwks_url), "url", NULL,
	 "Keys that sign tokens (RFC 7517): tokens are JSON Web Tokens.", HONOURED, "e2e/test_oauth.py::test_new_key"},
	{"oauth", "jwks-file", TOP_AS(KIND_PATH, oauth.jwks_file), "file", NULL, "The same in a file.", HONOURED,
	 "e2e/test_oauth.py::test_signed"},
	{"oauth", "jwks-ttl", TOP(oauth.jwks_ttl), "time", "3600", "How long keys of jwks-url are kept.", HONOURED,
	 "backend/test_oauth.c::test_keyring", RANGE(1, DAY)},
	{"oauth", "issuer", TOP(oauth.issuer), "text", NULL, "Who must have made a token: its `iss'.", HONOURED,
	 "e2e/test_oauth.py::test_signed"},
	{"oauth", "audience", TOP(oauth.audience), "text", NULL, "For whom it must be: one of its `aud'.", HONOURED,
	 "e2e/test_oauth.py::test_signed"},
	{"oauth", "scope", TOP(oauth.scope), "text", NULL,
	 "What it must be good for: words, all of which are in its `scope'.", HONOURED,
	 "e2e/test_oauth.py::test_scope_and_claim"},
	{"oauth", "user-claim", TOP(oauth.user_claim), "name", "sub", "What in it names the user.", HONOURED,
	 "e2e/test_oauth.py::test_scope_and_claim"},
	{"oauth", "clock-skew", TOP(oauth.clock_skew), "time", "30", "How much the provider's clock may differ.",
	 HONOURED, "backend/test_oauth.c::test_claims", RANGE(0, 600)},
	{"oauth", "ca-file", TOP_AS(KIND_PATH, oauth.ca_file), "file", "/etc/ssl/certs/ca-certificates.crt",
	 "Certificates of the authorities that may have signed the provider's.", HONOURED,
	 "e2e/test_oauth.py::test_tls"},
	{"oauth", "openid-configuration", TOP(oauth.openid_configuration), "url", NULL,
	 "Told to clients whose token is refused: where they learn whom to ask for one (RFC 7628, section 3.2.2).",
	 HONOURED, "e2e/test_oauth.py::test_scope_and_claim"},

	{"gsasl", "enable", TOP(gsasl.enable), "arg", "yes", "Offer AUTH.", HONOURED,
	 "e2e/test_sasl.py::test_not_enabled"},
	{"gsasl", "cram-passwd", TOP_AS(KIND_PATH, gsasl.cram_passwd), "file", NULL,
	 "File of passwords for SCRAM, CRAM-MD5 and DIGEST-MD5: user, a tab, password or what SCRAM keeps of one.",
	 HONOURED, "e2e/test_sasl.py::test_stored_secrets"},
	{"gsasl", "stored-passwords", TOP(gsasl.stored_passwords), "arg", "no",
	 "Offer SCRAM and CRAM-MD5 to users whose password is in the chain in the clear, or as what SCRAM keeps of "
	 "one.",
	 HONOURED, "e2e/test_sasl_stored.py::test_chain"},
	{"gsasl", "scram-iterations", TOP(gsasl.scram_iterations), "number", NULL,
	 "Iterations of SCRAM where only a password is stored, or nothing. Unset: as in the first line of cram-passwd, "
	 "else 4096.",
	 HONOURED, "e2e/test_sasl_stored.py::test_iterations", RANGE(4096, 1000000)},
	{"gsasl", "digest-md5", TOP(gsasl.digest_md5), "arg", "no", "Offer DIGEST-MD5, which is obsolete, too.",
	 HONOURED, "e2e/test_sasl.py::test_digest_md5"},
	{"gsasl", "service", TOP(gsasl.service), "name", "pop", "Name of the service, as mechanisms know it.", HONOURED,
	 "e2e/test_sasl.py::test_digest_md5"},
	{"gsasl", "realm", TOP(gsasl.realm), "name", NULL,
	 "Realm of DIGEST-MD5 (unset: the host name), and of those who may use GSSAPI (unset: that of our key).",
	 HONOURED, "e2e/test_sasl.py::test_digest_md5"},
	{"gsasl", "hostname", TOP(gsasl.hostname), "name", NULL,
	 "Our name, as mechanisms know it. Unset: the system's.", HONOURED, "e2e/test_sasl.py::test_digest_md5"},
	{"gsasl", "keytab", TOP(gsasl.keytab), "file", NULL,
	 "Offer GSSAPI (Kerberos 5) with the key of SERVICE/HOSTNAME in this file.", HONOURED,
	 "e2e/test_gssapi.py::test_clients"},
	{"gsasl", "principal-name", TOP_AS(KIND_WORD, gsasl.principal_name), "arg", "local",
	 "Login name of alice@EXAMPLE.ORG: alice, or, with `full', alice@example.org.", HONOURED,
	 "e2e/test_gssapi.py::test_system_users", .words = &principal_names},
	{"gsasl", "anonymous-user", TOP(gsasl.anonymous_user), "name", NULL,
	 "Offer ANONYMOUS, and give its clients this user's maildrop.", HONOURED, "e2e/test_sasl.py::test_anonymous"},
};
const size_t statements_n = sizeof statements / sizeof statements[0];

const struct block blocks[] = {
	{"", "server", "server", 0, 0, "address[:port]",
	 "Listen at this address: IP, HOST, :PORT, \"[IPv6]:PORT\", inet://IP:PORT, unix:///PATH. As often as wanted."},
	{"", "tls", "tls", offsetof(struct conf, tls), offsetof(struct conf, tls.given), NULL,
	 "TLS, for inetd mode and servers that have no such block."},
	{"server", "tls", "tls", offsetof(struct conf_server, tls), offsetof(struct conf_server, tls.given), NULL,
	 "TLS of this server."},
	{"", "tls-file-checks", "tls-file-checks", 0, 0, NULL, "How safe files of TLS must be."},
	{"", "acl", "acl", offsetof(struct conf, acl), offsetof(struct conf, acl.given), NULL, "Who may connect."},
	{"server", "acl", "acl", offsetof(struct conf_server, acl), offsetof(struct conf_server, acl.given), NULL,
	 "Who may connect to this server; asked before the global list, and either may deny."},
	{"", "tcp-wrappers", "tcp-wrappers", 0, offsetof(struct conf, tcp_wrappers.given), NULL,
	 "Who may connect, as hosts_access(5) and hosts_options(5) say."},
	{"", "mandatory-locking", "mandatory-locking", 0, offsetof(struct conf, mandatory_locking.given), NULL,
	 "Mailutils' lock for whole sessions."},
	{"", "mailbox", "mailbox", 0, 0, NULL, "Where mail is, and in which form."},
	{"", "locking", "locking", 0, 0, NULL, "How deliverers are kept out."},
	{"", "logging", "logging", 0, 0, NULL, "Where lines for the operator go."},
	{"", "debug", "debug", 0, 0, NULL, "Lines for finding errors."},
	{"", "auth", "auth", 0, 0, NULL, "How users are found and passwords checked."},
	{"auth", "cache", "auth.cache", 0, 0, NULL, "Passwords that were checked lately."},
	{"", "virtdomain", "virtdomain", 0, 0, NULL, "Users of virtual domains."},
	{"", "pam", "pam", 0, offsetof(struct conf, pam.given), NULL, "Passwords that PAM checks."},
	{"", "sql", "sql", 0, offsetof(struct conf, sql.given), NULL, "Users in a data base."},
	{"", "ldap", "ldap", 0, offsetof(struct conf, ldap.given), NULL, "Users in a directory."},
	{"", "radius", "radius", 0, offsetof(struct conf, radius.given), NULL, "Users that a RADIUS server knows."},
	{"", "oauth", "oauth", 0, offsetof(struct conf, oauth.given), NULL,
	 "AUTH with tokens: OAUTHBEARER and XOAUTH2."},
	{"", "gsasl", "gsasl", 0, 0, NULL, "SASL."},
};
const size_t blocks_n = sizeof blocks / sizeof blocks[0];

const struct module modules[] = {
	{"generic", false, true, NULL},
	{"system", true, true, NULL},
	{"pam", false, true, NULL},
	{"sql", true, true, NULL},
	{"virtdomain", true, false, NULL},
	{"radius", true, true, NULL},
	{"ldap", true, true, NULL},
	{"virtual", true, false, "virtdomain"},
	{"virtdomains", true, false, "virtdomain"},
};
const size_t modules_n = sizeof modules / sizeof modules[0];

/* What imap4d, mda, sieve and the clients of Mailutils read from the same file. */
const char *const foreign_blocks[] = {"sieve", "mailer", "namespace", "deliver", "forward", "script", "quota", NULL};

const struct statement *statement_find(const char *group, const char *keyword)
{
	for (const struct statement *st = statements; st < statements + statements_n; st++)
		if (strcmp(st->keyword, keyword) == 0 && strcmp(st->group, group) == 0)
			return st;
	return NULL;
}

const struct block *block_find(const char *parent, const char *keyword)
{
	for (const struct block *b = blocks; b < blocks + blocks_n; b++)
		if (strcmp(b->keyword, keyword) == 0 && strcmp(b->parent, parent) == 0)
			return b;
	return NULL;
}

const struct module *module_find(struct slice name)
{
	for (const struct module *m = modules; m < modules + modules_n; m++)
		if (slice_eq(slice_str(m->name), name))
			return m;
	return NULL;
}

bool is_foreign_block(const char *keyword)
{
	for (const char *const *name = foreign_blocks; *name; name++)
		if (strcmp(*name, keyword) == 0)
			return true;
	return false;
}

const char *statement_path(char *dst, size_t cap, const char *block_path, const char *keyword)
{
	struct buf b = {.p = dst, .cap = cap - 1};

	if (*block_path) {
		buf_str(&b, block_path);
		buf_char(&b, '.');
	}
	buf_str(&b, keyword);
	dst[b.len] = '\0';
	return dst;
}
