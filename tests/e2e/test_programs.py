"""Programs of access lists: whom they let in, and what becomes of those who wait for them.

Clients come from the addresses 127.0.0.N. A program says on standard error that it runs, which comes to the log, and then waits at a gate
(a FIFO) where its client has one, or hangs."""

import os
import re
import signal
import stat
import tempfile
import time
from pathlib import Path

import pytest

from pop3 import Gone, Pop3
from server import free_port, session_pids, wait_for
from test_access import is_let_in
from test_inetd import Inetd
from test_run import reload

SCRIPT = """#!/bin/sh
# decide ADDRESS: what a client's gate says, or a name of its own
cd "${0%/*}"
echo "asked about $1" >&2
case $1 in
*.66) sleep 3600 & sleep 3600;;
esac
[ -p "gate-$1" ] && read answer <"gate-$1" && exit "$answer"
exit 0
"""


class Programs:
    """A directory with programs that our user may execute, for a daemon."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.top = daemon.top / "programs"
        self.top.mkdir()
        self.top.chmod(0o755)
        self.decide = self.program("decide", SCRIPT)

    def program(self, name, text, mode=0o755):
        path = self.top / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def gate(self, host):
        """From now on clients of this address wait."""
        path = self.top / f"gate-127.0.0.{host}"
        os.mkfifo(path)
        path.chmod(0o666)
        return path

    def asked(self, host, times=1):
        """Waits until its program runs."""
        assert wait_for(lambda: len(re.findall(rf"asked about 127\.0\.0\.{host}\b", self.daemon.log())) >= times), self.daemon.log()

    @staticmethod
    def answer(gate, status):
        with open(gate, "w", encoding="ascii") as f:
            f.write(f"{status}\n")

    def start(self, entries="ifexec any \"%s $address\"", server="", **kw):
        """Global entries, and the server's; %s is the program."""
        acl = f"acl {{ {entries.replace('%s', str(self.decide))}; }}\n" + kw.pop("extra", "")
        self.daemon.start(extra=acl, server=server.replace("%s", str(self.decide)), wait=False, **kw)
        self.daemon.wait_log(r"pop3d \(.*\) started")

    def running(self):
        """Processes of programs."""
        return [pid for pid in session_pids(self.daemon.process.pid) if is_program(pid)]


def is_program(pid):
    try:
        return not Path(f"/proc/{pid}/comm").read_text(encoding="ascii").startswith("pop3d")
    except OSError:
        return False


@pytest.fixture
def programs(either):
    return Programs(either)


def connect(daemon, host=1, **kw):
    return Pop3(daemon.address, greeting=False, source=f"127.0.0.{host}", **kw)


def is_silent(client):
    """Nothing has come so far, and the connection is open."""
    client.sock.setblocking(False)
    try:
        client.sock.recv(1)
        return False
    except BlockingIOError:
        return True
    finally:
        client.sock.settimeout(20)


def greeted(client):
    line = client.line()
    assert line.startswith(b"+OK"), line
    client.quit()


# --- who is let in ---

LISTS = [
    # global entries, the server's; who is let in: the last number of 127.0.0.x
    ("ifexec any {0}", "", {1: True, 2: False}),
    ("allow any", "ifexec any {0};", {1: True, 2: False}),
    ("ifexec 127.0.0.2 {0}; allow any", "", {1: True, 2: False, 3: True}),
    ("ifexec 127.0.0.1 {0}; deny any", "", {1: True, 2: False, 3: False}),
    ("deny 127.0.0.1", "ifexec any {0};", {1: False, 2: False, 3: True}),
    ("ifexec 127.0.0.0/30 {0}", "ifexec any {1};", {1: True, 2: False, 3: False, 4: True}),
    ("exec any {2}; allow any", "exec any {2};", {1: True, 2: True}),
]


@pytest.mark.parametrize("acl,server,who", LISTS, ids=range(len(LISTS)))
def test_ifexec(programs, acl, server, who):
    """0 lets in (the other list is asked, too), everything else denies."""
    words = [f'"{programs.program(f"not-{n}", "#!/bin/sh" + chr(10) + f"case $1 in *.{n}) exit {n};; esac" + chr(10))} $address"'
             for n in (2, 3)] + [f'"{programs.program("fails", "#!/bin/sh" + chr(10) + "exit 1" + chr(10))}"']
    programs.start(acl.format(*words), f"acl {{ {server.format(*words)} }}")
    for n, allowed in who.items():
        assert is_let_in(programs.daemon, f"127.0.0.{n}") == allowed, n


