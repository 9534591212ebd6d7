"""System users: passwd and shadow, default chains, many owners, workers that wait ahead."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from server import SANITIZED, wait_for
from system import SystemDaemon, hashed
from test_auth import hashes, try_login
from test_counts import Trace
from test_sandbox import holds, listeners, status

pytestmark = pytest.mark.needs_root

DEFAULTS = "auth { authorization clear; authentication clear; }\n"
SYSTEM = "auth { authorization clear:system; authentication clear:system; }\n"


@pytest.fixture
def daemon(make_daemon):
    return make_daemon(kind=SystemDaemon)


def started(daemon, extra=SYSTEM, **kw):
    daemon.start(extra, **kw)
    daemon.wait_log(r"started\n")
    return daemon


def test_login(daemon):
    """The mailbox is the spool's, and the owner of the mail serves it."""
    user = daemon.system_user("bob")
    user.deliver("Subject: x\n\nx\n")
    started(daemon)
    with daemon.login(user) as c:
        assert c.stat()[0] == 1
        pids = [p for p in daemon.role_pids("pop3d-store") if status(p)["Uid"].split()[0] == str(user.uid)]
        assert len(pids) == 1 and status(pids[0])["Gid"].split() == [str(user.gid)] * 4


def test_pattern(daemon):
    user = daemon.system_user("bob")
    home = daemon.top / "homes" / "bob"
    home.mkdir(parents=True)
    (daemon.spool / "bob").rename(home / "Maildir")
    user.inbox.path = home / "Maildir"
    user.deliver("Subject: x\n\nx\n")
    daemon.options = ["--set", f"mailbox.mailbox-pattern=maildir:{daemon.top}/homes/${{user}}/Maildir"]
    started(daemon)
    with daemon.login(user) as c:
        assert c.stat()[0] == 1


@pytest.mark.parametrize("folder", ["Mail", "{top}/homes/shared"])
def test_folder(daemon, folder):
    """A name with a + before it: a directory of the user's home, or one for all."""
    user = daemon.system_user("bob")
    home = daemon.top / "homes" / "bob"
    daemon.etc.line("passwd", "bob", 5, str(home))
    place = home / folder.format(top=daemon.top) / "bob"
    place.parent.mkdir(parents=True)
    user.inbox.path = (daemon.spool / "bob").rename(place)
    user.deliver("Subject: x\n\nx\n")
    daemon.options = ["--set", "mailbox.mailbox-pattern=+${user}", "--set", f"mailbox.folder={folder.format(top=daemon.top)}"]
    started(daemon)
    with daemon.login(user) as c:
        assert c.stat()[0] == 1


PASSWORDS = [
    # field of passwd, hash in shadow, what follows it, password, right
    ("x", None, ":19000:0:99999:7:::", "secret", True),
    ("x", None, ":19000:0:99999:7:::", "Secret", False),
    ("x", None, ":19000:0:99999:7:::", "x", False),
    ("x", None, ":::::::", "secret", True),
    ("x", None, ":19000:0:1:7:1::", "secret", False),
    ("x", None, "::::::1:", "secret", False),
    ("x", None, "::::::99999:", "secret", True),
    ("x", None, None, "x", False),
    ("x", None, None, "", False),
    ("x", "", ":::::::", "", False),
    ("x", "*", ":::::::", "*", False),
    ("x", "!", ":::::::", "!", False),
    ("x", "x", ":::::::", "x", False),
    ("x", "!" + hashed("secret"), ":::::::", "secret", False),
    ("x", hashed("secret", "$y$j1T$"), ":::::::", "secret", True),
    ("*", None, ":::::::", "secret", False),
    ("", None, ":::::::", "", False),
    ("", None, ":::::::", "secret", False),
    (hashed("old"), None, ":::::::", "old", True),
    (hashed("old"), None, ":::::::", "secret", False),
]


def test_passwords(daemon):
    """x, *, ! and nothing are nobody's password; accounts that have expired have none."""
    users = [daemon.system_user(f"user{i}", hash=row[1], shadow=row[2], field=row[0])
             for i, row in enumerate(PASSWORDS)]
    started(daemon)
    for user, row in zip(users, PASSWORDS):
        reply = try_login(daemon, user.login, row[3])
        assert reply.startswith(b"+OK") == row[4], (row, reply)
        assert row[4] or reply == b"-ERR [AUTH] Bad login", (row, reply)
    daemon.wait_log(r'login-failed user="user4" .*the password has expired')
    daemon.wait_log(r'login-failed user="user5" .*the account has expired')


