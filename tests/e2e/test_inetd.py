"""inetd mode: one client on standard input and output, given by a superserver, a pipe or a terminal."""

import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import termios

import pytest

from pop3 import Pop3
from server import REPORTS, process_name, session_pids, short_name, wait_for

MESSAGE = "Subject: a\n\nbody\n"
EX_USAGE, EX_SOFTWARE, EX_IOERR, EX_TEMPFAIL, EX_PROTOCOL, EX_CONFIG = 64, 70, 74, 75, 76, 78


class Inetd:
    """What a superserver does: accepts, and starts a pop3d for each client, in a session of its own."""

    def __init__(self, daemon, extra="", options=()):
        self.daemon, self.options = daemon, options
        daemon.extra = "mode inetd;" + extra
        daemon.write_config()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.started = []

    def client(self, greeting=True, stderr=None, **kw):
        """(Pop3, Popen)"""
        c = Pop3(self.listener.getsockname(), greeting=False, **kw)
        sock, _ = self.listener.accept()
        with sock, open(self.daemon.log_file, "ab") as log:
            p = subprocess.Popen(self.daemon.command(*self.options), stdin=sock, stdout=sock, stderr=stderr or log,
                                 env=self.daemon.environment(), start_new_session=True, **self.daemon.identity())
        self.started.append(p)
        if greeting:
            c.greeting = c.line()
            assert c.greeting.startswith(b"+OK"), c.greeting
        return c, p

    def login(self, user):
        c, p = self.client()
        c.login(user)
        return c, p


@pytest.fixture
def inetd(either):
    made = []

    def make(*args, **kw):
        made.append(Inetd(either, *args, **kw))
        return made[-1]

    make.daemon = either
    yield make
    for i in made:
        i.listener.close()
        for p in i.started:
            if p.poll() is None:
                p.kill()
                p.wait()
            assert wait_for(lambda: not session_pids(p.pid), 10), session_pids(p.pid)
    assert not REPORTS.search(either.log()), either.log()


def roles(p):
    """What runs; the locker, which there is where a spool is, left out."""
    names = {short_name(pid).removeprefix("pop3d-") for pid in session_pids(p.pid)}
    return sorted(names - {"locker"})


def test_session(inetd):
    """A whole one, with exact replies; mail goes at QUIT, and the status is 0."""
    user = inetd.daemon.user()
    for _ in range(3):
        user.deliver(MESSAGE)
    c, p = inetd().login(user)
    assert c.stat()[0] == 3
    assert c.retr(2) == MESSAGE.replace("\n", "\r\n").encode()
    c.ok("DELE 2")
    c.quit()
    assert p.wait(20) == 0 and len(user.inbox.files()) == 2
    assert re.search(r'login user="\S+" address=127\.0\.0\.1 port=\d+', inetd.daemon.log())


def test_credentials_start_what_they_need(inetd):
    """A port scan costs a front; hash, auth and store come with the first login."""
    user = inetd.daemon.user()
    c, p = inetd().client()
    c.ok("CAPA")
    c.lines()
    c.ok(f"USER {user.login}")
    assert roles(p) == ["front", "pop3d"]
    c.ok(f"PASS {user.password}")
    assert roles(p) == ["auth", "front", "hash", "pop3d", "store"]
    c.quit()
    assert p.wait(20) == 0


def test_pipelined_login(inetd):
    """What comes behind PASS waits until there is somebody to ask."""
    user = inetd.daemon.user()
    user.deliver(MESSAGE)
    c, p = inetd(extra="auth { failure-delay 0; }").client()
    c.send(f"USER {user.login}\r\nPASS wrong\r\nUSER {user.login}\r\nPASS {user.password}\r\nSTAT\r\nQUIT\r\n")
    replies = [c.line().split()[0] for _ in range(6)]
    assert replies == [b"+OK", b"-ERR", b"+OK", b"+OK", b"+OK", b"+OK"] and c.at_end()
    assert p.wait(20) == 0


