"""Running it: how it ends, and how it takes a new configuration while it serves."""

import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from pop3 import Gone, Pop3
from server import SANITIZED, free_port, process_name, wait_for
from system_log import SystemLog

MESSAGE = "Subject: a\n\nbody\n"


def term(daemon):
    daemon.process.send_signal(signal.SIGTERM)


def ended(daemon, code=0):
    """Waits for its end; nothing may be left, which stop() looks at."""
    assert wait_for(lambda: daemon.process.poll() is not None), daemon.log()
    daemon.stop(code=code)


def reload(daemon, said="configuration reloaded", **kw):
    """Writes a new configuration and has it read; waits for the line that tells the outcome."""
    for name, value in kw.items():
        setattr(daemon, name, value)
    daemon.write_config()
    before = daemon.log().count(said)
    daemon.process.send_signal(signal.SIGHUP)
    assert wait_for(lambda: daemon.log().count(said) > before), f"no {said!r}\n" + daemon.log()


def master_pids(daemon):
    """The children of the first process: a child of theirs has their name until it has one of its own."""
    children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text(encoding="ascii")
    return [int(pid) for pid in children.split()]


def masters(daemon):
    return len(master_pids(daemon))


def refused(address):
    try:
        Pop3(address).close()
    except ConnectionRefusedError:
        return True
    except (Gone, ConnectionResetError):  # it came into the queue of a socket that was being closed
        pass
    return False


# --- the end ---


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_sessions_may_finish(daemon, sig):
    """Nobody comes in any more, who is not logged in is told, who is logged in goes on and deletes."""
    user, waiting = daemon.user(), daemon.user()
    user.deliver(MESSAGE)
    daemon.start(extra="shutdown-timeout 600;")
    c, idle, late = daemon.login(user), daemon.connect(), daemon.connect()
    late.ok(f"USER {waiting.login}")
    daemon.process.send_signal(sig)
    for other in (idle, late):
        assert other.line().startswith(b"-ERR [SYS/TEMP]") and other.at_end()
    assert wait_for(lambda: refused(daemon.address))
    assert c.retr(1).startswith(b"Subject: a")
    c.ok("DELE 1")
    assert daemon.process.poll() is None
    c.quit()
    ended(daemon)
    assert user.inbox.files() == []
    assert daemon.log().count(") terminated\n") == 1


def test_shutdown_timeout(daemon):
    """Who stays longer is told, and nothing of his is deleted."""
    user = daemon.user()
    user.deliver(MESSAGE)
    daemon.start(extra="shutdown-timeout 1;")
    c = daemon.login(user)
    c.ok("DELE 1")
    term(daemon)
    assert c.line().startswith(b"-ERR [SYS/TEMP]") and c.at_end()
    ended(daemon)
    assert len(user.inbox.files()) == 1
    assert 'reason="shutdown"' in daemon.log()