def test_unknown_looks_like_wrong(daemon):
    """The same words and the same work, whatever is wrong with the account."""
    daemon.system_user("bob")
    daemon.system_user("gone", shadow="::::::1:")
    daemon.system_user("locked", hash="!")
    daemon.system_user("lost", shadow=None)
    started(daemon)
    logins = ["bob", "nobody", "gone", "locked", "lost", "root", "../bob"]
    assert len({try_login(daemon, login, "wrong") for login in logins}) == 1
    assert [hashes(daemon, login) for login in logins] == [1] * len(logins)


@pytest.mark.parametrize("least", [0, 1, 40000])
def test_uid_is_refused(daemon, least):
    """root never, others as min-uid says; only who has the right password hears of it."""
    daemon.system_user("bob")
    started(daemon, SYSTEM + f"auth {{ min-uid {least}; }}\n")
    assert try_login(daemon, "root", "wrong").startswith(b"-ERR [AUTH]")
    assert try_login(daemon, "root", "root").startswith(b"-ERR [SYS/PERM]")
    daemon.wait_log(r"login-refused user=\"root\" .*uid=0 .*fix=")
    assert try_login(daemon, "bob", "secret").startswith(b"-ERR [SYS/PERM]" if least > 1 else b"+OK")


def test_changes_count_at_once(daemon):
    """As passwd(1), usermod(8) and useradd(8) make them, while it runs."""
    daemon.system_user("bob")
    started(daemon)
    assert try_login(daemon, "bob", "secret").startswith(b"+OK")
    daemon.etc.line("shadow", "bob", 1, hashed("new"))
    assert try_login(daemon, "bob", "secret").startswith(b"-ERR [AUTH]")
    assert try_login(daemon, "bob", "new").startswith(b"+OK")
    daemon.etc.line("shadow", "bob", 7, "1")  # expires
    assert try_login(daemon, "bob", "new").startswith(b"-ERR [AUTH]")
    daemon.system_user("ann")
    assert try_login(daemon, "ann", "secret").startswith(b"+OK")


CHAINS = [DEFAULTS, "auth { authorization clear:virtdomain:system; authentication clear:system:generic; }\n"]


@pytest.mark.parametrize("chains", CHAINS)
def test_both_kinds_of_users(daemon, chains):
    """bob is a system user, bob@example.test another person, whatever the order; nobody's password opens another's mail."""
    bob = daemon.system_user("bob", password="system")
    other = daemon.user("bob", password="virtual")
    bob.deliver("Subject: system\n\nx\n")
    other.deliver("Subject: virtual\n\nx\n")
    started(daemon, chains)
    for user, subject in ((bob, b"system"), (other, b"virtual")):
        with daemon.login(user) as c:
            assert subject in c.retr(1)
    assert try_login(daemon, "bob", "virtual").startswith(b"-ERR [AUTH]")
    assert try_login(daemon, "bob@example.test", "system").startswith(b"-ERR [AUTH]")
    assert try_login(daemon, "bob", "x").startswith(b"-ERR [AUTH]")


def test_generic_does_not_check_shadow(daemon):
    """A chain without `system' for passwords: only what stands in passwd itself is checked."""
    daemon.system_user("bob")
    daemon.system_user("old", field=hashed("old"))
    started(daemon, "auth { authorization clear:system; authentication clear:generic; }\n")
    assert try_login(daemon, "bob", "secret").startswith(b"-ERR [AUTH]")
    assert try_login(daemon, "old", "old").startswith(b"+OK")
    assert all(status(pid)["Groups"].split() == [] for pid in daemon.role_pids("pop3d-auth"))


def test_rights_of_auth(daemon):
    """Group shadow and no capability, with `system' in both chains: what only root may read stays closed."""
    daemon.system_user("bob")
    hidden = daemon.user("hidden")
    (daemon.domains / "example.test").chmod(0o600)
    started(daemon, DEFAULTS)
    group = str(os.stat(daemon.etc.path / "shadow").st_gid)
    for pid in daemon.role_pids("pop3d-auth"):
        s = status(pid)
        assert s["Groups"].split() == [group] and int(s["CapEff"], 16) == int(s["CapPrm"], 16) == 0
        paths = {t for t in holds(pid).values() if t.startswith("/") and not t.startswith("/memfd:")}
        assert paths == {"/etc", str(daemon.domains)}
    assert try_login(daemon, hidden.login, "secret").startswith(b"-ERR [SYS/PERM]")
    daemon.wait_log(r"open .*/example.test: Permission denied; .*chgrp")
    for role in ("front", "hash", "store"):
        assert all(status(pid)["Groups"].split() == [] for pid in daemon.role_pids("pop3d-" + role))


