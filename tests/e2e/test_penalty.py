"""Wrong passwords: who has to wait for them, who is shut out, and who is not.

No test measures a time. A login that waits says so in the log, and where one answer must come before another, the other one is
many seconds away."""

import os
import re
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from sasl import b64, gsasl, plain, secrets
from server import BINARY, free_port
from test_apop import apop, write
from test_logs import HOSTILE, fail2ban

TRACE = 'debug { level "auth.trace1"; }\n'
BAD, LOCKED = b"-ERR [AUTH] Bad login", b"-ERR [SYS/TEMP] Too many wrong passwords, please wait and try again later"
FREE = 5  # failures that cost nothing
POPCTL = Path(os.environ.get("POPCTL", BINARY.with_name("popctl")))
STRANGER = 64321  # a uid that nobody has


def start(daemon, rules, extra="", **kw):
    return daemon.start(extra=f"auth {{ failure-delay 0; {rules} }}\n{TRACE}{extra}", **kw)


def attempt(daemon, login, password, source=None, address=None):
    """The answer to PASS."""
    c = daemon.connect(source=source) if not address else type(daemon.client())(address)
    with c:
        c.say(f"USER {login}")
        c.say(f"PASS {password}")
        assert c.line().startswith(b"+OK")
        return c.line()


def guess(daemon, login, n, first=0, **kw):
    """So many different wrong passwords, one behind the other."""
    for i in range(first, first + n):
        assert attempt(daemon, login, f"guess{i}", **kw) == BAD


def ask(daemon, login, password, source):
    """A connection that waits for the answer to PASS."""
    c = daemon.connect(source=source)
    c.ok(f"USER {login}")
    c.say(f"PASS {password}")
    return c


def waits(daemon):
    """Milliseconds that logins had to wait, in the order in which they came."""
    return [int(n) for n in re.findall(r"waits for (\d+) ms", daemon.log())]


def is_answered(c):
    return bool(select.select([c.sock], [], [], 0)[0])


def test_address(daemon):
    """The tenth wrong login of an address waits; a right one of another address is answered meanwhile, and so is one of its user who
    was there before. Logins that wait go with their front."""
    users = [daemon.user() for _ in range(FREE)]
    bob = daemon.user()
    start(daemon, "penalty-exempt none; penalty-most 30;")
    for user in users:
        assert attempt(daemon, user.login, "wrong", source="127.0.0.2") == BAD
    assert waits(daemon) == []
    later = []
    for i in range(4):  # at once: each has its turn behind the one before
        later.append(ask(daemon, f"nobody{i}@example.test", "wrong", "127.0.0.2"))
        daemon.wait_log(rf"(?s)(waits for .*){{{i + 1}}}")
    for c in later:
        assert c.line() == BAD
        c.close()
    tenth = ask(daemon, bob.login, "wrong", "127.0.0.2")
    daemon.wait_log(r"(?s)(waits for .*){5}")
    assert attempt(daemon, bob.login, bob.password, source="127.0.0.3").startswith(b"+OK")
    assert not is_answered(tenth) and waits(daemon)[-1] == 16000
    assert attempt(daemon, bob.login, bob.password, source="127.0.0.2") == LOCKED  # 32 seconds: longer than the longest
    daemon.wait_log(r'login-failed .* address=127.0.0.2 .*code=\[SYS/TEMP\] reason="too many logins wait')
    daemon.alarms_expected = True
    for pid in daemon.role_pids("pop3d-front"):
        os.kill(pid, signal.SIGKILL)
    daemon.wait_log("dropped, as its front has gone")
    tenth.close()