def waits(daemon):
    """The first process has dealt with the signals it was sent: two that it finds at the same time would be one."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="ascii")
    return "\nState:\tS" in status and not any(int(n, 16) for n in re.findall(r"(?:Sig|Shd)Pnd:\t(\w+)", status))


def test_second_signal_hurries(daemon):
    """It ends sessions at once; a third ends even processes that hang."""
    user = daemon.user()
    user.deliver(MESSAGE)
    daemon.start(extra="shutdown-timeout 600;")
    c = daemon.login(user)
    term(daemon)
    assert wait_for(lambda: refused(daemon.address))
    c.ok("NOOP")
    term(daemon)
    assert c.line().startswith(b"-ERR [SYS/TEMP]") and c.at_end()
    ended(daemon)
    daemon.start()
    daemon.alarms_expected = True
    for pid in daemon.role_pids("pop3d-front"):
        os.kill(pid, signal.SIGSTOP)
    for _ in range(3):
        left = daemon.process.poll()
        term(daemon)
        assert wait_for(lambda: daemon.process.poll() is not None or waits(daemon))
    assert left is None and wait_for(lambda: daemon.process.poll() is not None, 20), daemon.log()


def queued(pid):
    """A stopped process has something to read."""
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    out = subprocess.run(["ss", "-x", "-a", "-H"], capture_output=True, text=True).stdout
    for line in out.splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[5] in inodes and int(fields[2]) > 0:
            return True
    return False


@pytest.mark.needs_root
def test_commit_under_way_is_finished_and_answered(daemon):
    """Even when all others are ended."""
    user = daemon.user()
    for _ in range(3):
        user.deliver(MESSAGE)
    daemon.start(extra="shutdown-timeout 0;")
    c = daemon.login(user)
    for n in (1, 2, 3):
        c.ok(f"DELE {n}")
    worker, = daemon.role_pids("pop3d-store")
    os.kill(worker, signal.SIGSTOP)  # a disk that is slow
    c.say("QUIT")
    assert wait_for(lambda: queued(worker)), "the commit has not been sent"
    term(daemon)
    assert wait_for(lambda: refused(daemon.address))
    term(daemon)
    os.kill(worker, signal.SIGCONT)
    assert c.line().startswith(b"+OK") and c.at_end()
    ended(daemon)
    assert user.inbox.files() == []


def test_those_who_wait_for_a_place_are_told(daemon):
    user = daemon.user()
    daemon.start(extra="shutdown-timeout 600; max-children 1; client-wait 600;")
    c = daemon.login(user)
    waiting = Pop3(daemon.address, greeting=False)
    daemon.wait_log("clients wait")
    term(daemon)
    assert b"Shutting down" in waiting.line() and waiting.at_end()
    c.quit()
    ended(daemon)


def test_what_the_kernel_accepted_is_told(daemon):
    """Connections that no front had taken yet are not just reset, however many; `backlog` says nothing of them."""
    daemon.user()
    daemon.start(server="backlog 3;")
    fronts = daemon.role_pids("pop3d-front")
    for pid in fronts:
        os.kill(pid, signal.SIGSTOP)
    clients = [Pop3(daemon.address, greeting=False) for _ in range(20)]
    assert wait_for(lambda: daemon.unaccepted() == 20)
    term(daemon)
    assert wait_for(lambda: all(map(queued, fronts))), "they have not been told"
    for pid in fronts:
        os.kill(pid, signal.SIGCONT)
    greeted = 0
    for c in clients:
        said = c.line()
        if said.startswith(b"+OK"):  # by a front that the kernel had told of a client before it was stopped
            greeted, said = greeted + 1, c.line()
        assert said.startswith(b"-ERR [SYS/TEMP]") and c.at_end()
    assert greeted <= len(fronts)
    ended(daemon)


# --- reload ---


class Polling(threading.Thread):
    """A client that polls again and again, and keeps what went wrong."""

    def __init__(self, daemon, user):
        super().__init__()
        self.daemon, self.user = daemon, user
        self.done, self.wrong = 0, []
        self.end = threading.Event()

    def run(self):
        while not self.end.is_set():
            try:
                with Pop3(self.daemon.address) as c:
                    c.login(self.user)
                    c.stat()
                    c.quit()
                self.done += 1
            except (Gone, OSError, AssertionError) as e:
                self.wrong.append(repr(e))


def test_reload_under_load_loses_nobody(either):
    daemon = either
    users = [daemon.user() for _ in range(3)]
    daemon.start()
    polling = [Polling(daemon, u) for u in users]
    for p in polling:
        p.start()
    try:
        for i in range(4):
            before = [p.done for p in polling]
            reload(daemon)
            assert wait_for(lambda: all(p.done > b for p, b in zip(polling, before)))
    finally:
        for p in polling:
            p.end.set()
        for p in polling:
            p.join()
    assert [p.wrong for p in polling] == [[]] * 3
    assert wait_for(lambda: masters(daemon) == 1)


def test_old_sessions_go_on(daemon):
    """With their old configuration, in whatever state they are, to their end; new ones have the new configuration."""
    user, other, third = daemon.user(), daemon.user(), daemon.user()
    user.deliver(MESSAGE)
    daemon.start(extra="line-limit 300;")
    c, early = daemon.login(user), daemon.connect()
    reload(daemon, extra="line-limit 2000;")
    n = daemon.login(third)
    n.ok("NOOP" + " " * 1500)
    c.err("NOOP" + " " * 300)
    early.login(other)  # had not logged in before the reload
    early.quit()
    with daemon.connect() as again:
        again.ok(f"USER {user.login}")
        again.err(f"PASS {user.password}", "IN-USE")  # session locks span generations
    assert masters(daemon) == 2
    c.ok("DELE 1")
    c.quit()
    assert user.inbox.files() == []
    assert wait_for(lambda: masters(daemon) == 1)
    n.quit()


@pytest.mark.parametrize("extra, said", [
    ("no-such-statement 1;", "pop3d.conf:"),
    ("line-limit x;", "pop3d.conf:"),
    ("mode inetd;", "another mode"),
    ('runtime-dir "/proc/pop3d";', "/proc/pop3d"),
    ("auth { authorization sql; authentication sql; }", "sql"),
])
def test_broken_configuration_changes_nothing(daemon, extra, said):
    user = daemon.user()
    daemon.start()
    c = daemon.login(user)
    daemon.wait_spares()
    pids = set(daemon.pids())
    reload(daemon, "the one before stays in force", extra=extra)
    assert said in daemon.log()
    assert wait_for(lambda: set(daemon.pids()) == pids)  # whatever was started has ended
    c.ok("NOOP")
    c.quit()
    daemon.login(user).quit()
    reload(daemon, extra="")
    daemon.login(user).quit()


def test_role_that_does_not_come_up(unprivileged):
    """The new processes have no descriptors for their channels; those that serve stay."""
    daemon = unprivileged
    user = daemon.user()
    daemon.start()
    pids, keeper = set(daemon.pids()), daemon.pids()[0]
    few = max(int(fd) for fd in os.listdir(f"/proc/{keeper}/fd")) + 12
    subprocess.run(["prlimit", f"--pid={keeper}", f"--nofile={few}:{few}"], check=True, **daemon.identity())
    reload(daemon, "the one before stays in force")
    assert "Too many open files" in daemon.log()
    assert wait_for(lambda: set(daemon.pids()) == pids)
    daemon.login(user).quit()


def test_servers_come_and_go(daemon):
    """A new address is served, one that is gone is refused, one that stays was never closed."""
    user = daemon.user()
    path, second = daemon.top / "pop3.socket", free_port()
    first = daemon.servers = f"server 127.0.0.1:{daemon.port} {{}} "
    daemon.start(servers=first + f"server unix://{path} {{}}")
    old = Pop3(str(path))
    reload(daemon, servers=f"server 127.0.0.1:{second} {{}} " + first)
    assert not path.exists()
    with pytest.raises(OSError):
        Pop3(str(path))
    for address in (daemon.address, ("127.0.0.1", second)):
        with Pop3(address) as c:
            c.login(user)
            c.quit()
    old.login(user)
    old.quit()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        taken = s.getsockname()[1]
        reload(daemon, "the one before stays in force", servers=first + f"server 127.0.0.1:{taken} {{}}")
    assert f"cannot open connection on inet://127.0.0.1:{taken}" in daemon.log()
    with Pop3(("127.0.0.1", second)) as c:
        c.quit()


@pytest.mark.parametrize("before, after", [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("[::]", "[::1]")])
def test_addresses_that_overlap(daemon, before, after):
    """The kernel does not let both be open at once, and a reload closes nothing before the new servers serve: it says what to do."""
    family = "inet6" if "[" in before else "inet"
    host = "::1" if "[" in before else "127.0.0.1"
    daemon.start(servers=f'server "{before}:{daemon.port}" {{}}')
    with Pop3((host, daemon.port)) as c:
        c.quit()
    reload(daemon, "the one before stays in force", servers=f'server "{after}:{daemon.port}" {{}}')
    old, new = (f"{family}://{a}:{daemon.port}" for a in (before, after))
    assert f"{old} and {new} overlap: a reload cannot exchange one for the other, stop pop3d and start it again" in daemon.log()
    with Pop3((host, daemon.port)) as c:
        c.quit()
    daemon.restart()
    with Pop3((host, daemon.port)) as c:
        c.quit()


def test_limits_count_old_sessions(daemon):
    """max-children and max-per-address hold over a reload, also where they are new."""
    user, other = daemon.user(), daemon.user()
    daemon.start(extra="max-children 2; client-wait 0;")
    old = daemon.login(user)
    reload(daemon)
    second = daemon.connect()
    assert b"Too many" in Pop3(daemon.address).greeting
    old.quit()
    assert wait_for(lambda: masters(daemon) == 1)
    third = daemon.connect()
    third.quit()
    second.quit()
    old = daemon.login(user)
    reload(daemon, extra="max-per-address 2;")
    c = daemon.login(other)
    assert b"Too many clients from your address" in Pop3(daemon.address).greeting
    old.quit()
    assert wait_for(lambda: masters(daemon) == 1)
    again = daemon.connect()
    again.quit()
    c.quit()


def test_who_waits_gets_the_place_of_an_old_session(daemon):
    """In the order in which they came, whichever configuration they came under."""
    user = daemon.user()
    daemon.start(extra="max-children 1; client-wait 600;")
    old = daemon.login(user)
    first = Pop3(daemon.address, greeting=False)
    daemon.wait_log("clients wait")
    reload(daemon)
    second = Pop3(daemon.address, greeting=False)
    old.quit()
    assert first.line().startswith(b"+OK")
    first.quit()
    assert second.line().startswith(b"+OK")
    second.quit()
    assert wait_for(lambda: masters(daemon) == 1)


def test_many_reloads_with_sessions_open(daemon):
    """Ten in a row, each with a session that goes on; one too many is refused, until some have gone."""
    users = [daemon.user() for _ in range(20)]
    for u in users:
        u.deliver(MESSAGE)
    daemon.start()
    sessions = []
    for u in users[:10]:
        sessions.append(daemon.login(u))
        reload(daemon)
    assert masters(daemon) == 11
    for u in users[10:15]:
        sessions.append(daemon.login(u))
        reload(daemon)
    sessions.append(daemon.login(users[15]))
    reload(daemon, "there may be no more")
    for c in sessions[:4]:
        c.ok("DELE 1")
        c.quit()
    assert wait_for(lambda: masters(daemon) == 12)
    reload(daemon)
    for c in sessions[4:]:
        assert c.stat()[0] == 1
        c.quit()
    assert wait_for(lambda: masters(daemon) == 1)


def test_reloads_leave_nothing(daemon):
    """Neither descriptors nor memory of configurations that are no more."""
    user = daemon.user()
    daemon.start()

    def settled():
        return masters(daemon) == 1

    for _ in range(3):
        reload(daemon)
    assert wait_for(settled)
    keeper = daemon.pids()[0]
    fds = len(os.listdir(f"/proc/{keeper}/fd"))

    def kib():
        text = Path(f"/proc/{keeper}/smaps_rollup").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty"))

    before = kib()
    for _ in range(15):
        reload(daemon)
        assert wait_for(settled)
    assert len(os.listdir(f"/proc/{keeper}/fd")) == fds
    if not SANITIZED:  # whose allocator keeps what was freed
        assert kib() <= before + 128
    daemon.login(user).quit()


def test_reloads_at_once(daemon):
    """Signals while one is under way are one more reload, and the last file counts."""
    daemon.user()
    daemon.start()
    for limit in range(300, 330):
        daemon.extra = f"line-limit {limit};"
        daemon.write_config()
        daemon.process.send_signal(signal.SIGHUP)
    c = wait_for(lambda: limited(daemon, 329))
    assert c, daemon.log()
    assert wait_for(lambda: masters(daemon) == 1)


def limited(daemon, octets):
    """The line limit of a new session."""
    with daemon.connect() as c:
        return not c.cmd("NOOP" + " " * (octets - 8)).startswith(b"-ERR Arg") and \
            c.cmd("NOOP" + " " * (octets - 3)).startswith(b"-ERR Arg")


def test_end_while_old_sessions_go_on(daemon):
    """SIGTERM is for all configurations' sessions."""
    users = [daemon.user() for _ in range(3)]
    daemon.start(extra="shutdown-timeout 600;")
    sessions = []
    for u in users:
        sessions.append(daemon.login(u))
        reload(daemon)
    term(daemon)
    assert wait_for(lambda: refused(daemon.address))
    for c in sessions:
        c.ok("NOOP")
        c.quit()
    ended(daemon)


