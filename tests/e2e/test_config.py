"""Configuration files and the command line, from outside: what is accepted, what is said, with which status."""

import os
import re
import signal
import socket
import subprocess

import pytest

from pop3 import Pop3
from server import BINARY, wait_for


def lint(daemon, text, *options):
    daemon.config.write_text(text, encoding="utf-8")
    return daemon.run("--config-lint", *options)


# A site file as an administrator of Mailutils has it, with sections of its other programs.
MAILUTILS = """
# /etc/mailutils.conf
mailbox {
    mail-spool /var/mail;
    mailbox-type maildir;
};
mailbox { mailbox-pattern "maildir:/var/spool/mail;type=index;param=2;user=${user}"; }
locking { type dotlock; retry-count 5; retry-sleep 2; expire-timeout "10 minutes"; pid-check yes; }
logging { syslog yes; facility mail; severity info; session-id yes; tag "mupop"; }
debug { level "!all;mailbox.error"; line-info no; }
auth {
    authorization generic:system:pam;
    authentication generic:system:pam;
}
pam { service gnu-pop3d; }
virtdomain { passwd-dir /etc/domain; }
sql { interface mysql; host localhost; user mail; passwd "s;e\\"c"; db mail; password-encryption hash;
      field-map (name=user_name, passwd=user_pass); }
ldap { enable no; url "ldap://127.0.0.1"; base "dc=example,dc=org"; field-map "name=uid:passwd=userPassword"; }
tls-file-checks { key-file ("-grdfil", none); cert-file all; }
gsasl { cram-passwd /etc/cram; }
sieve { library-path /usr/lib/sieve; }
mailer { url "sendmail:/usr/sbin/sendmail"; }
mode daemon;
port 110; // comment
timeout "1 hour 30 minutes";
max-children 30;
pidfile /var/run/pop3d.pid;
/* a comment
   of two lines */
undelete no;
expire 7;
delete-expired yes;
scan-lines true;
output-buffer-size 65536;
bulletin-source mbox:/var/spool/bull/mbox;
bulletin-db /var/spool/bull/numbers.db;
server 127.0.0.1:1110 {
    transcript no;
    single-process no;
    timeout 600;
    backlog 8;
};
server "[::1]:1110" { };
program imap4d { whatever { nonsense "is not looked at"; } }
"""


def test_real_mailutils_configuration_is_accepted(daemon):
    result = lint(daemon, MAILUTILS)
    assert result.returncode == 0, result.stderr


ERRORS = [
    # text, what is said behind FILE:
    ("expir 3;", r"1\.1-\d+: .*expir\b.*expire"),
    ("timeout abc;", r"1\.\d+(-\d+)?: .*abc"),
    ("undelete YES;", r"1\.\d+(-\d+)?: "),
    ("\n\nmax-children -1;", r"3\.\d+(-\d+)?: "),
    ("max-children 1K;", r"1\.\d+(-\d+)?: "),
    ("mode sideways;", r"1\.\d+(-\d+)?: "),
    ("expire 3", r"\d+\.\d+(-\d+)?: .*syntax error"),
    ("auth { ", r"\d+\.\d+(-\d+)?: .*syntax error"),
    ("}", r"1\.1(-\d+)?: .*syntax error"),
    ("expire $x;", r"1\.8(-\d+)?: .*stray character"),
    ("expire (1, 2);", r"1\.\d+(-\d+)?: "),
    ("tls-mode sometimes;", r"1\.\d+(-\d+)?: .*sometimes"),
    ("include /nonexistent/file;", r"1\.\d+(-\d+)?: .*/nonexistent/file"),
    ("server { }", r"1\.\d+(-\d+)?: "),
    ("server 127.0.0.1:70000 { }", r"1\.\d+(-\d+)?: "),
    ("server ::1 { }", r"1\.\d+(-\d+)?: "),
    ("timeout 60s;", r"1\.\d+(-\d+)?: "),
]


@pytest.mark.parametrize("text,said", ERRORS, ids=[e[0].strip() for e in ERRORS])
def test_errors_name_their_place(daemon, text, said):
    result = lint(daemon, text)
    assert result.returncode == 78, result.stderr
    assert re.search(rf"pop3d: {re.escape(str(daemon.config))}:{said}", result.stderr), result.stderr


def test_all_errors_are_reported(daemon):
    result = lint(daemon, "expir 1;\ntimeout abc;\nundelete maybe;\n")
    assert [f":{n}." in result.stderr for n in (1, 2, 3)] == [True] * 3


FINE = ["", "# only a comment\n", "expire 0;", "timeout 0;", "timeout \"1 hour 30 minutes\";", "scan-lines on; undelete nil;",
        "server \"[::1]:0\" { backlog 1; };", "auth { authorization (generic, virtdomain); }",
        "auth { authentication virtual; authentication clear; authentication generic; }"]


@pytest.mark.parametrize("text", FINE)
def test_accepted(daemon, text):
    result = lint(daemon, text)
    assert result.returncode == 0, result.stderr


def test_not_half_configured(daemon):
    """An error in the file: the daemon does not start."""
    daemon.user()
    daemon.config.write_text(daemon.config_text() + "\nexpir 1;\n", encoding="utf-8")
    assert daemon.run().returncode == 78