def test_repeated(daemon):
    """A program with an old password does not wait, however often it comes, and its user comes in from there at once."""
    user = daemon.user()
    start(daemon, f"penalty-exempt none; lockout-failures {FREE}; lockout-time 86400;")
    for _ in range(3 * FREE):
        assert attempt(daemon, user.login, "old") == BAD
    assert attempt(daemon, user.login, user.password).startswith(b"+OK")
    guess(daemon, user.login, FREE - 1)
    assert attempt(daemon, user.login, user.password).startswith(b"+OK")  # which takes back what he failed
    guess(daemon, user.login, FREE - 1, first=FREE)
    assert attempt(daemon, user.login, user.password).startswith(b"+OK")
    assert waits(daemon) == [] and "lock-out" not in daemon.log()


def test_exempt(daemon):
    """Nothing is counted for the local machine; for a user it is, whether there is one or not; who comes from where he always comes
    from does not wait for what others did."""
    known, other = daemon.user(), daemon.user()
    start(daemon, "")
    assert attempt(daemon, known.login, known.password, source="127.0.0.9").startswith(b"+OK")
    for i in range(FREE):
        assert attempt(daemon, f"nobody{i}@example.test", "wrong") == BAD
    assert attempt(daemon, other.login, "wrong") == BAD
    assert waits(daemon) == []
    for name in (known.login, "nobody@example.test"):
        guess(daemon, name, FREE)
    assert waits(daemon) == []
    for name in (known.login, "nobody@example.test"):
        assert attempt(daemon, name, "guess", source="127.0.0.8") == BAD
    assert waits(daemon) == [1000, 1000]  # who exists waits as long as who does not
    assert attempt(daemon, known.login, known.password, source="127.0.0.9").startswith(b"+OK")
    assert waits(daemon) == [1000, 1000]
    daemon.restart(extra=f"auth {{ failure-delay 0; penalty-exempt 127.0.0.2/31; penalty-exempt ::1; lockout-failures {FREE}; lockout-time 9; }}")
    for source in ("127.0.0.3", "127.0.0.4"):
        for i in range(FREE):
            assert attempt(daemon, f"no{i}-{source}@example.test", "wrong", source=source) == BAD
    assert attempt(daemon, other.login, other.password, source="127.0.0.3").startswith(b"+OK")
    assert attempt(daemon, other.login, other.password, source="127.0.0.4") == LOCKED


def test_off(daemon):
    user = daemon.user()
    start(daemon, f"penalty no; penalty-exempt none; lockout-failures {FREE}; lockout-time 9;")
    guess(daemon, user.login, 2 * FREE)
    assert attempt(daemon, user.login, user.password).startswith(b"+OK")
    assert waits(daemon) == [] and "lock-out" not in daemon.log()


def test_lockout(daemon):
    """Of a user, from everywhere; of an address, for all its users, where IPv6 addresses of one network are one. It is told once, and lasts
    over a reload."""
    victim, other = daemon.user(), daemon.user()
    port6 = free_port()
    start(daemon, f"penalty-exempt none; lockout-failures {FREE}; lockout-time 86400;",
          servers=f'server 127.0.0.1:{daemon.port} {{ }}\nserver "[::1]:{port6}" {{ }}')
    for i in range(FREE):
        assert attempt(daemon, victim.login, f"guess{i}", source=f"127.0.1.{i}") == BAD
    for source in ("127.0.1.1", "127.0.2.1"):
        assert attempt(daemon, victim.login, victim.password, source=source) == LOCKED
        assert attempt(daemon, other.login, other.password, source=source).startswith(b"+OK")
    for i in range(FREE):
        assert attempt(daemon, f"nobody{i}@example.test", "wrong", address=("::1", port6)) == BAD
    for user in (victim, other):
        assert attempt(daemon, user.login, user.password, address=("::1", port6)) == LOCKED
    lines = re.findall(r"lock-out of=(\S+) user=\"(\S+)\" address=(\S+) failures=(\d+) seconds=(\d+)$", daemon.log(), re.M)
    assert lines == [("user", victim.login, f"127.0.1.{FREE - 1}", str(FREE), "86400"), ("address", f"nobody{FREE - 1}@example.test", "::1", str(FREE), "86400")]
    daemon.wait_log(rf'login-failed user="{victim.login}" .*code=\[SYS/TEMP\] reason="locked out')
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_log("configuration reloaded")
    assert attempt(daemon, victim.login, victim.password, source="127.0.2.1") == LOCKED
    assert attempt(daemon, other.login, other.password, address=("::1", port6)) == LOCKED
    assert attempt(daemon, other.login, other.password, source="127.0.2.1").startswith(b"+OK")