def test_pidfile_and_log_follow(daemon):
    """What the new configuration says of them holds for the first process, too."""
    first, second = daemon.top / "run" / "a.pid", daemon.top / "run" / "b.pid"
    daemon.start(extra=f'pidfile "{first}";')
    assert first.read_text() == str(daemon.process.pid)
    reload(daemon, extra=f'pidfile "{second}"; logging {{ tag other; }}')
    assert not first.exists() and second.read_text() == str(daemon.process.pid)
    assert "other: info: configuration reloaded" in daemon.log()
    daemon.stop()
    assert not second.exists()


@pytest.mark.needs_root
def test_first_process_finds_the_log_again(daemon):
    """The system's log is restarted: the lines about reloads come through, though the process says little else."""
    with SystemLog() as log:
        daemon.user()
        daemon.start(extra="logging { syslog yes; }")
        log.wait(r"\) started$")
        log.close()
        log.open()

        def heard():
            daemon.process.send_signal(signal.SIGHUP)
            try:
                return log.wait(r"configuration reloaded$", 2)
            except TimeoutError:
                return False

        assert wait_for(heard)


def test_master_dies(daemon):
    """That of an earlier configuration takes its sessions along, and gives their places back."""
    daemon.alarms_expected = True
    users = [daemon.user(), daemon.user()]
    daemon.start(extra="max-children 2; client-wait 0;")
    old, = master_pids(daemon)
    fronts = daemon.role_pids("pop3d-front")
    c = daemon.login(users[0])
    reload(daemon)
    other = daemon.login(users[1])
    assert b"Too many" in Pop3(daemon.address).greeting
    for pid in fronts:  # they cannot give back anything themselves
        if process_name(pid):
            os.kill(pid, signal.SIGSTOP)
    os.kill(old, signal.SIGKILL)
    with pytest.raises((Gone, ConnectionError)):
        c.line()
    assert wait_for(lambda: Pop3(daemon.address).greeting.startswith(b"+OK"))
    other.ok("NOOP")


