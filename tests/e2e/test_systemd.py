"""What a service manager sees: notifications, sockets that it opened, the rights that the unit leaves."""

import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from pop3 import Pop3
from server import SANITIZED, free_port, short_name, wait_for
from test_run import reload

UNITS = Path(__file__).resolve().parents[2] / "dist" / "systemd"
MESSAGE = "Subject: a\n\nbody\n"


class Manager:
    """The socket of sd_notify(3), by a path or an abstract name."""

    def __init__(self, daemon, abstract=False):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"@pop3d-test-{os.getpid()}-{daemon.port}" if abstract else str(daemon.top / "notify")
        self.sock.bind("\0" + name[1:] if abstract else name)
        if not abstract:
            os.chmod(name, 0o666)
        self.sock.settimeout(30)
        environment = daemon.environment
        daemon.environment = lambda: {**environment(), "NOTIFY_SOCKET": name}

    def hear(self):
        """The next notification."""
        return dict(line.split("=", 1) for line in self.sock.recv(4096).decode().split("\n"))


@pytest.mark.parametrize("abstract", [False, True])
def test_notifications(either, abstract):
    """Ready, reloading and ready again, ending: in this order, with words for people."""
    manager = Manager(either, abstract)
    user = either.user()
    either.start()
    said = manager.hear()
    assert said["READY"] == "1" and said["MAINPID"] == str(either.process.pid)
    c = either.login(user)
    reload(either)
    said = manager.hear()
    assert said["RELOADING"] == "1" and int(said["MONOTONIC_USEC"]) > 0
    said = manager.hear()
    assert said["READY"] == "1" and "1 earlier" in said["STATUS"]
    reload(either, "stays in force", extra="no-such-statement;")
    assert manager.hear()["RELOADING"] == "1"
    said = manager.hear()
    assert said["READY"] == "1" and "not reloaded" in said["STATUS"]
    c.quit()
    either.stop()
    assert manager.hear()["STOPPING"] == "1"


def test_detached_daemon_names_its_process(daemon):
    manager = Manager(daemon)
    pidfile = daemon.top / "run" / "a.pid"
    daemon.user()
    daemon.extra = f'foreground no; pidfile "{pidfile}";'
    assert daemon.run().returncode == 0
    pid = int(pidfile.read_text())
    try:
        assert manager.hear()["MAINPID"] == str(pid)
    finally:
        os.kill(pid, signal.SIGTERM)
        assert wait_for(lambda: not os.path.exists(f"/proc/{pid}"))


# --- sockets ---


def activated(daemon, *listeners):
    """Has the daemon started with these sockets as descriptors 3, 4, ..."""
    command = daemon.command

    def given(*options):
        script = f'export LISTEN_PID=$$ LISTEN_FDS={len(listeners)}; exec "$@"'
        moves = " ".join(f"{3 + i}<&{s.fileno()}" for i, s in enumerate(listeners))
        return ["bash", "-c", f"exec {moves}; {script}", "bash", *command(*options)]

    daemon.command = given
    return [s.fileno() for s in listeners]


@pytest.fixture
def popen_passing(monkeypatch):
    """subprocess.Popen that passes these descriptors on."""
    fds = []
    real = subprocess.Popen

    def popen(*args, **kw):
        return real(*args, **{**kw, "pass_fds": fds})

    monkeypatch.setattr(subprocess, "Popen", popen)
    return fds


def listener(address, backlog=100):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address)
    s.listen(backlog)
    return s


def test_given_sockets_are_used(daemon, popen_passing):
    """For the servers of their addresses, over reloads and restarts; who connects meanwhile waits."""
    user = daemon.user()
    path = str(daemon.top / "given.socket")
    second = free_port()
    with listener(daemon.address) as first, listener(path) as unix:
        os.chmod(path, 0o666)
        popen_passing.extend(activated(daemon, first, unix))
        servers = f"server unix://{path} {{}} server 127.0.0.1:{daemon.port} {{}}"
        daemon.start(servers=servers + f"server 127.0.0.1:{second} {{}}")
        for address in (daemon.address, path, ("127.0.0.1", second)):
            with Pop3(address) as c:
                c.login(user)
                c.quit()
        reload(daemon, servers=servers)
        for address in (daemon.address, path):
            with Pop3(address) as c:
                c.login(user)
                c.quit()
        daemon.stop()
        assert os.path.exists(path)
        early = Pop3(daemon.address, greeting=False)
        daemon.start()
        assert early.line().startswith(b"+OK")
        early.login(user)
        early.quit()


def test_given_socket_without_a_server(daemon, popen_passing):
    """Its clients would wait for ever: the daemon does not start, and says what to do; nor is that reloaded."""
    other = free_port()
    with listener(daemon.address) as first, listener(("127.0.0.1", other)) as second:
        popen_passing.extend(activated(daemon, first, second))
        result = daemon.run()
        assert result.returncode == 78 and f"inet://127.0.0.1:{other}" in result.stderr
        servers = f"server 127.0.0.1:{daemon.port} {{}}"
        daemon.user()
        daemon.start(servers=servers + f"server 127.0.0.1:{other} {{}}")
        reload(daemon, "stays in force", servers=servers)
        with Pop3(("127.0.0.1", other)) as c:
            c.quit()