def test_unreadable_shadow_is_told(daemon):
    """At the start, with what helps; and nobody hears that his password is wrong."""
    daemon.system_user("bob")
    os.chown(daemon.etc.path / "shadow", 0, 0)
    started(daemon)
    daemon.wait_log(r"system: /etc/shadow: Permission denied; .*chgrp shadow /etc/shadow")
    assert try_login(daemon, "bob", "secret").startswith(b"-ERR [SYS/TEMP]")


def test_other_sources_are_told(daemon):
    daemon.system_user("bob")
    daemon.etc.write("nsswitch.conf", "passwd: files sss\n")
    started(daemon)
    daemon.wait_log(r"system: users that only `sss' knows \(/etc/nsswitch.conf\) are not found")
    assert try_login(daemon, "bob", "secret").startswith(b"+OK")


def counted_login(daemon):
    """What auth reads for a login whose answer it knows, once it trusts its index: two seconds after the last change."""
    files = [daemon.etc.path / name for name in ("passwd", "shadow")]
    assert wait_for(lambda: all(time.time() - f.stat().st_ctime > 4 for f in files))
    for _ in range(2):
        assert try_login(daemon, "bob", "secret").startswith(b"+OK")
    with Trace(daemon) as trace:
        assert try_login(daemon, "bob", "secret").startswith(b"+OK")
    return trace.count("auth", "openat"), trace.count("auth", "pread64", "read"), trace.count("auth", "newfstatat", "fstat")


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own system calls would be counted")
def test_look_up_does_not_grow(daemon):
    """Among 25,000 users a login costs the system calls that it costs among 5,000, whose files are too large to be kept whole."""
    password = hashed("x")

    def add(numbers):
        daemon.etc.add("passwd", "".join(f"u{i}:x:{40000 + i}:1::/:/\n" for i in numbers))
        daemon.etc.add("shadow", "".join(f"u{i}:{password}:::::::\n" for i in numbers))

    daemon.system_user("bob")
    add(range(5000))
    started(daemon, server="single-process yes;")
    few = counted_login(daemon)
    add(range(5000, 25000))
    daemon.system_user("zoe")
    assert try_login(daemon, "zoe", "secret").startswith(b"+OK")
    assert counted_login(daemon) == few
    assert few[0] in (0, 2) and few[1] == 2  # of passwd and shadow, which stay open where a disk has them, one piece is read


# --- workers that wait ahead


OWNERS = 100 if SANITIZED else 300


def serves(daemon, pid, uid):
    return pid in daemon.role_pids("pop3d-store") and set(status(pid)["Uid"].split()) == {str(uid)}


def test_first_login_forks_nothing(daemon):
    """The worker of a new owner was there before; the next one is forked behind it, and the owner's stays his."""
    users = [daemon.system_user() for _ in range(3)]
    started(daemon)
    for user in users:
        before = daemon.wait_spares()
        daemon.login(user).quit()
        (taken,) = before - daemon.wait_spares()
        assert serves(daemon, taken, user.uid)
        daemon.login(user).quit()
        assert before - daemon.wait_spares() == {taken}


def test_spares_hold_nothing(daemon):
    """No socket but the channel, no listener, no shared memory but the page-to-be; their end is the daemon's. The nursery has as little."""
    daemon.system_user("bob")
    started(daemon)
    for pid in daemon.wait_spares() | set(daemon.role_pids("pop3d-nursery")):
        fds = holds(pid)
        assert sum(t.startswith("socket:") for t in fds.values()) == 1
        assert not set(fds.values()) & listeners()
        assert not [t for t in fds.values() if t.startswith("pipe:")]
        assert not [t for t in fds.values() if "passwd" in t or "shadow" in t]
        assert {t for t in fds.values() if t.startswith("/") and not re.fullmatch("/proc/[0-9]+/mountinfo", t)} <= {
            str(daemon.top / "run" / "session"), str(daemon.top / "cache"), str(daemon.top / "state" / "journal"),
            str(daemon.top / "state" / "uidl"), "/memfd:pop3d stores (deleted)"}
        assert "/memfd" not in Path(f"/proc/{pid}/maps").read_text(encoding="ascii")


def test_spares_die(daemon):
    """Whoever logs in then has a worker that is forked for him."""
    daemon.alarms_expected = True
    users = [daemon.system_user() for _ in range(3)]
    started(daemon)
    killed = daemon.wait_spares()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    for pid in killed:
        daemon.wait_log(rf"ended role=store pid={pid} ")
    for user in users:
        daemon.login(user).quit()
    assert not killed & set(daemon.pids())