def kill_master(daemon):
    pid, = master_pids(daemon)
    os.kill(pid, signal.SIGKILL)


def test_master_of_the_configuration_in_force_dies(daemon):
    """Its sessions end, nothing of theirs is deleted, and the next client is served: by another one, with the same sockets. Over and over."""
    daemon.alarms_expected = True
    user = daemon.user()
    user.deliver(MESSAGE)
    daemon.start(extra="max-children 2; client-wait 2; line-limit 300;")
    keeper = daemon.pids()[0]
    fds = len(os.listdir(f"/proc/{keeper}/fd"))
    for n in range(1, 4):
        c, idle = daemon.login(user), daemon.connect()
        c.ok("DELE 1")
        kill_master(daemon)
        with pytest.raises((Gone, ConnectionError)):  # where store ends first, front says so
            while c.line().startswith(b"-ERR [SYS/TEMP]"):
                pass
        with pytest.raises((Gone, ConnectionError)):
            idle.line()
        assert wait_for(lambda: daemon.log().count("has a master again") == n), daemon.log()
        with daemon.login(user) as c:
            assert c.stat()[0] == 1
            assert c.cmd("NOOP" + " " * 300).startswith(b"-ERR")
            second = daemon.connect()  # the places of the dead are free, and counted as before
            assert b"Too many" in Pop3(daemon.address).greeting
            second.quit()
            c.quit()
        assert wait_for(lambda: masters(daemon) == 1)
    assert len(os.listdir(f"/proc/{keeper}/fd")) == fds
    reload(daemon, extra="line-limit 2000;")
    with daemon.login(user) as c:
        c.ok("NOOP" + " " * 1000)
        c.quit()