def test_modules_that_nobody_set_up_refuse_to_start(daemon):
    daemon.user()
    daemon.config.write_text(daemon.config_text() + "auth { authorization sql; authentication sql; }\n", encoding="utf-8")
    result = daemon.run()
    assert result.returncode not in (0, None)
    assert str(daemon.config) + ":" in result.stderr, result.stderr


def test_what_may_not_be_meant_is_told_with_its_place(daemon):
    text = daemon.config_text() + "acl { deny 192.0.2.1; }\n"
    daemon.config.write_text(text, encoding="utf-8")
    line = text.split("deny 192")[0].count("\n") + 1
    result = daemon.run("--config-lint")
    assert result.returncode == 0 and f"{daemon.config}:{line}: statement acl allows those" in result.stderr, result.stderr


COMMANDS = [
    # options, status, said where
    (["--version"], 0, "stdout", r"pop3d \(.*\) \d"),
    (["--help"], 0, "stdout", "--config-lint"),
    (["--usage"], 0, "stdout", "--config-lint"),
    (["--config-help"], 0, "stdout", "login-delay"),
    (["--show-config-options"], 0, "stdout", "VERSION"),
    (["--no-such-option"], 64, "stderr", "no-such-option"),
    (["-dx"], 64, "stderr", "x"),
    (["--config"], 64, "stderr", "ambiguous"),
    (["--config-file=/nonexistent"], 78, "stderr", "/nonexistent"),
    (["operand"], 64, None, ""),
    (["--no-config", "--set", "expir=1"], 78, "stderr", "expir"),
    (["--no-config", "--config-lint", "--set", "expire=1"], 0, None, ""),
    (["--vers"], 0, "stdout", "pop3d"),
]


@pytest.mark.parametrize("options,status,where,said", COMMANDS, ids=[" ".join(c[0]) for c in COMMANDS])
def test_command_line(daemon, options, status, where, said):
    result = subprocess.run([daemon.binary, *options], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
                            env=daemon.environment())
    assert result.returncode == status, result.stderr
    if where:
        assert re.search(said, getattr(result, where)), result


@pytest.mark.parametrize("options,status,where,said", [
    (["--help"], 0, "stdout", "Usage: (.|\n)*auth test(.|\n)*penalties(.|\n)*uidl"),
    (["--version"], 0, "stdout", r"popctl \(Poplar\) \d"),
    (["--no-such-option"], 64, "stderr", "no-such-option(.|\n)*usage: "),
    ([], 64, "stderr", "usage: "),
])
def test_command_line_of_popctl(options, status, where, said):
    program = os.environ.get("POPCTL", BINARY.with_name("popctl"))
    result = subprocess.run([program, *options], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
    assert result.returncode == status and re.match(f".*?{said}", getattr(result, where)), result


def test_config_help_is_a_configuration(daemon):
    """Every statement of the summary is one that the parser knows."""
    text = daemon.run("--config-help").stdout
    for word in ("server", "virtdomain", "max-children", "client-wait", "login-timeout", "uidl-format"):
        assert re.search(rf"^\s*{word}\b", text, re.M), word


def test_set_wins_over_the_file(daemon):
    user = daemon.user()
    daemon.start(extra="max-children 1; client-wait 1;", options=["--set", "max-children=5"])
    clients = [daemon.connect() for _ in range(5)]
    clients[0].login(user)
    for c in clients:
        c.quit()


def test_port_in_use(daemon):
    """No address can be opened: status 1, and it says which and why."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        daemon.port = s.getsockname()[1]
        daemon.user()
        result = daemon.run()
    assert result.returncode == 1
    assert str(daemon.port) in result.stderr and "in use" in result.stderr


def test_pidfile(daemon):
    """Decimal, no newline, removed at the end; a second instance leaves the first one's alone."""
    pidfile = daemon.top / "run" / "pop3d.pid"
    daemon.user()
    daemon.start(extra=f'pidfile "{pidfile}";')
    assert wait_for(pidfile.exists) and pidfile.read_text() == str(daemon.process.pid)
    assert daemon.run().returncode == 1  # the port is in use
    assert pidfile.read_text() == str(daemon.process.pid)
    daemon.stop()
    assert not pidfile.exists()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signals_end_it(daemon, sig):
    user = daemon.user()
    user.deliver("Subject: a\n\nx\n")
    c = daemon.login(user)
    c.ok("DELE 1")
    daemon.stop(sig)
    assert len(user.inbox.files()) == 1


def test_detached(daemon):
    """Daemon mode: the parent returns when the sockets are bound; the pidfile names the daemon."""
    pidfile = daemon.top / "run" / "pop3d.pid"
    user = daemon.user()
    daemon.extra = f'foreground no; pidfile "{pidfile}"; logging {{ syslog yes; }}'
    result = daemon.run()
    assert result.returncode == 0, result.stderr
    pid = int(pidfile.read_text())
    c = Pop3(daemon.address)
    c.login(user)
    c.quit()
    assert os.getsid(pid) != os.getsid(0) and os.readlink(f"/proc/{pid}/cwd") == "/"
    os.kill(pid, signal.SIGTERM)
    assert wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    assert not pidfile.exists()
