"""The processes: who dies, who notices, who comes back; starting, detaching, ending."""

import os
import re
import resource
import signal
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from pop3 import Gone, Pop3
from server import descriptors_of, process_name, short_name, wait_for
from system_log import SystemLog

MESSAGE = "Subject: a\n\nbody\n"
LARGE = "Subject: large\n\n" + "0123456789abcdef\n" * 500000


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: not alive(pid))


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")")[1].split()[0]


def alive(pid):
    try:
        return state(pid) != "Z"
    except OSError:
        return False


def replaced(daemon, role, pid, n):
    """Waits until there are n processes of this role again, and pid is none of them; their pids."""
    pids = wait_for(lambda: len(p := set(daemon.role_pids("pop3d-" + role)) - {pid}) == n and p)
    assert pids, f"{role} {pid} was not replaced:\n" + daemon.log()
    return pids


def server_inode(client):
    """The inode of the server's end of this client's connection."""
    ours = [client.sock.getpeername()[1], client.sock.getsockname()[1]]
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if [int(f.split(":")[1], 16) for f in fields[1:3]] == ours and fields[3] == "01":
            return fields[9]
    raise LookupError("connection not found")


def holder(daemon, client):
    """The front that has this client."""
    wanted = f"socket:[{server_inode(client)}]"
    for pid in daemon.role_pids("pop3d-front"):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}") == wanted:
                    return pid
            except OSError:
                continue
    raise LookupError("no front has it")


def in_two_fronts(daemon, user_of, n=40):
    """Clients, until two fronts have some: {pid: [client]}."""
    fronts = {}
    for i in range(n):
        c = user_of(i)
        fronts.setdefault(holder(daemon, c), []).append(c)
        if len(fronts) > 1 and i >= 3:
            return fronts
    pytest.skip("one front took all clients")


# --- deaths ---


@pytest.mark.needs_root
def test_front_dies(daemon):
    """Its clients lose their connections, others' sessions go on, and its places are free again."""
    daemon.alarms_expected = True
    users = [daemon.user() for _ in range(40)]
    for u in users:
        u.deliver(MESSAGE)
    daemon.start(extra="max-children 40;")
    fronts = in_two_fronts(daemon, lambda i: daemon.login(users[i]))
    n = len(daemon.role_pids("pop3d-front"))
    dead, other = list(fronts)[:2]
    kill(dead)
    for c in fronts[dead]:
        with pytest.raises(Gone):
            c.cmd("NOOP")
            c.cmd("NOOP")
    replaced(daemon, "front", dead, n)
    for c in fronts[other]:
        assert c.retr(1).startswith(b"Subject: a")
    # as many as there are places, although nobody gave back those of the dead one
    left = len(fronts[other]) + sum(len(cs) for pid, cs in fronts.items() if pid not in (dead, other))
    fresh = [daemon.connect() for _ in range(40 - left)]
    for c in fresh + fronts[other]:
        c.quit()


@pytest.mark.needs_root
def test_locks_of_a_dead_front_are_free(daemon):
    """Store ends the sessions of a front that died, deletes nothing, and the maildrops can be opened again."""
    daemon.alarms_expected = True
    user = daemon.user()
    user.deliver(MESSAGE)
    c = daemon.login(user)
    c.ok("DELE 1")
    kill(holder(daemon, c))
    c = daemon.login(user)
    assert c.stat()[0] == 1
    c.quit()


@pytest.mark.needs_root
def test_store_dies(daemon):
    """Its sessions end with a reply, those of other owners go on; the next login starts another worker."""
    daemon.alarms_expected = True
    victim, other = daemon.user(), daemon.user()
    for u in (victim, other):
        u.deliver(MESSAGE)
    c, o = daemon.login(victim), daemon.login(other)
    pid = next(p for p in daemon.role_pids("pop3d-store") if os.stat(f"/proc/{p}").st_uid == victim.uid or
               f"Uid:\t{victim.uid}" in Path(f"/proc/{p}/status").read_text(encoding="ascii"))
    kill(pid)
    line = c.line()
    assert line.startswith(b"-ERR [SYS/TEMP]"), line
    assert c.at_end()
    assert o.retr(1).startswith(b"Subject: a")
    o.quit()
    c = daemon.connect()
    assert wait_for(lambda: c.ok(f"USER {victim.login}") and c.cmd(f"PASS {victim.password}").startswith(b"+OK"))  # auth has yet to hear of it
    assert c.stat()[0] == 1
    c.quit()