@pytest.mark.parametrize("extra, said", [
    ("line-limit 2000;", "configuration reloaded"),
    ("no-such-statement 1;", "the one before stays in force"),
])
def test_master_dies_and_the_configuration_is_another_one(daemon, extra, said):
    """What counts is the configuration in force, until a reload; and that may come at any moment."""
    daemon.alarms_expected = True
    user = daemon.user()
    daemon.start(extra="line-limit 300;")
    others = daemon.pids()[1:]
    kill_master(daemon)
    reload(daemon, said, extra=extra)
    assert wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in others))  # a front of theirs could take the next client
    assert wait_for(lambda: masters(daemon) == 1)
    with daemon.login(user) as c:
        assert c.cmd("NOOP" + " " * 1000).startswith(b"+OK" if "reloaded" in said else b"-ERR")
        c.quit()
    before = daemon.log().count("has a master again")
    kill_master(daemon)
    assert wait_for(lambda: daemon.log().count("has a master again") > before)
    daemon.login(user).quit()


def test_end_while_there_is_no_master(daemon):
    """It cannot come up again (as a user may have no more processes): the daemon waits, and ends when it is told to."""
    daemon.alarms_expected = True
    daemon.user()
    daemon.start()
    keeper = daemon.pids()[0]
    few = max(int(fd) for fd in os.listdir(f"/proc/{keeper}/fd")) + 12
    subprocess.run(["prlimit", f"--pid={keeper}", f"--nofile={few}:{few}"], check=True)
    kill_master(daemon)
    assert wait_for(lambda: daemon.log().count("Too many open files") >= 2)
    assert daemon.process.poll() is None


def test_detached_daemon_finds_its_configuration_again(daemon):
    """Named from the working directory that it left; with an error, which nobody sees but the log."""
    pidfile = daemon.top / "run" / "pop3d.pid"
    user = daemon.user()
    daemon.extra = f'foreground no; pidfile "{pidfile}";'
    daemon.write_config()
    command = [daemon.binary, "--config-file=pop3d.conf"]
    subprocess.run(command, cwd=daemon.top, env=daemon.environment(), check=True, timeout=30, **daemon.identity())
    pid = int(pidfile.read_text())
    try:
        daemon.extra += f"server 127.0.0.1:{free_port()} {{}}"
        daemon.write_config()
        os.kill(pid, signal.SIGHUP)
        extra = ("127.0.0.1", int(daemon.extra.rsplit(":", 1)[1].split()[0]))
        assert wait_for(lambda: not refused(extra))
        with Pop3(extra) as c:
            c.login(user)
            c.quit()
    finally:
        os.kill(pid, signal.SIGTERM)
        assert wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
