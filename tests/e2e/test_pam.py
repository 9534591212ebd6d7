"""Passwords that PAM checks: one stack of real modules, in an /etc that is the daemon's alone. What each code of PAM comes to is in
backend/test_pam.c."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from server import START_SECONDS, wait_for
from system import IN_ETC, SystemDaemon, hashed
from test_auth import check_logins, try_login
from test_run import reload

pytestmark = pytest.mark.needs_root

# Who the user is says which module is asked. The delay would be ten minutes behind each wrong password.
STACK = """
auth    optional  pam_permit.so
auth    optional  pam_faildelay.so delay=600000000
auth    [success=ignore default=1] pam_succeed_if.so quiet user = hangs
auth    required  pam_exec.so quiet /bin/sleep 900
auth    [success=ignore default=1] pam_succeed_if.so quiet user = filed
auth    [success=done default=die] pam_pwdfile.so pwdfile=/etc/pwdfile
auth    [success=ignore default=1] pam_succeed_if.so quiet user = denied
auth    requisite pam_deny.so
auth    sufficient pam_succeed_if.so quiet user = permitted
auth    required  pam_unix.so
account required  pam_exec.so quiet /bin/sh /etc/mark
account required  pam_unix.so
session required  pam_exec.so quiet /bin/sh /etc/mark
"""
EXTRA = """
auth {{ authorization clear:system:virtdomain; authentication clear:pam:generic; lookup-timeout {timeout}; }}
pam {{ {pam} }}
"""
AUTH, TEMP, PERM, OK = b"-ERR [AUTH]", b"-ERR [SYS/TEMP]", b"-ERR [SYS/PERM]", b"+OK"


def extra(pam="service poplar;", timeout=30):
    return EXTRA.format(pam=pam, timeout=timeout)


@pytest.fixture(scope="module")
def daemon():
    d = SystemDaemon()
    (d.etc.path / "pam.d").mkdir()
    d.etc.write("pam.d/poplar", STACK, 0o644)
    d.etc.write("mark", "echo $PAM_TYPE $PAM_USER $PAM_RHOST >>/etc/marks\n", 0o644)
    d.etc.write("marks", "", 0o644)
    d.etc.write("pwdfile", f"filed:{hashed('other')}\n", 0o600)
    for name in ("bob", "gone", "old", "locked", "filed", "denied", "permitted", "hangs"):
        d.system_user(name)
    d.system_user("empty", hash="")
    d.virtual = d.user("ann")
    for command in (["chage", "-E", "2020-01-01", "gone"], ["chage", "-d", "0", "old"], ["usermod", "-L", "locked"]):
        subprocess.run([*IN_ETC, str(d.etc.path), *command], check=True, capture_output=True, timeout=60)
    d.start(extra())
    yield d
    d.finish()


def marks(daemon):
    return (daemon.etc.path / "marks").read_text(encoding="ascii").splitlines()


CASES = [
    ("bob", b"secret", OK, ""),
    ("bob", b"Secret", AUTH, "wrong password"),
    ("bob", b"x", AUTH, "wrong password"),
    ("bob", b"secret\xff", AUTH, "wrong password"),
    ("nobody-there", b"secret", AUTH, "no such"),
    ("bob;id", b"secret", AUTH, "no such"),
    ("$(id)", b"%s%n", AUTH, "no such"),
    ("gone", b"secret", AUTH, "the account has expired"),
    ("old", b"secret", AUTH, "the password has expired and must be changed"),
    ("locked", b"secret", AUTH, "wrong password"),
    ("empty", b"x", AUTH, "wrong password"),
    ("filed", b"other", OK, ""),
    ("filed", b"secret", AUTH, "wrong password"),
    ("denied", b"secret", AUTH, "wrong password"),
    ("permitted", b"whatever", OK, ""),
    ("ann@example.test", b"secret", OK, ""),
]


def test_stack(daemon):
    """Each user by his module, each refusal with its reason, and no password anywhere. Nothing waits for PAM's own delay."""
    check_logins(daemon, CASES)
    assert "account bob 127.0.0.1" in marks(daemon) and not [m for m in marks(daemon) if "session" in m]
    for password in ("Secret", "secret\\xff", "whatever"):
        assert password not in daemon.log()
    assert len(daemon.role_pids("pop3d-pam")) == 4


def test_many(daemon):
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda n: try_login(daemon, "bob", f"wrong{n}" if n % 2 else "secret"), range(64)))
    assert [a.startswith(AUTH if n % 2 else OK) or a for n, a in enumerate(answers)] == [True] * 64


def asked(daemon, *passwords):
    """How often PAM was asked for these logins, which are right."""
    before = len(marks(daemon))
    for p in passwords:
        assert try_login(daemon, "bob", p).startswith(OK)
    return sum("account bob" in m for m in marks(daemon)[before:])


def test_cache(daemon):
    """PAM is asked each time, but where `cache' says so; then a changed password counts at once, and the old one no longer than the ttl."""
    assert asked(daemon, "secret", "secret", "secret") == 3
    reload(daemon, extra=extra("service poplar; cache yes;"))
    assert asked(daemon, "secret", "secret", "secret") == 1
    daemon.etc.line("shadow", "bob", 1, hashed("changed"))
    assert asked(daemon, "changed", "changed") == 1
    assert try_login(daemon, "bob", "wrong").startswith(AUTH)


def test_session(daemon):
    daemon.etc.line("shadow", "bob", 1, hashed("secret"))
    reload(daemon, extra=extra("service poplar; session yes;"))
    before = len(marks(daemon))
    assert try_login(daemon, "bob", "secret").startswith(OK)
    assert marks(daemon)[before:] == [f"{what} bob 127.0.0.1" for what in ("account", "open_session", "close_session")]


def test_no_service(daemon):
    """Trouble, never a wrong password; and the log says which file to make. With `other' a service needs none."""
    reload(daemon, extra=extra(""))
    assert try_login(daemon, "bob", "secret").startswith(PERM)
    daemon.wait_log("PAM has no service `mailutils': make /etc/pam.d/mailutils")
    daemon.etc.write("pam.d/other", "auth required pam_permit.so\naccount required pam_permit.so\n", 0o644)
    assert try_login(daemon, "bob", "secret").startswith(OK)


def test_hangs(daemon):
    """More logins hang than there are processes: each has its answer, users of files have theirs meanwhile, and PAM comes back."""
    daemon.alarms_expected = True
    reload(daemon, extra=extra(timeout=1))
    with ThreadPoolExecutor(8) as pool:
        hanging = [pool.submit(try_login, daemon, "hangs", "secret") for _ in range(8)]
        for _ in range(20):
            assert try_login(daemon, daemon.virtual.login, "secret").startswith(OK)
        assert [h.result().startswith(TEMP) or h.result() for h in hanging] == [True] * 8
    assert wait_for(lambda: try_login(daemon, "bob", "secret").startswith(OK), START_SECONDS)
