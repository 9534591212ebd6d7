"""What statements do, seen from outside: those that no other test here has as its subject.

Rows of the statement table (src/conf/statements.c) name these tests as their effect."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess

import pytest

from pop3 import Gone, Pop3
from server import Dotmail, Mbox, free_port, has_user, wait_for
from system_log import SystemLog

MESSAGE = "Subject: a\nX-Number: 1\n\none\ntwo\n"


def owner(pid):
    return os.stat(f"/proc/{pid}").st_uid


def test_mode(daemon):
    """`mode inetd` is no daemon; --daemon wins over it."""
    daemon.start(extra="mode inetd;", options=["--daemon"])
    daemon.connect().quit()
    daemon.stop()
    daemon.options = []
    result = daemon.run("--inetd")  # whose input is at its end
    assert result.returncode == 0 and result.stdout == "+OK POP3 Ready\n"


def test_foreground(daemon):
    """The process that was started is the daemon; --no-foreground undoes the statement."""
    daemon.start()
    assert daemon.process.poll() is None
    daemon.stop()
    pidfile = daemon.top / "run" / "pid"
    daemon.extra = f'pidfile "{pidfile}";'
    daemon.write_config()
    assert daemon.run("--no-foreground").returncode == 0
    pid = int(pidfile.read_text())
    os.kill(pid, signal.SIGTERM)
    assert wait_for(lambda: not os.path.exists(f"/proc/{pid}"))


def test_port(daemon):
    """Of servers that name none, wherever it stands."""
    port = free_port()
    daemon.start(servers="server 127.0.0.1 { }", extra=f"port {port};")
    Pop3(("127.0.0.1", port)).quit()


def test_line_limit(daemon):
    user = daemon.user()
    daemon.start(extra="line-limit 300;")
    c = daemon.login(user)
    c.ok("NOOP" + " " * 290)
    c.err("NOOP" + " " * 300)
    c.ok("NOOP")
    c.quit()


@pytest.mark.parametrize("octets", [0, 4096, 1 << 30])
def test_output_buffer_size(daemon, octets):
    """Whatever it says, a message arrives whole; what it says is bounded from both sides."""
    user = daemon.user()
    body = "".join(f"{n:060}\n" for n in range(20000))
    user.deliver(MESSAGE + body)
    daemon.start(extra=f"output-buffer-size {octets};")
    c = daemon.login(user)
    assert c.retr(1) == (MESSAGE + body).replace("\n", "\r\n").encode()
    c.quit()


def test_scan_lines(daemon):
    user = daemon.user()
    user.deliver(MESSAGE)
    daemon.start(extra="scan-lines yes;")
    c = daemon.login(user)
    octets = len(MESSAGE) + MESSAGE.count("\n")
    lines = MESSAGE.count("\n")
    c.ok("LIST")
    assert c.text() == [f"1 {octets} {lines}"]
    assert c.ok("LIST 1") == f"+OK 1 {octets} {lines}".encode()
    c.ok("CAPA")
    assert "XLINES" in c.text()
    c.quit()


@pytest.mark.needs_root
def test_users_of_the_roles(daemon):
    """front-user and auth-user, read back from the processes."""
    front, auth = "daemon", "bin"
    assert has_user(front) and has_user(auth)
    daemon.start(extra=f"front-user {front}; auth-user {auth};")
    daemon.connect().quit()
    assert {owner(pid) for pid in daemon.role_pids("front")} == {pwd.getpwnam(front).pw_uid}
    assert pwd.getpwnam(auth).pw_uid in {owner(pid) for pid in daemon.pids()}


def test_runtime_dir(daemon):
    """Session locks are made in it."""
    user = daemon.user()
    user.deliver(MESSAGE)
    daemon.start()
    daemon.login(user).quit()
    assert any((daemon.top / "run").rglob(str(user.uid)))


def index_files(top):
    return [p for p in top.rglob("*") if p.is_file() and "idx" in p.name or "index" in p.name]


def test_index(daemon):
    """`off`: none is kept; `auto`: beside the mail."""
    user = daemon.user()
    user.deliver(MESSAGE)
    for path in (*user.inbox.path.rglob("*"), user.inbox.path):
        os.utime(path, (1600000000, 1600000000))
    for where, beside in (("off", False), ("auto", True)):
        daemon.start(extra=f"mailbox {{ index {where}; }}")
        daemon.login(user).quit()
        daemon.stop()
        assert bool(index_files(user.inbox.path)) == beside, where


def test_index_directory(daemon):
    """Indexes are kept there, in a directory of the owner's, and nowhere else."""
    user = daemon.user()
    user.deliver(MESSAGE)
    place = daemon.top / "indexes"
    for path in (*user.inbox.path.rglob("*"), user.inbox.path):
        os.utime(path, (1600000000, 1600000000))
    daemon.start(extra=f'mailbox {{ index "{place}"; }}')
    for _ in range(2):
        c = daemon.login(user)
        assert c.ok("STAT").startswith(b"+OK 1 ")
        c.quit()
    own = place / str(user.uid)
    assert own.stat().st_uid == user.uid and own.stat().st_mode & 0o7777 == 0o700
    assert [p for p in own.iterdir() if p.stat().st_size > 0]
    assert not index_files(user.inbox.path)


def test_cache_dir(daemon):
    """It is made where it is missing, for indexes that find no room beside the mail."""
    place = daemon.top / "cache" / "of-this-test"
    daemon.start(extra=f'cache-dir "{place}";')
    daemon.connect().quit()
    assert place.is_dir()