def test_every_way_counts(daemon):
    """USER and PASS, APOP, and each mechanism of AUTH, for who exists and who does not."""
    users = [daemon.user() for _ in range(FREE)]
    digest = write(daemon, {user.login: "shared" for user in users[1:2]})
    path = secrets(daemon, {users[4].login: "stored"})
    start(daemon, f"penalty-exempt none; lockout-failures {FREE}; lockout-time 86400;",
          f'apop-database-file "{digest}";\ngsasl {{ cram-passwd "{path}"; }}\n')
    assert attempt(daemon, users[0].login, "wrong") == BAD
    with daemon.connect() as c:
        assert apop(c, users[1], "wrong") == BAD
        assert c.cmd(f"AUTH PLAIN {plain(users[2], 'wrong')}") == BAD
        c.cmd(f"AUTH LOGIN {b64('nobody@example.test')}")
        assert c.cmd(b64("wrong")) == BAD
        assert "lock-out" not in daemon.log()
        assert gsasl(c, "SCRAM-SHA-256", users[4].login, "wrong").startswith(BAD)
    daemon.wait_log(f"lock-out of=address .*failures={FREE} ")
    with daemon.connect() as c:
        assert apop(c, users[1], "shared") == LOCKED
        assert c.cmd(f"AUTH PLAIN {plain(users[2])}") == LOCKED
        assert gsasl(c, "SCRAM-SHA-256", users[4].login, "stored").startswith(LOCKED)
    with daemon.connect(source="127.0.0.2") as c:
        assert apop(c, users[1], "shared").startswith(b"+OK")
    # without a password there is nothing to know again: each counts
    for i in range(FREE):
        with daemon.connect(source=f"127.0.3.{i}") as c:
            assert gsasl(c, "CRAM-MD5", users[4].login, "wrong").startswith(BAD if i < FREE - 1 else LOCKED)
    daemon.wait_log(f'lock-out of=user user="{users[4].login}"')


def test_nobody_could_check(daemon):
    """Where a back end is down, nothing counts."""
    user = daemon.user()
    start(daemon, f"authorization ldap; penalty-exempt none; lockout-failures {FREE}; lockout-time 86400;",
          f'ldap {{ url "ldap://127.0.0.1:{free_port()}"; base "dc=test"; field-map "name=uid"; }}\n')
    for i in range(2 * FREE):
        assert attempt(daemon, "nobody@elsewhere.test", f"guess{i}").startswith(b"-ERR [SYS/TEMP] Service temporarily")
    assert attempt(daemon, user.login, user.password).startswith(b"+OK")
    assert waits(daemon) == [] and "lock-out" not in daemon.log()


def test_many_at_once(daemon):
    """Those that come at the same moment are no better off: whoever waited for a hash process meanwhile has to wait for what was wrong."""
    start(daemon, f"penalty-exempt none; lockout-failures {FREE}; lockout-time 86400;")
    user = daemon.user()
    crowd = [daemon.connect(source="127.0.0.2") for _ in range(40)]
    for c in crowd:
        c.ok(f"USER {user.login}")
    for i, c in enumerate(crowd):
        c.say(f"PASS guess{i}")
    answers = [c.line() for c in crowd]
    for c in crowd:
        c.close()
    assert set(answers) == {BAD, LOCKED} and answers.count(BAD) < len(crowd) // 2, answers


