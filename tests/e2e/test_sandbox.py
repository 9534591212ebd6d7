"""What the kernel says about the running processes: who they are, what they hold, what they may.

What happens when one of them tries more is in tests/master/test_confine.c."""

import grp
import os
import pwd
import re
from pathlib import Path

import pytest

from server import Maildir, Mbox, Mh, wait_for

ROLES = ("front", "auth", "hash", "store")
CAP_CHOWN, CAP_DAC_READ_SEARCH = 1 << 0, 1 << 2


def status(pid):
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def holds(pid):
    """What its descriptors are, without the standard ones."""
    fds = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        if int(fd) > 2:
            fds[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return fds


def listeners():
    """Inodes of listening sockets."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return {f"socket:[{line.split()[9]}]" for line in lines if line.split()[3] == "0A"}


@pytest.fixture
def running(either):
    """A daemon with every kind of process, and a session."""
    user = either.user()
    user.deliver("Subject: a\n\nx\n")
    client = either.login(user)
    either.owner = user.uid
    yield either
    client.quit()


def each(daemon, *roles):
    for role in roles or ROLES:
        pids = daemon.role_pids("pop3d-" + role)
        assert pids, role
        for pid in pids:
            yield role, pid


def test_users(running):
    """No process but master is root, nor has a group besides its own."""
    for role, pid in each(running):
        s = status(pid)
        uid, gid = {int(n) for n in s["Uid"].split()}, {int(n) for n in s["Gid"].split()}
        if not running.privileged or os.getuid() != 0:
            assert uid == {running.uid}
            continue
        name = {"front": "_pop3d", "auth": "_pop3auth", "hash": "_pop3auth"}.get(role)
        assert uid == ({pwd.getpwnam(name).pw_uid} if name else {running.owner}), role
        assert gid == ({pwd.getpwnam(name).pw_gid} if name else {running.owner}), role
        assert s["Groups"].strip() == "", role


def test_rights(running):
    """No capabilities (auth: one, which Landlock holds to the password files), no way to get any, a filter on system calls."""
    for role, pid in each(running):
        s = status(pid)
        root = running.privileged and os.getuid() == 0
        may = {0, CAP_DAC_READ_SEARCH} if role == "auth" and root else {0}
        for kind in ("CapEff", "CapPrm"):
            assert int(s[kind], 16) in may, (role, kind)
        for kind in ("CapInh", "CapAmb") + (("CapBnd",) if root else ()):
            assert int(s[kind], 16) == 0, (role, kind)
        assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2", role
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
        assert re.search(r"Max core file size +0 +0 ", limits), role
        assert re.search(r"Max processes +1024 +1024 " if role == "store" else r"Max processes +0 +0 ", limits), role


@pytest.mark.parametrize("kind", [Maildir, Mbox, Mh])
def test_threads_of_a_scan(either, kind):
    """Many messages that no index knows are read by several threads, within the walls of a worker, and these are gone with the scan; a few are not."""
    few, many = either.user(kind=kind), either.user(kind=kind)
    few.deliver("Subject: a\n\nx\n")
    for n in range(1500):
        many.deliver(f"Subject: {n}\n\n" + "x" * 1500 + "\n")
    with_few = either.login(few)
    assert "a scan has" not in either.log()
    client = either.login(many)
    assert client.stat()[0] == 1500 and b"Subject: 1234" in client.top(1235, 0)
    either.wait_log(r"debug: a scan has [2-8] threads")
    for pid in either.role_pids("pop3d-store"):
        assert wait_for(lambda pid=pid: status(pid)["Threads"].strip() == "1")
    client.quit()
    with_few.quit()


@pytest.mark.needs_root
def test_not_dumpable(running):
    """The files of /proc belong to root: no process of the same user may look into it, or trace it."""
    for role, pid in each(running):
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0, role


@pytest.mark.needs_root
def test_environment(running):
    """Whoever starts a service may give it secrets that way: no child has them in its memory."""
    for role, pid in each(running):
        text = Path(f"/proc/{pid}/environ").read_bytes()
        assert all(not e or e.startswith(b"TZ=") for e in text.split(b"\0")), (role, text)


@pytest.mark.needs_root
def test_empty_root(daemon):
    """Who meets strangers and who hashes sees no file at all."""
    daemon.login(daemon.user())
    for role, pid in each(daemon, "front", "hash"):
        assert os.readlink(f"/proc/{pid}/root") == str(daemon.top / "run" / "empty"), role
        assert os.listdir(f"/proc/{pid}/root") == [] and os.readlink(f"/proc/{pid}/cwd") == os.readlink(
            f"/proc/{pid}/root")


@pytest.mark.needs_root
def test_descriptors(running):
    """Nobody holds what is not for its role: listeners are front's, session locks store's, and no directory is anybody's but
    auth's and store's."""
    listening = listeners()
    for role, pid in each(running):
        fds = holds(pid)
        assert any(t in listening for t in fds.values()) == (role == "front"), (role, fds)
        paths = [t for t in fds.values() if t.startswith("/") and not t.startswith("/memfd:")]
        if role in ("front", "hash"):
            assert paths == [], role
        if role == "auth":
            assert all(p.startswith(str(running.domains)) for p in paths), paths
        if role == "store":
            locks = [p for p in paths if p.startswith(str(running.top / "run"))]
            assert locks == [str(running.top / "run" / "session" / str(running.owner))], paths
        assert not any("landlock" in t or "/dev/pts" in t for t in fds.values()), fds


@pytest.mark.needs_root
def test_shared_memory(running):
    """The cache of logins and the table of wrong passwords are auth's alone; a store worker can write one page, its own; auth reads them; hash has none."""
    may = {
        "front": {("places", "rw-s"), ("tickets", "r--s")},
        "auth": {("cache", "rw-s"), ("penalties", "rw-s"), ("stores", "r--s")},
        "hash": set(),
        "store": {("stores", "rw-s")},
    }
    for role, pid in each(running):
        maps = re.findall(r"^(\w+)-(\w+) (\S+) .*/memfd:pop3d (\w+)", Path(f"/proc/{pid}/maps").read_text(
            encoding="ascii"), re.M)
        assert {(name, mode) for _, _, mode, name in maps} <= may[role], (role, maps)
        if role == "store":
            assert sum(int(end, 16) - int(start, 16) for start, end, _, _ in maps) == 4096


def test_master_maps_nothing_shared(running):
    for pid in (running.pids()[0], *running.role_pids("pop3d-master")):
        assert "memfd" not in Path(f"/proc/{pid}/maps").read_text(encoding="ascii")


@pytest.mark.needs_root
def test_password_files_that_only_root_may_read(daemon):
    """As with Mailutils, whose pop3d is root at that moment; and auth can read nothing else with that right."""
    user = daemon.user()
    daemon.start()
    for path in daemon.domains.iterdir():
        path.chmod(0o600)
        os.chown(path, 0, 0)
    daemon.domains.chmod(0o700)
    os.chown(daemon.domains, 0, 0)
    daemon.login(user).quit()


@pytest.mark.needs_root
def test_locker(daemon):
    """Who makes files in the spool sees nothing else, is nobody in group mail, may give files away, and holds no file."""
    daemon.make_spool()
    daemon.login(daemon.user())
    (pid,) = daemon.role_pids("pop3d-locker")
    s = status(pid)
    assert {int(n) for n in s["Uid"].split()} == {pwd.getpwnam("nobody").pw_uid}
    assert {int(n) for n in s["Gid"].split()} == {grp.getgrnam("mail").gr_gid} and s["Groups"].strip() == ""
    assert int(s["CapEff"], 16) == int(s["CapPrm"], 16) == CAP_CHOWN
    assert all(int(s[kind], 16) == 0 for kind in ("CapInh", "CapAmb", "CapBnd"))
    assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2"
    assert os.readlink(f"/proc/{pid}/root") == os.readlink(f"/proc/{pid}/cwd") == str(daemon.spool)
    assert [t for t in holds(pid).values() if t.startswith("/")] == []
    assert os.stat(f"/proc/{pid}/environ").st_uid == 0


@pytest.mark.needs_root
@pytest.mark.parametrize("statement", ["locking { type kernel; }", 'mailbox { mailbox-pattern "maildir:%s/${user}"; }',
                                       'mailbox { mailbox-pattern "%s/${user}/mbox"; }', None])
def test_no_locker(daemon, statement):
    """Where nothing is made beside mailboxes, or in their owners' directories only, there is none, nor in a directory of others."""
    daemon.make_spool()
    if statement:
        daemon.extra += statement.replace("%s", str(daemon.spool))
    else:
        daemon.spool.chmod(0o755)
    daemon.login(daemon.user())
    assert daemon.role_pids("pop3d-locker") == []


@pytest.mark.needs_root
def test_access(daemon):
    """Who runs programs of access lists: a user without rights, filtered, that holds no file and no client, and shares no memory."""
    daemon.start(extra="acl { ifexec any /bin/true; }")
    (pid,) = daemon.role_pids("pop3d-access")
    s = status(pid)
    assert {int(n) for n in s["Uid"].split()} == {pwd.getpwnam("_pop3auth").pw_uid} and s["Groups"].strip() == ""
    assert all(int(s[kind], 16) == 0 for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"))
    assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2"
    fds = holds(pid).values()
    assert not any(t in listeners() for t in fds) and [t for t in fds if t.startswith("/")] == []
    assert "memfd:pop3d" not in Path(f"/proc/{pid}/maps").read_text(encoding="ascii")
    assert os.stat(f"/proc/{pid}/environ").st_uid == 0