def test_denial_is_logged_once_with_its_reason(programs):
    programs.start('allow 127.0.0.1;\n ifexec any "/bin/sh -c \'exit 7\'"')
    assert not is_let_in(programs.daemon, "127.0.0.9")
    config = programs.daemon.config
    line = config.read_text().split("ifexec")[0].count("\n") + 1
    said = re.findall(rf'notice: access-denied address=127\.0\.0\.9 port=\d+ rule="{re.escape(str(config))}:{line}" '
                      r'reason="its program ended with status 7"', programs.daemon.log())
    assert len(said) == 1, programs.daemon.log()


def test_denial_in_old_words(programs):
    programs.start("ifexec any /bin/false; allow any", extra="logging { compatible yes; }")
    assert not is_let_in(programs.daemon, "127.0.0.9")
    programs.daemon.wait_log(r"Denying connection from inet://127\.0\.0\.9:\d+\n")


def test_exec(programs):
    """It runs with its words, its lines have the session's id, and nobody waits for it nor for what it says."""
    programs.start('exec any "%s $address"; allow any', extra="logging { session-id yes; }")
    gate = programs.gate(1)
    c = connect(programs.daemon)
    assert c.line().startswith(b"+OK")
    programs.asked(1)
    c.quit()
    session = re.search(r"(\w{8}) notice: \S+: \S+: asked about 127\.0\.0\.1\n", programs.daemon.log())
    assert session and re.search(rf"disconnect .*session={session[1]}", programs.daemon.log()), programs.daemon.log()
    programs.answer(gate, 1)
    assert wait_for(lambda: not programs.running())


def test_ipv6(programs):
    """Both families, with what the program is told of them."""
    port6 = free_port()
    programs.daemon.servers = (f"server 127.0.0.1:{programs.daemon.port} {{ }}\n"
                               f'server "[::1]:{port6}" {{ acl {{ ifexec any "/bin/test $family = AF_INET6"; }} }}')
    programs.start('ifexec ::1 "/bin/test $address = ::1"; ifexec 127.0.0.0/8 "/bin/test $family = AF_INET6"')
    assert wait_for(lambda: is_let_in(programs.daemon, source=None, address=("::1", port6)))
    assert not is_let_in(programs.daemon)


# --- those who wait ---

def test_slow_program_holds_up_nobody(programs):
    """Others are let in and denied while it runs; and clients that send first are greeted all the same."""
    programs.start(server="single-process yes;")
    gate = programs.gate(2)
    slow = connect(programs.daemon, 2)
    slow.say("NOOP")
    programs.asked(2)
    for _ in range(3):
        assert is_let_in(programs.daemon)
    assert is_silent(slow)
    programs.answer(gate, 0)
    assert slow.line().startswith(b"+OK")
    slow.line()
    slow.quit()


def front_sockets(daemon):
    """Numbers of the front's descriptors that are sockets of clients."""
    (pid,) = daemon.role_pids("pop3d-front")
    inodes = {line.split()[9]: line.split()[3] for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]}
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        inode = re.fullmatch(r"socket:\[(\d+)\]", target)
        if inode and inodes.get(inode[1], "0A") != "0A":
            found.add(int(fd))
    return found


@pytest.mark.parametrize("stopped", ["front", "access", "nobody"])
def test_nobody_gets_in_because_somebody_else_left(programs, stopped):
    """A client leaves while its program runs, and another one has its descriptor when the answer comes: yes for the one that
    has gone. The other is decided about by its own program."""
    daemon = programs.daemon
    programs.start(server="single-process yes;")
    good, bad = programs.gate(2), programs.gate(3)
    for turn in range(1, 6):
        first = connect(daemon, 2)
        programs.asked(2, turn)
        numbers = front_sockets(daemon)
        assert len(numbers) == 1
        pids = daemon.role_pids("pop3d-" + stopped)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        if stopped != "nobody":
            programs.answer(good, 0)
        first.close()
        if stopped != "front":
            assert wait_for(lambda: not front_sockets(daemon))
        second = connect(daemon, 3)
        if stopped != "front":
            assert wait_for(lambda: front_sockets(daemon) == numbers)  # it is the same one
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        programs.asked(3, turn)
        assert is_silent(second)
        programs.answer(bad, 1)
        with pytest.raises(Gone):
            second.line()
        assert second.seen == b""
        assert wait_for(lambda: not front_sockets(daemon))


def test_program_of_one_who_leaves_is_ended(programs):
    """With all that it has started, at once; also when the client resets the connection."""
    programs.start()
    for turn, leave in enumerate((Pop3.close, Pop3.reset), 1):
        c = connect(programs.daemon, 66)
        programs.asked(66, turn)
        assert wait_for(lambda: len(programs.running()) >= 2)
        leave(c)
        assert wait_for(lambda: not programs.running())
    assert "access-denied" not in programs.daemon.log()