@pytest.mark.parametrize("end, status", [
    ("quit", 0), ("eof", 0), ("eof before a command", 0), ("reset", 0),
    ("eof in transaction", EX_PROTOCOL), ("reset in transaction", EX_PROTOCOL), ("term", 0), ("term in transaction", 0),
])
def test_exit_status(inetd, end, status):
    """As sysexits.h has them; none of these deletes."""
    user = inetd.daemon.user()
    user.deliver(MESSAGE)
    c, p = inetd().client()
    if "transaction" in end:
        c.login(user)
        c.ok("DELE 1")
    elif end == "eof":
        c.ok(f"USER {user.login}")
    if end.startswith("quit"):
        c.quit()
    elif end.startswith("term"):
        p.send_signal(signal.SIGTERM)
        assert c.line().startswith(b"-ERR [SYS/TEMP]") and c.at_end()
    elif end.startswith("reset"):
        c.reset()
    else:
        c.close()
    assert p.wait(20) == status, inetd.daemon.log()
    assert len(user.inbox.files()) == 1


def test_idle_timeout_status(inetd):
    """The global `timeout', after a login."""
    user = inetd.daemon.user()
    c, p = inetd(extra="timeout 1;").login(user)
    assert b"timed out" in c.line() and c.at_end()
    assert p.wait(20) == EX_TEMPFAIL


@pytest.mark.needs_root
def test_failing_quit_status(inetd):
    """Deletions that cannot be made."""
    if not inetd.daemon.privileged:
        pytest.skip("the owner of a directory can change its rights back")
    user = inetd.daemon.user()
    user.deliver(MESSAGE, where="cur")
    c, p = inetd().login(user)
    c.ok("DELE 1")
    os.chown(user.inbox.path / "cur", 0, 0)
    os.chmod(user.inbox.path / "cur", 0o755)
    assert c.cmd("QUIT").startswith(b"-ERR")
    assert p.wait(20) == EX_SOFTWARE


def test_configuration_status(inetd):
    """Nothing is said to the client."""
    _, p = inetd(extra="auth { authorization sql; authentication sql; }").client(greeting=False)
    assert p.wait(20) == EX_CONFIG
    c, p = inetd(extra="no-such-statement;").client(greeting=False)
    assert p.wait(20) == EX_CONFIG and c.at_end()


def test_errors_do_not_reach_the_client(inetd):
    """Where standard error is the connection: he need not know what is in our files."""
    c, p = inetd(extra="no-such-statement;").client(greeting=False, stderr=subprocess.STDOUT)
    assert p.wait(20) == EX_CONFIG and c.at_end()
    c, p = inetd(options=["--no-such-option"]).client(greeting=False, stderr=subprocess.STDOUT)
    assert p.wait(20) == EX_USAGE and c.at_end()


def test_tls_status(inetd):
    """A handshake that fails, octets in the clear behind STLS."""
    cert = inetd.daemon.certificate()
    c, p = inetd(extra=f"tls-mode connection; {cert.block}").client(greeting=False)
    c.send("USER bob\r\n")
    assert p.wait(20) == EX_IOERR
    c, p = inetd(extra=f"tls-mode ondemand; {cert.block}").client()
    c.send("STLS\r\nUSER bob\r\n")
    assert p.wait(20) == EX_IOERR


def test_global_statements_apply_and_servers_do_not(inetd):
    """transcript, timeout, acl, ... of the top level; nothing of server blocks, and no limit of the daemon's."""
    daemon = inetd.daemon
    user = daemon.user()
    daemon.servers = "server 127.0.0.1:110 { timeout 1; transcript no; acl { deny any; } }"
    pidfile = daemon.top / "run" / "a.pid"
    c, p = inetd(extra=f'transcript yes; max-children 1; max-per-address 1; pidfile "{pidfile}";').login(user)
    c.ok("NOOP")
    c.quit()
    assert p.wait(20) == 0 and not pidfile.exists()
    assert "NOOP" in daemon.log()