def test_store_dies_in_the_middle_of_a_message(daemon):
    """No message is completed that is not whole, and none is followed by an error that looks like mail."""
    daemon.alarms_expected = True
    user = daemon.user()
    user.deliver(LARGE)
    c = daemon.connect(rcvbuf=4096)
    c.login(user)
    c.ok("RETR 1")
    kill(daemon.role_pids("pop3d-store")[0])
    whole = LARGE.replace("\n", "\r\n").encode()
    try:
        assert c.octets() == whole  # front may have had the file in hand already
    except Gone:
        pass


@pytest.mark.needs_root
def test_store_dies_before_it_serves(daemon):
    """Who waits for a worker that ends with his login is told at once (a client of ours waits 20 seconds, front would for 30), and
    can try again on the same connection."""
    daemon.alarms_expected = True
    user = daemon.user()
    c = daemon.connect()
    spares = daemon.wait_spares()
    for pid in spares:
        os.kill(pid, signal.SIGSTOP)
    c.ok(f"USER {user.login}")
    c.say(f"PASS {user.password}")
    # one has been given the login, another one has come
    assert wait_for(lambda: set(daemon.role_pids("pop3d-spare")) - spares), daemon.log()
    for pid in spares:
        kill(pid)
    assert c.line().startswith(b"-ERR [SYS/TEMP]")
    assert 'reason="the store process ended"' in daemon.log()
    c.login(user)
    c.quit()


@pytest.mark.parametrize("role", ["auth", "hash"])
def test_look_ups_die(daemon, role):
    """Sessions do not notice; who logs in meanwhile is served or asked to try again, and keeps the connection."""
    daemon.alarms_expected = True
    user = daemon.user()
    user.deliver(MESSAGE)
    session = daemon.login(user)
    late = [daemon.connect() for _ in range(4)]
    pids = daemon.role_pids("pop3d-" + role)
    for pid in pids:
        kill(pid)
    others = [daemon.user() for _ in late]
    for c, u in zip(late, others):
        c.ok(f"USER {u.login}")
        reply = c.cmd(f"PASS {u.password}")
        if not reply.startswith(b"+OK"):
            assert reply.startswith(b"-ERR [SYS/TEMP]"), reply
    assert session.retr(1).startswith(b"Subject: a")
    session.quit()
    for pid in pids:
        replaced(daemon, role, pid, len(pids))
    for c in late:
        c.close()
    for u in others:
        daemon.login(u).quit()


class Load(threading.Thread):
    """A client that polls one maildrop again and again, and counts what went wrong."""

    def __init__(self, daemon, user):
        super().__init__()
        self.daemon, self.user = daemon, user
        self.done, self.lost, self.strange = 0, 0, []
        self.end = threading.Event()

    def session(self):
        with Pop3(self.daemon.address) as c:
            for command in (f"USER {self.user.login}", f"PASS {self.user.password}", "STAT", "NOOP"):
                reply = c.cmd(command)
                if reply.startswith((b"-ERR [SYS/TEMP]", b"-ERR [IN-USE]")):
                    self.lost += 1
                    return
                if not reply.startswith(b"+OK"):
                    self.strange.append((command, reply))
                    return
            reply = c.cmd("RETR 1")
            if reply.startswith(b"-ERR [SYS/TEMP]"):
                self.lost += 1
                return
            if c.octets() != MESSAGE.replace("\n", "\r\n").encode():
                self.strange.append("another message")
            c.cmd("QUIT")
            self.done += 1

    def run(self):
        while not self.end.is_set():
            try:
                self.session()
            except (Gone, OSError):
                self.lost += 1