def test_client_that_has_said_all(programs):
    """It has shut down its side, but waits for answers."""
    programs.start()
    gate = programs.gate(2)
    c = connect(programs.daemon, 2)
    c.say("QUIT")
    c.sock.shutdown(1)
    programs.asked(2)
    programs.answer(gate, 0)
    assert c.line().startswith(b"+OK") and c.line().startswith(b"+OK")


def test_program_that_hangs(programs):
    """acl-timeout: the client is denied, and the program ended with all that it has started."""
    programs.start(extra="acl-timeout 1;")
    assert not is_let_in(programs.daemon, "127.0.0.66")
    assert wait_for(lambda: not programs.running())
    programs.daemon.wait_log(r"error: \S+:\d+: \S+/decide is killed: it has run for 1 seconds\n")
    programs.daemon.wait_log(r'access-denied address=127\.0\.0\.66 .*reason="its program took too long"')
    assert is_let_in(programs.daemon)


def test_crowd(programs):
    """More clients than programs may run, of one address: all have their turn, and others need not wait for them."""
    wait = '#!/bin/sh\ncd "${0%/*}"\necho "asked about $1" >&2\nwhile [ ! -e open ] && [ $1 = 127.0.0.2 ]; do sleep .2; done\n'
    programs.start(f"ifexec any \"{programs.program('wait', wait)} $address\"", server="single-process yes;")
    crowd = [connect(programs.daemon, 2) for _ in range(20)]
    programs.asked(2, 8)
    assert is_let_in(programs.daemon)
    (programs.top / "open").touch()
    for c in crowd:
        greeted(c)


def test_denied_hold_no_place(programs):
    """Nor do those who wait."""
    programs.start(extra="max-children 1; client-wait 0;", server="single-process yes;")
    gates = [programs.gate(2), programs.gate(3)]
    waiting = [connect(programs.daemon, 2), connect(programs.daemon, 3)]
    programs.asked(2)
    programs.asked(3)
    assert is_let_in(programs.daemon)
    for c, gate, status in zip(waiting, gates, (1, 0)):
        programs.answer(gate, status)
        if status:
            with pytest.raises(Gone):
                c.line()
    greeted(waiting[1])


# --- programs that cannot be run ---

def test_program_that_cannot_be_run(programs):
    """The log says where it stands and what to do; nobody gets in."""
    broken = programs.program("broken", "#!/no/such/shell\n")
    programs.start(f"ifexec any {broken}")
    assert not is_let_in(programs.daemon)
    programs.daemon.wait_log(rf"error: {re.escape(str(programs.daemon.config))}:\d+: cannot run {broken} as uid \d+: "
                             r"No such file or directory: it, or the interpreter that its first line names, is not there")


WRONG = [
    ("bin/true", "give its absolute path"),
    ("/no/such/program", "No such file or directory"),
    ("/etc", "not a file that can be executed"),
    ("/etc/passwd", "not a file that can be executed; make it one with chmod 755"),
]


@pytest.mark.parametrize("path,said", WRONG)
@pytest.mark.parametrize("statement", ["exec", "ifexec"])
def test_lint(programs, statement, path, said):
    daemon = programs.daemon
    daemon.extra = f"acl {{\n {statement} any {path} x;\n}}"
    result = daemon.run("--config-lint")
    line = daemon.config.read_text().split(f" {statement} any")[0].count("\n") + 1
    assert result.returncode == 78
    assert re.search(rf"{re.escape(str(daemon.config))}:{line}\.\d+-\d+: program {path}: {said}", result.stderr), result.stderr


# --- starts and ends ---

def test_no_role_without_programs(programs):
    programs.daemon.start(extra="acl { log any; allow any; }")
    assert not programs.daemon.role_pids("pop3d-access")


def test_role_dies(programs):
    """Those who wait are denied, and its programs end; the next is asked about by another process."""
    programs.daemon.alarms_expected = True
    programs.start()
    c = connect(programs.daemon, 66)
    programs.asked(66)
    (pid,) = programs.daemon.role_pids("pop3d-access")
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(Gone):
        c.line()
    assert c.seen == b""
    programs.daemon.wait_log(r'access-denied .*reason="the process that runs programs has ended"')
    assert wait_for(lambda: is_let_in(programs.daemon))
    assert programs.daemon.role_pids("pop3d-access") not in ([], [pid])
    for left in programs.running():  # what a program has started, where its own parent did not end with us
        os.kill(left, signal.SIGKILL)