def test_access_list(inetd):
    """The global one; who is denied hears nothing."""
    c, p = inetd(extra="acl { deny 127.0.0.0/8; }").client(greeting=False)
    assert c.at_end()
    p.wait(20)
    c, p = inetd(extra="acl { allow 127.0.0.0/8; deny any; }").client()
    c.quit()


def test_sessions_exclude_each_other(inetd):
    """Several pop3d at once: one maildrop, one session."""
    user = inetd.daemon.user()
    i = inetd(extra="mailbox { session-lock-wait 0; }")
    c, p = i.login(user)
    d, q = i.client()
    d.ok(f"USER {user.login}")
    d.err(f"PASS {user.password}", "IN-USE")
    d.close()
    c.quit()
    assert p.wait(20) == 0 and q.wait(20) == 0
    d, q = i.login(user)
    d.quit()


def test_log_does_not_reach_the_client(inetd):
    """Where standard error is the connection, as superservers have it."""
    user = inetd.daemon.user()
    c, p = inetd().client(greeting=False, stderr=subprocess.STDOUT)
    assert c.line() == b"+OK POP3 Ready"
    c.login(user)
    c.quit()
    assert p.wait(20) == 0


def test_option_wins(inetd):
    """-i over `mode daemon'; the mode is called interactive, too."""
    i = inetd(options=["--inetd"])
    for mode in ("daemon", "interactive"):
        i.daemon.extra = f"mode {mode};"
        i.daemon.write_config()
        c, p = i.client()
        c.quit()
        assert p.wait(20) == 0


# --- without a socket: behind the relay ---


def run(daemon, text, **kw):
    """Standard input and output are pipes."""
    daemon.extra = "mode inetd;" + kw.pop("extra", "")
    daemon.write_config()
    return subprocess.run(daemon.command(), input=text, capture_output=True, env=daemon.environment(), timeout=30,
                          **daemon.identity())


def test_pipes(either):
    user = either.user()
    large = "Subject: large\n\n" + "0123456789abcde\n" * 40000
    user.deliver(large)
    result = run(either, f"USER {user.login}\nPASS {user.password}\nRETR 1\nQUIT\n".encode())
    assert result.returncode == 0, result
    head, body = result.stdout.split(b"octets\r\n", 1)
    assert body == large.replace("\n", "\r\n").encode() + b".\r\n+OK\r\n"


@pytest.mark.parametrize("text, status, lines", [(b"", 0, 1), (b"NOOP", 0, 1), (b"CAPA\nQUIT\n", 0, 3)])
def test_end_of_input(either, text, status, lines):
    """Also before any command: a normal end."""
    result = run(either, text)
    assert result.returncode == status and result.stdout.count(b"+OK") + result.stdout.count(b"-ERR") >= 1, result
    assert len(result.stdout) < 1000


def test_endless_input(either):
    """Megabytes without a line end through the relay: one -ERR, and what follows is done."""
    result = run(either, b"USER " + b"a" * (5 << 20) + b"\nNOPE\nQUIT\n")
    assert result.returncode == 0, result
    assert [line[:4] for line in result.stdout.splitlines()] == [b"+OK ", b"-ERR", b"-ERR", b"+OK"]


def test_reader_goes_away(either):
    """Nobody takes the output any more: it ends."""
    user = either.user()
    user.deliver("Subject: large\n\n" + "0123456789abcde\n" * 400000)
    either.extra = "mode inetd;"
    either.write_config()
    p = subprocess.Popen(either.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         env=either.environment(), start_new_session=True, **either.identity())
    p.stdin.write(f"USER {user.login}\nPASS {user.password}\nRETR 1\n".encode())
    p.stdin.flush()
    p.stdout.read(10000)
    p.stdout.close()
    assert p.wait(20) == EX_PROTOCOL
    p.stdin.close()
    assert wait_for(lambda: not session_pids(p.pid), 10)