def test_given_descriptor_that_does_not_listen(daemon, popen_passing):
    with socket.socketpair()[0] as s:
        popen_passing.extend(activated(daemon, s))
        result = daemon.run()
        assert result.returncode == 78 and "no listening socket" in result.stderr


def test_sockets_of_somebody_else_are_not_ours(daemon):
    """LISTEN_PID is another process: the descriptors are closed like any other."""
    environment = daemon.environment
    daemon.environment = lambda: {**environment(), "LISTEN_PID": "1", "LISTEN_FDS": "5"}
    user = daemon.user()
    daemon.login(user).quit()


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="needs systemd-socket-activate")
def test_socket_activate(daemon):
    """With the real thing: the first connection starts the daemon, and is served."""
    user = daemon.user()
    daemon.write_config()
    with open(daemon.log_file, "ab") as log:
        daemon.process = subprocess.Popen(
            ["systemd-socket-activate", f"--listen=127.0.0.1:{daemon.port}", *daemon.command()],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=daemon.environment(), start_new_session=True,
            **daemon.identity())
    c = wait_for(lambda: connected(daemon.address))
    assert c.line().startswith(b"+OK"), daemon.log()
    c.login(user)
    c.quit()


def connected(address):
    try:
        return Pop3(address, greeting=False)
    except ConnectionRefusedError:
        return None


# --- the unit ---


def setting(unit, name):
    lines = (UNITS / unit).read_text(encoding="ascii").splitlines()
    return " ".join(line.split("=", 1)[1] for line in lines if line.startswith(name + "="))


@pytest.mark.needs_root
@pytest.mark.parametrize("unit", ["pop3d.service.in", "pop3d@.service.in"])
def test_capabilities_of_the_unit_suffice(daemon, unit):
    """With the bounding set of the unit and no new privileges: a session, with deletions, a reload, an end."""
    caps = ",".join("+" + c.lower().removeprefix("cap_") for c in setting(unit, "CapabilityBoundingSet").split())
    command = daemon.command
    daemon.command = lambda *options: ["setpriv", f"--bounding-set=-all,{caps}", "--no-new-privs", *command(*options)]
    user = daemon.user()
    user.deliver(MESSAGE)
    daemon.start()
    status = Path(f"/proc/{daemon.role_pids('pop3d-master')[0]}/status").read_text(encoding="ascii")
    ours = int(re.search(r"CapBnd:\t(\w+)", Path("/proc/self/status").read_text(encoding="ascii"))[1], 16)
    assert int(re.search(r"CapBnd:\t(\w+)", status)[1], 16).bit_count() <= min(caps.count("+"), ours.bit_count())
    c = daemon.login(user)
    c.ok("DELE 1")
    reload(daemon)
    c.quit()
    assert user.inbox.files() == []
    daemon.login(user).quit()
    assert {short_name(pid) for pid in daemon.pids()} >= {"pop3d-front", "pop3d-store"}


def test_unit_reloads_and_stops_as_the_daemon_has_it():
    assert setting("pop3d.service.in", "Type") == "notify" and setting("pop3d.service.in", "KillMode") == "mixed"
    assert "-HUP $MAINPID" in setting("pop3d.service.in", "ExecReload")


def calls_of(group):
    """System calls of a group of systemd's."""
    out = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True).stdout
    words = {line.strip() for line in out.splitlines()[1:] if line.strip() and not line.strip().startswith("#")}
    return {w for w in words if w[0] != "@"}.union(*(calls_of(w) for w in words if w[0] == "@"))


@pytest.mark.needs_root
@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own system calls would be counted")
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_system_calls_of_the_unit_suffice(daemon):
    """All that processes make from the start to the end, over a reload, the unit's filter lets through."""
    words = setting("pop3d.service.in", "SystemCallFilter").split()
    may = {w for w in words if w[0] != "@"}.union(*(calls_of(w) for w in words if w[0] == "@"))
    trace, command = daemon.top / "trace", daemon.command
    daemon.command = lambda *options: ["strace", "-f", "-qq", "-o", trace, *command(*options)]
    user = daemon.user()
    user.deliver(MESSAGE)
    c = daemon.login(user)
    c.ok("DELE 1")
    keeper, = (pid for pid in daemon.pids() if short_name(pid) == "pop3d")
    os.kill(keeper, signal.SIGHUP)
    daemon.wait_log("configuration reloaded")
    c.quit()
    os.kill(keeper, signal.SIGTERM)
    daemon.process.wait(60)
    daemon.process = None
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(encoding="ascii", errors="replace"), re.M))
    assert {"seccomp", "chroot", "accept4"} <= made and not made - may, made - may