def test_reload(programs):
    """Who waits is decided about by the list that he came to; then that generation ends."""
    programs.start()
    (pid,) = programs.daemon.role_pids("pop3d-access")
    gates = [programs.gate(2), programs.gate(3)]
    waiting = [connect(programs.daemon, 2), connect(programs.daemon, 3)]
    programs.asked(2)
    programs.asked(3)
    reload(programs.daemon, extra="acl { deny 127.0.0.2; allow any; }")
    assert not is_let_in(programs.daemon, "127.0.0.2")
    assert all(is_silent(c) for c in waiting)
    programs.answer(gates[0], 0)
    greeted(waiting[0])
    programs.answer(gates[1], 1)
    with pytest.raises(Gone):
        waiting[1].line()
    assert wait_for(lambda: pid not in programs.daemon.pids())
    assert not programs.daemon.role_pids("pop3d-access")


def test_end(programs):
    """SIGTERM: who waits is told nothing, and no program is left."""
    programs.start(extra="shutdown-timeout 600;")
    c = connect(programs.daemon, 66)
    programs.asked(66)
    programs.daemon.stop()  # which sees to it that nothing runs any more
    with pytest.raises(Gone):
        c.line()
    assert c.seen == b""


def test_inetd(programs):
    """One client, the same answers, and the same end of those who leave."""
    inetd = Inetd(programs.daemon, extra=f'acl {{ exec any "{programs.decide} $port"; ifexec any "{programs.decide} $address"; }}')
    try:
        c, p = inetd.client()
        c.quit()
        assert p.wait(20) == 0
        gate = programs.gate(1)
        c, p = inetd.client(greeting=False)
        programs.asked(1, 2)
        assert is_silent(c)
        programs.answer(gate, 1)
        assert c.at_end() and p.wait(20) == 0
        c, p = inetd.client(greeting=False)
        programs.asked(1, 3)
        c.close()
        p.wait(20)
    finally:
        inetd.listener.close()
    assert wait_for(lambda: not any(session_pids(p.pid) for p in inetd.started))


def test_tls(programs):
    """The decision comes before the handshake: who is denied gets no octet of TLS."""
    daemon = programs.daemon
    cert = daemon.certificate()
    programs.start(server=f"tls-mode connection; {cert.block}")
    gate = programs.gate(2)
    c = connect(daemon, 2)
    programs.asked(2)
    c.send(b"\x16\x03\x01\x00\x05hello")
    assert is_silent(c)
    programs.answer(gate, 1)
    with pytest.raises(Gone):
        c.line()
    assert c.seen == b""
    c = connect(daemon, 2)
    programs.asked(2, 2)
    programs.answer(gate, 0)
    c.secure(cert.context())
    greeted(c)


# --- what a program may do ---

PROBE = """#!/bin/sh
try() { if "$@" >/dev/null 2>&1; then echo "may $*" >&2; else echo "may not $*" >&2; fi; }
try cat /etc/passwd
try cat %(readable)s
try cat /etc/shadow
try touch /tmp/pop3d-probe.$$
rm -f /tmp/pop3d-probe.$$
try touch %(beside)s/x
try ls /var/lib
try setsid true
try kill -CONT %(front)s
try env -i /bin/sh -c ': </dev/null >/dev/null'
exit 0
"""


@pytest.mark.needs_root
def test_what_a_program_may_do(daemon):
    """It may run what the system has, and see no mail, no password, no process of ours."""
    programs = Programs(daemon)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as elsewhere:
        mail = Path(elsewhere) / "mail"
        mail.write_text("x", encoding="ascii")
        mail.chmod(0o644)
        os.chmod(elsewhere, 0o755)
        probe = programs.program("probe", "#!/bin/sh\nexit 0\n")
        programs.start(f"ifexec any {probe}")
        (front, *_) = daemon.role_pids("pop3d-front")
        programs.program("probe", PROBE % {"readable": mail, "beside": programs.top, "front": front})
        programs.top.chmod(0o777)
        assert is_let_in(daemon)
        may = {what: word for word, what in re.findall(r"probe: (may not|may) (.*)\n", daemon.log())}
    assert may == {
        "cat /etc/passwd": "may",
        f"cat {mail}": "may not",
        "cat /etc/shadow": "may not",
        next(w for w in may if w.startswith("touch /tmp/pop3d-probe")): "may",
        f"touch {programs.top}/x": "may",  # it is below /tmp here
        "ls /var/lib": "may not",
        "setsid true": "may not",
        f"kill -CONT {front}": "may not",
        "env -i /bin/sh -c : </dev/null >/dev/null": "may",
    }, daemon.log()