def test_every_child_killed_in_turn_under_load(either):
    """Sessions are lost with the process that had them and no others; each is replaced; no mail is lost."""
    daemon = either
    daemon.alarms_expected = True
    users = [daemon.user() for _ in range(6)]
    for u in users:
        u.deliver(MESSAGE)
    daemon.start()
    loads = [Load(daemon, u) for u in users]
    for load in loads:
        load.start()
    try:
        for role in ("hash", "auth", "store", "front"):
            for pid in daemon.role_pids("pop3d-" + role):
                n = len(daemon.role_pids("pop3d-" + role))
                before = [load.done for load in loads]
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                if role != "store":
                    replaced(daemon, role, pid, n)
                assert wait_for(lambda: all(load.done > b for load, b in zip(loads, before))), daemon.log()
    finally:
        for load in loads:
            load.end.set()
        for load in loads:
            load.join()
    assert not [load.strange for load in loads if load.strange]
    for u in users:
        assert len(u.inbox.files()) == 1


def test_back_off(daemon):
    """A process that keeps dying is replaced later and later (the bounds are lower ones: a busy machine only adds)."""
    daemon.alarms_expected = True
    daemon.user()
    daemon.start()
    waits = []
    for _ in range(5):
        pid, = daemon.role_pids("pop3d-hash")[:1]
        n = len(daemon.role_pids("pop3d-hash"))
        begin = time.monotonic()
        kill(pid)
        replaced(daemon, "hash", pid, n)
        waits.append(time.monotonic() - begin)
    if n == 1:  # else it was not always the same one
        assert [w >= least for w, least in zip(waits, (0, 0.1, 0.2, 0.4, 0.8))] == [True] * 5, waits
    daemon.login(daemon.user()).quit()


def test_master_killed(daemon):
    """Nobody outlives master."""
    daemon.alarms_expected = True
    user = daemon.user()
    daemon.login(user)
    pids = daemon.pids()
    os.kill(pids[0], signal.SIGKILL)
    daemon.process.wait()
    assert wait_for(lambda: not any(map(alive, pids))), [p for p in pids if alive(p)]
    daemon.process = None
    daemon.start()
    daemon.login(user).quit()


# --- workers ---


def test_owner_has_one_worker(daemon):
    """Users whose mail has one owner share a worker; owners never do."""
    users = [daemon.user(uid=20501 if os.getuid() == 0 else None) for _ in range(6)]
    users += [daemon.user() for _ in range(3)] if os.getuid() == 0 else []
    clients = [daemon.login(u) for u in users]
    assert len(daemon.role_pids("pop3d-store")) == len({u.uid for u in users})
    for c in clients:
        c.quit()


def test_other_owner_without_root(unprivileged):
    """Without root only the caller's mail is served; the log says why another's is not."""
    mine, other = unprivileged.user(), unprivileged.user(uid=4711)
    c = unprivileged.connect()
    c.ok(f"USER {other.login}")
    c.err(f"PASS {other.password}", "SYS/PERM")
    unprivileged.wait_log(r"no maildrop .*uid=4711 .*not started as root")
    assert "not started as root: all processes run as uid" in unprivileged.log()
    unprivileged.login(mine).quit()


# --- start and end ---


@pytest.mark.parametrize("extra, status, said", [
    ('front-user "no-such-user";', 78, "systemd-sysusers"),
    ('auth-user "no-such-user";', 78, "useradd --system"),
    ('front-user root;', 78, "uid 0"),
    ('front-user "_pop3auth";', 78, "two users"),
    ('runtime-dir "/proc/pop3d";', 73, "/proc/pop3d"),
    ('runtime-dir "/tmp";', 73, "/tmp can be written by others"),
])
@pytest.mark.needs_root
def test_cannot_start(daemon, extra, status, said):
    """Each reason has its exit code and a sentence; nobody is left behind."""
    daemon.extra = extra
    result = daemon.run()
    assert result.returncode == status and said in result.stderr, result
    daemon.extra = extra + "foreground no;"
    daemon.write_config()
    result = daemon.run()
    assert result.returncode == status and said in result.stderr, result


