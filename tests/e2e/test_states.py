"""Signals and deaths, whatever a session is doing at that moment: nobody is left without an answer, and no mail is lost."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import threading

import pytest

from pop3 import Gone, Pop3
from server import Maildir, Mbox, wait_for
from test_run import ended, master_pids, masters, queued, refused, reload, term

MESSAGE = "Subject: a\n\nbody\n"
LARGE = "Subject: large\n\n" + "the quick brown fox jumps over the lazy dog\n" * 100000
PIDFD_GETFD = 438


class States:
    """A session in each state: .told are those who have not logged in (or not yet), by state."""

    def __init__(self, daemon):
        self.daemon = daemon
        cert = daemon.certificate()
        self.context = cert.context()
        users = {name: daemon.user(name, kind=Mbox if name == "lock" else Maildir)
                 for name in ("greeting", "user", "login", "lock", "retr", "commit", "handshake")}
        for name, user in users.items():
            user.deliver(LARGE if name == "retr" else MESSAGE)
        self.users = users
        self.lock = users["lock"].inbox.path.with_name("INBOX.lock")
        self.lock.write_text(f"{os.getpid()}\n")
        daemon.start(server=cert.block, extra="shutdown-timeout 600; locking { retry-count 100; retry-sleep 1; }")
        self.stopped = []
        self.clients = {name: daemon.connect(rcvbuf=4096 if name == "retr" else None) for name in users}
        self.take_places()

    def stop(self, pids):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        self.stopped += pids

    def take_places(self):
        c, users, daemon = self.clients, self.users, self.daemon
        c["commit"].login(users["commit"])
        c["commit"].ok("DELE 1")
        worker, = daemon.role_pids("pop3d-store")
        c["retr"].login(users["retr"])
        c["retr"].ok("RETR 1")
        for name in ("user", "lock", "login"):
            c[name].ok(f"USER {users[name].login}")
        c["lock"].say(f"PASS {users['lock'].password}")
        assert wait_for(lambda: len(daemon.role_pids("pop3d-store")) == 3)  # whose mailbox is busy
        c["handshake"].ok("STLS")
        c["handshake"].send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # a hello that begins
        self.stop(daemon.role_pids("pop3d-hash"))
        c["login"].say(f"PASS {users['login'].password}")
        assert wait_for(lambda: any(map(queued, self.stopped))), "the hash was not asked for"
        self.stop([worker])  # a disk that is slow
        c["commit"].say("QUIT")
        assert wait_for(lambda: queued(worker)), "the commit has not been sent"

    def go_on(self):
        self.lock.unlink()
        for pid in self.stopped:
            os.kill(pid, signal.SIGCONT)

    def check_served(self, *names):
        c = self.clients
        for name in names:
            if name == "commit":
                assert c[name].line().startswith(b"+OK") and c[name].at_end()
                continue
            if name == "retr":
                assert c[name].octets() == LARGE.replace("\n", "\r\n").encode()
            elif name == "handshake":
                with pytest.raises(Gone):  # what was begun is no hello
                    c[name].send(b"\0" * 512)
                    c[name].line()
                continue
            elif name == "greeting":
                c[name].login(self.users[name])
            elif name == "user":
                c[name].ok(f"PASS {self.users[name].password}")
            else:
                assert c[name].line().startswith(b"+OK"), name
            assert c[name].stat()[0] == 1
            c[name].quit()


@pytest.mark.needs_root
def test_reload_in_every_state(daemon):
    """SIGHUP: everybody goes on where he was."""
    states = States(daemon)
    reload(daemon)
    states.go_on()
    states.check_served("greeting", "user", "login", "lock", "retr", "commit", "handshake")
    assert states.users["commit"].inbox.files() == []
    assert wait_for(lambda: masters(daemon) == 1)


@pytest.mark.needs_root
def test_end_in_every_state(daemon):
    """SIGTERM: who has not logged in is told, who has goes on."""
    states = States(daemon)
    term(daemon)
    assert wait_for(lambda: refused(daemon.address))
    for name in ("greeting", "user", "login", "lock"):
        line = states.clients[name].line()
        assert line.startswith(b"-ERR [SYS/TEMP]") and states.clients[name].at_end(), name
    with pytest.raises((Gone, AssertionError)):  # in the middle of a handshake, there is nothing to be said
        states.clients["handshake"].line()
    states.go_on()
    states.check_served("retr", "commit")
    ended(daemon)
    assert states.users["commit"].inbox.files() == []
    assert all(len(states.users[name].inbox.contents()) == 1 for name in states.users if name != "commit")


# --- a channel is lost, and both ends live ---


def sockets(pid):
    """{inode: descriptor}"""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        if link.startswith("socket:["):
            found[link[8:-1]] = int(fd)
    return found


def cut(pid, other):
    """Ends all channels between two processes, as one does that finds that the other breaks a rule; their number."""
    ours, theirs, n = sockets(pid), sockets(other), 0
    pidfd = os.pidfd_open(pid)
    for line in subprocess.run(["ss", "-x", "-a", "-H"], capture_output=True, text=True, check=True).stdout.splitlines():
        fields = line.split()
        if fields[5] in ours and fields[7] in theirs:
            fd = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, ours[fields[5]], 0)
            assert fd >= 0, os.strerror(ctypes.get_errno())
            with socket.socket(fileno=fd) as s:
                s.shutdown(socket.SHUT_RDWR)
            n += 1
    os.close(pidfd)
    return n


@pytest.mark.needs_root
def test_channel_between_front_and_store_is_lost(daemon):
    """Its session ends with a reply; the next login is told at once (a client of ours waits 20 seconds, front would for 30), and then there
    is another worker."""
    user = daemon.user()
    user.deliver(MESSAGE)
    c = daemon.login(user)
    store, = daemon.role_pids("pop3d-store")
    assert sum(cut(front, store) for front in daemon.role_pids("pop3d-front")) == len(daemon.role_pids("pop3d-front"))
    assert c.line().startswith(b"-ERR [SYS/TEMP]") and c.at_end()
    c = daemon.connect()
    c.ok(f"USER {user.login}")
    c.err(f"PASS {user.password}", "SYS/TEMP")
    assert wait_for(lambda: c.ok(f"USER {user.login}") and c.cmd(f"PASS {user.password}").startswith(b"+OK"))  # store has yet to say so
    assert c.stat()[0] == 1
    assert store not in daemon.role_pids("pop3d-store") or len(daemon.role_pids("pop3d-store")) == 2
    c.quit()
    assert wait_for(lambda: not os.path.exists(f"/proc/{store}"))


# --- masters are killed ---


class Storm(threading.Thread):
    """Polls and deletes until the daemon is gone; .gone counts deletions that were confirmed."""

    def __init__(self, daemon, user):
        super().__init__()
        self.daemon, self.user = daemon, user
        self.gone = self.tried = self.polls = 0
        self.ending = False

    def run(self):
        try:
            while not self.ending:
                with Pop3(self.daemon.address) as c:
                    c.login(self.user)
                    if c.stat()[0] > 0:
                        c.ok("DELE 1")
                        self.tried += 1
                    if c.cmd("QUIT").startswith(b"+OK"):
                        self.gone = self.tried
                self.polls += 1
        except (Gone, OSError, AssertionError):
            pass


@pytest.mark.needs_root
@pytest.mark.parametrize("victim", ["keeper", "master"])
def test_killed_in_a_storm(daemon, victim):
    """kill -9 while clients log in, delete and leave: nothing of that configuration is left behind, what was not confirmed is there or
    was the last one, and the next start serves."""
    daemon.alarms_expected = True
    users = [daemon.user() for _ in range(4)]
    for i in range(3):
        for u in users:
            while len(u.inbox.files()) < 50:
                u.deliver(MESSAGE)
        daemon.start()
        before = {u: len(u.inbox.files()) for u in users}
        storm = [Storm(daemon, u) for u in users]
        for s in storm:
            s.start()
        assert wait_for(lambda: all(s.polls > i for s in storm))
        pid = daemon.process.pid if victim == "keeper" else random.choice(master_pids(daemon))
        os.kill(pid, signal.SIGKILL)
        for s in storm:
            s.ending = True  # who was between two connections may not notice that there is another master
        for s in storm:
            s.join()
        if victim == "keeper":
            ended(daemon, code=-signal.SIGKILL)
        else:
            assert wait_for(lambda: daemon.log().count("has a master again") > i), daemon.log()
            daemon.stop()
        for s in storm:
            left = before[s.user] - len(s.user.inbox.files())
            assert s.gone <= left <= s.tried, (s.gone, left, s.tried)
    daemon.start()
    for u in users:
        assert daemon.login(u).stat()[0] == len(u.inbox.files())