def test_terminal(either):
    """A person types POP3, and sees the log on standard error."""
    user = either.user()
    user.deliver(MESSAGE)
    either.extra = "mode inetd;"
    either.write_config()
    ours, theirs = pty.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    if either.identity():
        os.fchown(theirs, either.uid, -1)
    p = subprocess.Popen(either.command(), stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
                         env=either.environment(), start_new_session=True, **either.identity())
    os.close(theirs)
    seen = b""

    def hear(text):
        nonlocal seen
        while text not in seen:
            seen += os.read(ours, 4096)
        seen = seen[seen.index(text) + len(text):]

    hear(b"+OK POP3 Ready\r\n")
    os.write(ours, f"user {user.login}\n".encode())
    hear(b"+OK\r\n")
    os.write(ours, f"pass {user.password}\n".encode())
    hear(b"1 messages")
    os.write(ours, b"retr 1\n")
    hear(b"body\r\n.\r\n")
    os.write(ours, b"quit\n")
    hear(b"+OK\r\n")
    _, err = p.communicate(timeout=20)
    os.close(ours)
    assert p.returncode == 0 and b"login user=" in err


def test_relay_is_confined(either):
    """It holds the client and two sockets, and may do nothing else."""
    either.extra = "mode inetd;"
    either.write_config()
    p = subprocess.Popen(either.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         env=either.environment(), start_new_session=True, **either.identity())
    assert p.stdout.readline().startswith(b"+OK")
    relay, = (pid for pid in session_pids(p.pid) if "pop3d-relay" in process_name(pid))
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{relay}/status", encoding="ascii").read().splitlines()
                  if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and int(status["CapEff"], 16) == 0
    kinds = sorted(re.sub(r"[:/].*", "", os.readlink(f"/proc/{relay}/fd/{fd}")) for fd in os.listdir(f"/proc/{relay}/fd")
                   if int(fd) != 2)
    assert [k for k in kinds if k != "anon_inode"] == ["pipe", "pipe", "socket", "socket"], kinds  # and its loop
    others = [pid for pid in session_pids(p.pid) if pid != relay]
    pipes = {os.readlink(f"/proc/{relay}/fd/{fd}") for fd in (0, 1)}
    for pid in others:
        assert not pipes & {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    p.stdin.write(b"QUIT\n")
    p.communicate(timeout=20)
    assert p.returncode == 0


# --- real superservers ---


def superserved(daemon, command, address, log):
    """Serves two sessions with a superserver."""
    user = daemon.user()
    user.deliver(MESSAGE)
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=daemon.environment(),
                         start_new_session=True)
    try:
        for left in (1, 0):
            c = wait_for(lambda: connected(address))
            assert c, log.name
            c.greeting = c.line()
            c.login(user)
            assert c.stat()[0] == 1 if left else c.stat()[0] == 0
            if left:
                c.ok("DELE 1")
            c.quit()
        assert user.inbox.files() == []
    finally:
        daemon.kill_session(p.pid)
        p.wait()


def connected(address):
    try:
        return Pop3(address, greeting=False)
    except ConnectionRefusedError:
        return None


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="needs systemd-socket-activate")
def test_systemd_socket_activate(daemon):
    daemon.extra = "mode inetd;"
    daemon.user()
    daemon.write_config()
    command = ["systemd-socket-activate", "--inetd", "-a", f"--listen=127.0.0.1:{daemon.port}", *daemon.command()]
    with open(daemon.log_file, "ab") as log:
        superserved(daemon, command, daemon.address, log)


@pytest.mark.needs_root
@pytest.mark.skipif(not shutil.which("inetd"), reason="needs openbsd-inetd")
def test_real_inetd(daemon):
    daemon.extra = "mode inetd;"
    daemon.user()
    daemon.write_config()
    table = daemon.top / "inetd.conf"
    program, *options = daemon.command()
    table.write_text(f"127.0.0.1:{daemon.port} stream tcp nowait root {program} pop3d {' '.join(options)}\n")
    with open(daemon.log_file, "ab") as log:
        superserved(daemon, ["inetd", "-i", table], daemon.address, log)