def test_popctl(either):
    """Figures, who is locked out, and who is let in again; of this daemon and for whom it belongs to."""
    user, other = either.user(), either.user()
    start(either, f"penalty-exempt none; lockout-failures {FREE}; lockout-time 86400;")

    program = shutil.copy(POPCTL, either.top)  # where a stranger can run it

    def popctl(*options, status=0, **kw):
        got = subprocess.run([program, "penalties", *options], capture_output=True, text=True, check=False, timeout=60, **kw)
        assert got.returncode == status, got
        return got.stdout if status == 0 else got.stderr

    mine = ("--pid", str(either.process.pid))
    for _ in range(2):
        guess(either, user.login, FREE - 1, source="127.0.0.2")
    guess(either, user.login, 1, first=FREE, source="127.0.0.3")
    assert attempt(either, user.login, user.password) == LOCKED
    assert re.findall(r"(\d+)$", popctl(*mine), re.M) == [str(either.process.pid), "5", "4", "0", "0", "1", "1"]
    either.process.send_signal(signal.SIGUSR1)
    either.wait_log("auth-penalties failures=5 repeated=4 delayed=0 refused=0 lockouts=1 locked=1\n")
    shown = popctl(*mine, "--user", user.login, "--address", "127.0.0.2")
    assert re.search(f"user {user.login}: 5 wrong passwords count, locked out for 86[34]\\d\\d seconds more\n", shown), shown
    assert "address 127.0.0.2: 4 wrong passwords count\n" in shown
    popctl(*mine, "--user", other.login, "--address", "127.0.0.2", "--clear")
    assert "address 127.0.0.2: 0 wrong" in popctl(*mine, "--address", "127.0.0.2")
    assert attempt(either, user.login, user.password) == LOCKED
    assert "0 wrong passwords count\n" in popctl(*mine, "--user", user.login, "--clear")
    assert attempt(either, user.login, user.password).startswith(b"+OK")
    for wrong in (("--clear",), ("--pid", "x"), ("--address", "nowhere"), ("--user", ""), ("x",)):
        assert popctl(*wrong, status=64).startswith("usage:") or wrong[0] != "x"
    assert "no pop3d runs" in popctl("--pid", "1", status=69)
    if os.getuid() == 0:
        assert "Permission denied" in popctl(*mine, status=69, user=STRANGER, group=STRANGER, extra_groups=[])


@pytest.mark.skipif(not shutil.which("fail2ban-regex"), reason="test_fail2ban needs fail2ban")
def test_fail2ban(daemon):
    """The line about an address that is shut out names it; the line about a user names nobody; no name forges either."""
    names = HOSTILE + [  # by AUTH, names may have blanks
        'x" address=192.0.2.66 failures=1 seconds=1', "x\npop3d: lock-out of=address user=x address=192.0.2.66 failures=1 seconds=1",
        'x\\" address=192.0.2.66 failures=1 seconds=1', '" lock-out of=address user="x" address=192.0.2.66 failures=1 seconds=1']
    start(daemon, "penalty-exempt 127.0.0.2; lockout-failures 1; lockout-time 9;", "logging { print-severity yes; session-id yes; }\n")
    for name in names:
        with daemon.connect(source="127.0.0.2") as c:
            assert c.cmd("AUTH PLAIN " + b64(f"\0{name}\0wrong")) == BAD
    assert attempt(daemon, "x\"lock-out", "wrong", source="127.0.0.5") == BAD
    assert attempt(daemon, "nobody", "wrong", source="127.0.0.5") == LOCKED
    daemon.wait_log("reason=\"locked out")
    assert daemon.log().count("lock-out of=user user=") >= len(names) - 2  # those with the end of a line are no names
    lines = daemon.top / "mail.log"
    lines.write_text(re.sub(r"(?m)^pop3d: ", "Nov 25 09:30:01 mail pop3d[4711]: ", daemon.log()), encoding="utf-8")
    assert sorted(fail2ban(lines)) == ["127.0.0.2"] * len(names) + ["127.0.0.5"] * 2