@pytest.mark.parametrize("foreground", ["yes", "no"])
def test_failing_role_fails_the_start(unprivileged, foreground):
    """When a process cannot be made, whoever started the daemon hears of it: no success before all are ready."""
    d = unprivileged
    d.user()
    d.extra = f"foreground {foreground};"
    limit = 14
    result = d.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
    assert result.returncode in range(64, 79), result
    assert result.stderr
    with pytest.raises(ConnectionRefusedError):
        Pop3(d.address)


def test_one_address_of_two(daemon):
    """An address that cannot be opened is reported; the others are served."""
    user = daemon.user()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        taken = s.getsockname()[1]
        daemon.start(servers=f"server 127.0.0.1:{taken}; server 127.0.0.1:{daemon.port};".replace(";", " {}"))
        assert f"cannot open connection on inet://127.0.0.1:{taken}: " in daemon.log()
        daemon.login(user).quit()


def test_ipv6_and_ipv4_wildcards(daemon):
    """Both at once on one port: the IPv6 socket takes IPv6 only."""
    user = daemon.user()
    daemon.start(servers=f'server 0.0.0.0:{daemon.port} {{}} server "[::]:{daemon.port}" {{}}')
    daemon.login(user).quit()
    if "inet6://[::]" in daemon.log() and "cannot open" not in daemon.log():
        with Pop3(("::1", daemon.port)) as c:
            c.login(user)
            c.quit()


def test_unix_socket(daemon):
    """0660, replaces a dead one, is not stolen by a second instance, and removed at the end."""
    path = daemon.top / "pop3.socket"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))  # whose owner has died
    user = daemon.user()
    daemon.start(servers=f"server unix://{path} {{}}")
    st = path.stat()
    assert stat.S_ISSOCK(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o660
    result = daemon.run()
    assert result.returncode == 1 and "in use" in result.stderr
    with Pop3(str(path)) as c:
        c.login(user)
        c.quit()
    daemon.stop()
    assert not path.exists()


def test_pidfile_of_somebody_else_stays(daemon):
    """At its end the daemon removes the file that it made, not one that took its place."""
    pidfile = daemon.top / "run" / "pop3d.pid"
    daemon.start(extra=f'pidfile "{pidfile}";')
    assert wait_for(pidfile.exists)
    assert stat.S_IMODE(pidfile.stat().st_mode) == 0o640
    pidfile.unlink()
    pidfile.write_text("1")
    daemon.stop()
    assert pidfile.read_text() == "1"


@pytest.mark.parametrize("name", ["pop3d.pid", "/pop3d.pid"])
def test_invalid_pidfile_is_no_reason_not_to_start(daemon, name):
    user = daemon.user()
    daemon.start(extra=f'pidfile "{name}";')
    daemon.login(user).quit()
    daemon.wait_log(re.escape(f"{name}: invalid name for a pidfile"))
    assert not os.path.exists("/pop3d.pid")


def test_detached_holds_no_terminal(daemon):
    """None of its processes keeps a descriptor of whoever started it: a pipe on standard error ends."""
    pidfile = daemon.top / "run" / "pop3d.pid"
    daemon.user()
    daemon.extra = f'foreground no; pidfile "{pidfile}";'
    daemon.write_config()
    starter = subprocess.Popen(daemon.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=daemon.environment(), **daemon.identity())
    out, err = starter.communicate(timeout=30)  # returns at the end of both pipes
    assert starter.returncode == 0, err
    pid = int(pidfile.read_text())
    for fd in (0, 1, 2):
        assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
    os.kill(pid, signal.SIGTERM)
    assert wait_for(lambda: not alive(pid))


def test_processes_are_named(daemon):
    """ps shows what each process is."""
    daemon.login(daemon.user())
    daemon.wait_spares()
    names = {short_name(pid) for pid in daemon.pids()} - {"pop3d-spare", "pop3d-locker"}
    of_root = {"pop3d-nursery", "pop3d-opener"}
    assert names - of_root == {"pop3d", "pop3d-master", "pop3d-front", "pop3d-auth", "pop3d-hash", "pop3d-store"}
    assert names & of_root == (of_root if daemon.privileged and os.getuid() == 0 else set())


def test_processes_of_sessions_do_not_preempt(daemon):
    """Those that a session passes through let whoever woke them go on; those that a client waits for, or that may compute for long, are as others."""
    daemon.login(daemon.user())
    for role, policy in {"auth": os.SCHED_BATCH, "store": os.SCHED_BATCH, "front": os.SCHED_OTHER, "hash": os.SCHED_OTHER,
                         "master": os.SCHED_OTHER}.items():
        pids = daemon.role_pids("pop3d-" + role)
        assert pids and {os.sched_getscheduler(pid) for pid in pids} == {policy}, role


def cpu_ns(pid):
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0])