def nursery_of(daemon):
    assert wait_for(lambda: len(daemon.role_pids("pop3d-nursery")) == 1), daemon.log()
    return daemon.role_pids("pop3d-nursery")[0]


def test_nursery_may_little(daemon):
    """Root, but with no more rights than it takes to become others and to give them their directories, and none to be got; and with a filter of
    system calls, behind which its workers have theirs."""
    user = daemon.system_user()
    started(daemon)
    daemon.wait_spares()
    with daemon.login(user):
        worker = next(s for s in map(status, daemon.role_pids("pop3d-store")) if s["Uid"].split()[0] == str(user.uid))
        assert worker["Seccomp"] == worker["Seccomp_filters"] == "2"
    s = status(nursery_of(daemon))
    assert set(s["Uid"].split()) == {"0"}
    may = sum(1 << n for n in (0, 1, 6, 7, 24))  # CHOWN, DAC_OVERRIDE, SETGID, SETUID, SYS_RESOURCE
    assert int(s["CapEff"], 16) & ~may == 0 and int(s["CapPrm"], 16) & ~may == 0
    assert all(int(s[kind], 16) == 0 for kind in ("CapBnd", "CapInh", "CapAmb")) and s["NoNewPrivs"] == "1"
    assert s["Seccomp"] == "2" and s["Seccomp_filters"] == "1"


def test_nursery_dies(daemon):
    """While users log in: nobody notices. Whoever finds no spare has a worker that master forks, with the same walls; another nursery comes."""
    daemon.alarms_expected = True
    users = [daemon.system_user() for _ in range(12)]
    started(daemon)
    spares, nursery = daemon.wait_spares(), nursery_of(daemon)
    os.kill(nursery, signal.SIGKILL)
    clients = [daemon.login(user) for user in users[:6]]
    workers = {int(status(pid)["Uid"].split()[0]): pid for pid in daemon.role_pids("pop3d-store")}
    assert set(workers) == {user.uid for user in users[:6]} and set(workers.values()) - spares
    for uid, pid in workers.items():
        s = status(pid)
        assert set(s["Uid"].split()) == set(s["Gid"].split()) == {str(uid)} and s["Groups"].strip() == ""
        assert all(int(s[kind], 16) == 0 for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"))
        assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2" and s["PPid"] == str(daemon.role_pids("pop3d-master")[0])
    assert wait_for(lambda: nursery_of(daemon) != nursery)
    clients += [daemon.login(user) for user in users[6:]]
    assert daemon.wait_spares() - spares
    for c in clients:
        c.quit()


def test_nursery_hangs(daemon):
    """It is killed, and who came meanwhile is served all the same."""
    daemon.alarms_expected = True
    users = [daemon.system_user() for _ in range(6)]
    started(daemon)
    daemon.wait_spares()
    nursery = nursery_of(daemon)
    os.kill(nursery, signal.SIGSTOP)
    for user in users:
        daemon.login(user).quit()
    daemon.wait_log("the nursery was ended by signal 9")
    assert wait_for(lambda: nursery_of(daemon) != nursery)


def test_mounted_later(daemon):
    """What is mounted in a directory at the top when the daemon runs is no less a place of mail."""
    user = daemon.user()
    passwd = daemon.domains / "example.test"
    passwd.write_text(passwd.read_text(encoding="utf-8").replace(str(user.home), "/srv/home"), encoding="utf-8")
    started(daemon, "")
    daemon.wait_spares()
    there = ["nsenter", "--mount", f"--target={daemon.process.pid}"]
    subprocess.run([*there, "mount", "-t", "tmpfs", "none", "/srv"], check=True)
    subprocess.run([*there, "mkdir", "-p", *(f"/srv/home/INBOX/{name}" for name in ("cur", "new", "tmp"))], check=True)
    subprocess.run([*there, "sh", "-c", f"echo 'Subject: a' > /srv/home/INBOX/new/1.a.b; chown -R {user.uid}:{user.uid} /srv/home"], check=True)
    with daemon.login(user) as c:
        assert c.stat()[0] == 1


@pytest.mark.long
def test_many_owners(daemon):
    """Each is served by a process of his own uid, and all of them live side by side."""
    users = [daemon.system_user() for _ in range(OWNERS)]
    users[-1].deliver("Subject: last\n\nx\n")
    started(daemon)
    clients = [daemon.login(user) for user in users]
    assert clients[-1].stat()[0] == 1
    owners = sorted(int(status(pid)["Uid"].split()[0]) for pid in daemon.role_pids("pop3d-store"))
    assert owners == [user.uid for user in users]
    for c in clients:
        c.quit()
