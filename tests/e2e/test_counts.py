"""What sessions cost, counted in system calls by strace, never in time: promises of the design that no clock can prove."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from server import FRONT_READS, SANITIZED, Mbox, short_name, wait_for

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(SANITIZED, reason="a sanitizer's own system calls would be counted"),
]

STARTS = {"fork", "vfork", "clone", "clone3", "execve", "execveat"}


class Trace:
    """All system calls of all processes of a daemon while its block runs: .calls is [(role, name, the rest)]."""

    def __init__(self, daemon):
        daemon.wait_spares()
        self.pids = {pid: short_name(pid).removeprefix("pop3d-") for pid in daemon.pids()}
        self.pids[daemon.process.pid] = "keeper"
        self.file = daemon.top / "trace"

    def __enter__(self):
        attach = [word for pid in self.pids for word in ("-p", str(pid))]
        self.strace = subprocess.Popen(["strace", "-f", "-s", "200", "-o", self.file, *attach], stderr=subprocess.PIPE,
                                       text=True)
        for _ in self.pids:
            assert "attached" in self.strace.stderr.readline()
        return self

    def waits(self, pid):
        """It sleeps in its loop (a spare worker, the nursery: at its channel), and no call of its own is being traced."""
        return re.search("epoll_wait|ep_poll|poll_schedule_timeout|do_sys_poll|wait_for_more_packets", Path(f"/proc/{pid}/wchan").read_text(encoding="ascii"))

    def settle(self):
        """All have done what there was to do."""
        assert wait_for(lambda: all(self.waits(pid) for pid in self.pids))

    def polls(self, n, daemon, user):
        """Sessions one after the other, none begun while a process is still at the one before: a worker that a loaded machine keeps from
        running looks busy, and gets another one beside it."""
        for _ in range(n):
            poll(daemon, user)
            self.settle()

    def __exit__(self, *_):
        self.settle()
        self.strace.send_signal(signal.SIGINT)
        self.strace.communicate(timeout=30)
        self.calls = []
        unfinished = {}  # pid: where its call stands in the list
        for line in self.file.read_text(encoding="utf-8", errors="replace").splitlines():
            begun = re.match(r"(\d+) +(\w+)\((.*)", line)
            resumed = re.match(r"(\d+) +<\.\.\. \w+ resumed>(.*)", line)
            if begun:
                unfinished[begun[1]] = len(self.calls)
                self.calls.append((self.pids.get(int(begun[1]), "new"), begun[2], begun[3]))
            elif resumed and resumed[1] in unfinished:
                role, name, text = self.calls[unfinished[resumed[1]]]
                self.calls[unfinished[resumed[1]]] = (role, name, text + resumed[2])

    def count(self, role=None, *names):
        """Calls of these names (of all) by a role (by all)."""
        return sum((not role or r == role) and (not names or n in names) for r, n, _ in self.calls)

    def sends(self):
        """Octets of every send to a client, in order."""
        results = (re.search(r"\) += (\d+)$", text) for _, name, text in self.calls if name == "sendto")
        return [int(r[1]) for r in results if r]


def test_output_buffer_size(daemon):
    """No send has more octets than the buffer that is configured, and large ones need fewer of them."""
    user = daemon.user()
    user.deliver("Subject: a\n\n" + "x" * 62 + "\n" + ("y" * 62 + "\n") * 12000)
    sends = {}
    for octets in (4096, 262144):
        daemon.start(extra=f"output-buffer-size {octets};")
        c = daemon.login(user)
        with Trace(daemon) as trace:
            c.retr(1)
        sends[octets] = trace.sends()
        c.quit()
        daemon.stop()
    assert max(sends[4096]) <= 4096 < max(sends[262144])
    assert len(sends[262144]) < len(sends[4096])


def poll(daemon, user):
    c = daemon.login(user)
    c.stat()
    c.ok("LIST 1")
    c.ok("UIDL 1")
    c.quit()


def warm(daemon, user):
    """Polls until the worker is there and the index settled: it is not believed right after a change."""
    for _ in range(3):
        poll(daemon, user)
    past = 1600000000
    for sub in ("new", "cur"):
        subprocess.run(["touch", "-d", f"@{past}", user.inbox.path / sub], check=True)


@pytest.fixture
def mailed(daemon):
    user = daemon.user()
    for n in range(10):
        user.deliver(f"Subject: m{n}\n\nbody {n}\n")
    daemon.start(extra="auth { failure-delay 0; }")
    warm(daemon, user)
    return daemon, user


def test_warm_sessions_start_nothing(mailed):
    """No fork, exec or thread, and master and hash do not hear of them."""
    daemon, user = mailed
    with Trace(daemon) as t:
        t.polls(20, daemon, user)
    assert t.count("front") > 100  # it did look
    assert t.count(None, *STARTS) == 0
    # The wait that each was in when strace came is all.
    assert t.count("keeper") <= 1 and t.count("master") <= 1 and t.count("hash") <= 1


def test_warm_login_is_three_messages(mailed):
    """LOGIN, GRANT, SCAN; and CLOSE at the end."""
    daemon, user = mailed
    with Trace(daemon) as t:
        t.polls(20, daemon, user)
    sent = {role: t.count(role, "sendmsg") for role in ("front", "auth", "store", "master", "hash")}
    assert sent == {"front": 40, "auth": 20, "store": 20, "master": 0, "hash": 0}
    # Received by one call each; that there is no other is asked now and then.
    received = {role: t.count(role, "recvmsg") for role in ("front", "auth", "store")}
    assert received["front"] <= 25 and received["auth"] <= 25 and received["store"] <= 50, received


def test_last_reply_leaves_with_the_end(mailed):
    """As one packet: the kernel is told that more follows, and then comes the end."""
    daemon, user = mailed
    with Trace(daemon) as t:
        t.polls(5, daemon, user)
    said = [(name, text) for role, name, text in t.calls if role == "front" and name in ("sendto", "close")]
    ends = [i for i, (name, _) in enumerate(said) if name == "close"]
    assert len(ends) == 5
    assert [i for i, (_, text) in enumerate(said) if "MSG_MORE" in text] == [i - 1 for i in ends]
    assert all(re.search(r'"\+OK\\r\\n", ', said[i - 1][1]) for i in ends), said


def test_poll_does_not_grow_with_the_maildrop(daemon):
    """As many system calls for 20,000 messages as for 10."""
    small, large = daemon.user(), daemon.user()
    for n in range(20000):
        if n < 10:
            small.deliver(f"Subject: m{n}\n\nbody\n")
        large.deliver(f"Subject: m{n}\n\nbody\n")
    daemon.start()
    cost = {}
    for user in (small, large):
        warm(daemon, user)
        poll(daemon, user)
        with Trace(daemon) as t:
            t.polls(10, daemon, user)
        cost[user] = t.count()
    assert cost[large] < cost[small] * 1.5, cost.values()


def test_poll_costs_the_same_where_mail_expires(make_daemon):
    """With `expire' set and nothing retrieved, not one call more."""
    cost = []
    for extra in ("", "expire 7; delete-expired yes;"):
        daemon = make_daemon()
        user = daemon.user()
        for n in range(10):
            user.deliver(f"Subject: m{n}\n\nbody\n")
        daemon.start(extra=extra)
        warm(daemon, user)
        poll(daemon, user)
        with Trace(daemon) as t:
            t.polls(10, daemon, user)
        cost.append(t.count())
        daemon.stop()
    assert cost[1] < cost[0] + 10, cost  # each of ten polls


def test_idle_clients_cost_no_calls(mailed):
    """100 logged-in clients that do nothing, while another polls: what it costs is what it costs alone."""
    daemon, user = mailed
    idle = [daemon.login(daemon_user) for daemon_user in more_users(daemon, 100)]
    with Trace(daemon) as alone:
        alone.polls(10, daemon, user)
    for c in idle:
        c.close()
    with Trace(daemon) as after:
        after.polls(10, daemon, user)
    assert alone.count() < after.count() * 1.5 + 20


def more_users(daemon, count):
    """Users of the first one's uid, so that one worker serves all of them."""
    return [daemon.user(uid=20001) for _ in range(count)]


def test_replies_leave_whole(mailed):
    """A status line, a listing, a small message: one write each, with the terminator in it."""
    daemon, user = mailed
    c = daemon.login(user)
    with Trace(daemon) as t:
        c.stat()
        c.list()
        c.uidl()
        c.retr(3)
        c.top(4, 0)
        c.ok("NOOP")
    assert len(t.sends()) == 6
    c.quit()


def test_pipelined_commands_are_answered_together(mailed):
    daemon, user = mailed
    c = daemon.login(user)
    with Trace(daemon) as t:
        c.send(b"NOOP\r\n" * 100)
        for _ in range(100):
            assert c.line().startswith(b"+OK")
    assert len(t.sends()) <= 3
    c.quit()


def test_large_message_leaves_in_large_writes(mailed):
    """As the socket takes them, and the last one holds more than the terminator."""
    daemon, user = mailed
    user.deliver("Subject: big\n\n" + "the quick brown fox\n" * 50000)
    c = daemon.login(user)
    with Trace(daemon) as t:
        octets = len(c.retr(11))
    sends = t.sends()
    assert sum(sends) > octets and len(sends) <= octets / 8192 + 2
    assert sends[-1] > len(".\r\n")
    c.quit()


@pytest.mark.skipif(not FRONT_READS, reason="front may not read what lies there (ipc/handover.h)")
def test_walk_through_an_mbox_is_read_by_front(daemon):
    """Store is asked for each 512 messages, and front reads as many as it can at once."""
    user = daemon.user(kind=Mbox)
    for n in range(2000):
        user.inbox.deliver(f"Subject: m{n}\n\nbody\n")
    daemon.start()
    c = daemon.login(user)
    with Trace(daemon) as t:
        c.send(b"".join(b"RETR %d\r\n" % n for n in range(1, 2001)))
        for n in range(2000):
            assert c.line().startswith(b"+OK") and c.lines() == [b"Subject: m%d" % n, b"", b"body"]
    assert t.count("front", "sendmsg") == 4
    assert t.count("front", "preadv2") <= 4 + 2000 / 512 * 2 + user.inbox.path.stat().st_size / 32768 + 4
    c.quit()


def test_listing_of_many_messages_leaves_in_large_writes(daemon):
    user = daemon.user()
    for n in range(3000):
        user.deliver(f"Subject: m{n}\n\nbody\n")
    daemon.start()
    c = daemon.login(user)
    with Trace(daemon) as t:
        assert len(c.list()) == 3000 and len(c.uidl()) == 3000
    octets = sum(t.sends())
    assert len(t.sends()) <= octets / 8192 + 4
    assert t.count("front", "preadv2") <= 2 * 3000 / 512 + 8  # of the index, where front may read it
    c.quit()