def test_state_dir(daemon):
    """It is made where it is missing, with a directory of its own for each owner of mail, and space set aside there."""
    user = daemon.user()
    place = daemon.top / "state" / "of-this-test"
    daemon.start(extra=f'state-dir "{place}";')
    daemon.login(user).quit()
    own = place / "journal" / str(user.uid)
    assert own.stat().st_uid == user.uid and own.stat().st_mode & 0o7777 == 0o700
    spare = own / "spare"
    assert spare.stat().st_uid == user.uid and spare.stat().st_blocks * 512 >= spare.stat().st_size > 100000


def test_single_process(daemon):
    daemon.start(server="single-process yes;")
    daemon.connect().quit()
    for role in ("front", "auth", "hash"):
        assert len(daemon.role_pids("pop3d-" + role)) == 1, role


def test_mailbox_type(daemon):
    """The format of a mailbox that is not there yet."""
    user = daemon.user()
    shutil.rmtree(user.inbox.path)
    daemon.start(extra="mailbox { mailbox-type maildir; }")
    c = daemon.login(user)
    assert c.stat() == (0, 0)
    c.quit()
    assert sorted(p.name for p in user.inbox.path.iterdir() if p.is_dir()) == ["cur", "new", "tmp"]


def test_autodetect_accuracy(daemon):
    """A file that begins with a header and has no dots is an mbox that has lost its beginning; who looks at less takes it for something else."""
    broken = daemon.user(kind=Mbox)
    broken.inbox.path.write_text("Subject: lost\n\nbody\n\nFrom a@example.org Mon Jan  5 10:00:00 2026\nSubject: b\n\nb\n\n", encoding="utf-8")
    dotmail = daemon.user(kind=Dotmail)
    for _ in range(2):
        dotmail.deliver(MESSAGE)
    for accuracy, messages in (("default", (2, 2)), ("minimal", (1, 2)), ("fast", (2, 1)), ("3", (2, 2))):
        daemon.start(extra=f"mailbox {{ autodetect-accuracy {accuracy}; index off; }}")
        assert (daemon.login(broken).stat()[0], daemon.login(dotmail).stat()[0]) == messages, accuracy
        daemon.stop()


def test_lines_of_the_log(daemon):
    """tag, severity and print-severity."""
    user = daemon.user()
    daemon.start(extra="logging { tag mytag; severity info; print-severity yes; }")
    daemon.login(user).quit()
    daemon.wait_log(r"(?m)^mytag: info: login ")
    assert not re.search("debug: ", daemon.log())
    daemon.restart(extra="logging { severity crit; }")
    daemon.login(user).quit()
    assert daemon.log().count("login ") == 1


@pytest.mark.needs_root
def test_syslog(daemon):
    """syslog, facility: a line is a datagram to the system's log."""
    user = daemon.user()
    tag = f"test{os.getpid()}"
    with SystemLog() as log:
        daemon.start(extra=f"logging {{ syslog yes; facility local3; tag {tag}; print-severity no; }}")
        daemon.login(user).quit()
        log.wait(rf"^<{19 * 8 + 6}>\w{{3}} [ \d]\d [\d:]{{8}} {tag}\[\d+\]: login ")


def test_min_uid(daemon):
    user = daemon.user()
    daemon.start(extra=f"auth {{ min-uid {user.uid + 1}; }}")
    c = daemon.connect()
    c.ok(f"USER {user.login}")
    c.err(f"PASS {user.password}")
    c.quit()
    daemon.restart(extra=f"auth {{ min-uid {user.uid}; }}")
    daemon.login(user).quit()


def test_failure_delay(daemon):
    """The refusal of a wrong password comes late; with 0, at once."""
    user = daemon.user()
    daemon.start(extra="auth { failure-delay 15; }")
    c = daemon.connect(timeout=1)
    c.ok(f"USER {user.login}")
    with pytest.raises((TimeoutError, socket.timeout)):
        c.cmd("PASS wrong")
    c.close()
    daemon.restart(extra="auth { failure-delay 0; }")
    c = daemon.connect()
    for _ in range(5):
        c.ok(f"USER {user.login}")
        c.err("PASS wrong", "AUTH")
    c.quit()


def test_sites_file_and_its_sections(daemon):
    """The site file is read where the environment says; `program' blocks of other names are left alone."""
    port = free_port()
    daemon.write_config()
    daemon.config.write_text(daemon.config_text() + "expire nonsense;\n", encoding="utf-8")
    assert daemon.run("--config-lint").returncode == 78
    site = daemon.top / "site.conf"
    site.write_text(f"program other {{ nonsense 1; }} program pop3d {{ port {port}; expire 3; }}\nexpire 4;\n", encoding="utf-8")
    result = subprocess.run([daemon.binary, "--config-lint", "--config-verbose"], capture_output=True, text=True,
                            env=daemon.environment() | {"MU_SITE_CONFIG_FILE": str(site)}, timeout=30)
    assert result.returncode == 0, result.stderr
    assert f"opening configuration file {site}" in result.stderr


def test_transports_of_one_daemon(daemon):
    """Several servers, each with its own timeout: a session keeps that of the one it came through."""
    user = daemon.user()
    other = free_port()
    daemon.start(servers=f"server 127.0.0.1:{daemon.port} {{ timeout 1; }} server 127.0.0.1:{other} {{ timeout 600; }}")
    assert wait_for(lambda: "started" in daemon.log())
    patient = Pop3(("127.0.0.1", other))
    patient.login(user)
    patient.quit()
    c = daemon.login(user)
    with pytest.raises(Gone):
        while True:
            c.line()