def test_front_sleeps_behind_a_streak(daemon):
    """It looks for the next command of a client that says them at once, and takes no processor time when none comes."""
    c = daemon.login(daemon.user())
    pid = holder(daemon, c)
    for _ in range(500):
        c.ok("NOOP")

    def sleeps():
        before = cpu_ns(pid)
        time.sleep(0.1)
        return cpu_ns(pid) == before and state(pid) == "S"  # on a busy machine, who would run has none either

    assert wait_for(sleeps)
    c.quit()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_signals_to_all_processes(daemon, sig):
    """A terminal, and a service manager, signals every process: what is under way is finished, master alone decides."""
    user = daemon.user()
    user.deliver(MESSAGE)
    c = daemon.login(user)
    daemon.wait_spares()
    children = [pid for role in ("front", "auth", "hash", "opener", "store", "spare") for pid in daemon.role_pids("pop3d-" + role)]
    for pid in children:
        os.kill(pid, sig)
    c.ok("DELE 1")
    c.quit()
    assert user.inbox.files() == [] and all(alive(pid) for pid in children)
    daemon.login(user).quit()


def test_workers_that_end_leave_nothing(daemon):
    """Many owners' workers start and die: master, front and auth hold as many descriptors as before, files of users apart."""
    users = [daemon.user(uid=20100 + i if daemon.privileged else None) for i in range(24)]
    daemon.connect().quit()
    daemon.wait_spares()
    lasting = [pid for pid in daemon.pids() if "spare" not in process_name(pid)]
    daemon.alarms_expected = True

    def held():
        return {pid: descriptors_of(pid) for pid in lasting}

    before = held()
    for round in range(3):
        for user in users[round::3]:
            daemon.login(user).quit()
        for pid in daemon.role_pids("pop3d-store"):
            kill(pid)
        assert wait_for(lambda: held() == before, 10), (before, held())


# --- the log ---


@pytest.mark.needs_root
def test_syslog(daemon):
    """Lines have the system's form; when its daemon is restarted, all processes find the new one."""
    user = daemon.user()
    with SystemLog() as log:
        daemon.start(extra="logging { syslog yes; print-severity no; facility local3; tag mypop; }")
        log.wait(r"^<158>\w{3} [ \d]\d \d\d:\d\d:\d\d mypop\[\d+\]: pop3d \(Poplar \S+\) started$")
        daemon.login(user).quit()
        login = log.wait(r'mypop\[\d+\]: login user="user0@example\.test"')
        log.close()
        log.open()
        lost = daemon.login(user)  # its line finds out that nobody is there
        lost.quit()

        def heard():
            daemon.login(user).quit()
            try:
                return log.wait(r"lines lost before this one|login user=", 0.2)
            except TimeoutError:
                return False

        assert wait_for(heard), login


def test_no_syslog_is_no_reason_not_to_start(daemon):
    """Without a system log lines are dropped, and mail is served."""
    user = daemon.user()
    daemon.start(extra="logging { syslog yes; }")
    daemon.login(user).quit()
