"""login-delay and stat-file: one login of a user in each interval, whatever processes there are.

No test waits for an interval to pass: it is an hour, and an older record is written where it shall be over."""

import base64
import concurrent.futures
import contextlib
import fcntl
import grp
import os
import pwd
import random
import re
import signal
import ssl
import subprocess
import time

import pytest

from pop3 import Gone
from server import SANITIZED, Daemon, own, wait_for
from test_apop import SECRET, apop, use, write
from test_counts import Trace, poll
from test_inetd import Inetd

MESSAGE = "Subject: a\n\nbody\n"
TOO_SOON = b"-ERR [LOGIN-DELAY] Attempt to log in within the minimum login delay interval"
HOUR = 3600


class Delaying(Daemon):
    """A daemon with a login delay of an hour."""

    scheme = ""

    def __init__(self, **kw):
        super().__init__(**kw)
        self.file = self.top / "logins"
        self.delay()

    def delay(self, more=""):
        url = f"{self.scheme}://{self.file}" if self.scheme else self.file
        self.extra = f'login-delay "1 hour"; stat-file "{url}"; {more}\n'
        return self

    # records, as Mailutils' and gdbm's own tools see them

    def gdbm(self, *command):
        """Runs a command of gdbmtool; its output. It waits for nobody who has the file."""
        def run():
            got = subprocess.run(["gdbmtool", "--newdb" if not self.file.exists() else "--norc", str(self.file), *command],
                                 capture_output=True, text=True, check=False)
            return got if "locked" not in got.stderr.lower() and "can't be" not in got.stderr.lower() else None
        got = wait_for(run)
        assert got, "the data base stays locked"
        return got.stdout.strip()

    def record(self, key):
        got = self.gdbm("fetch", key)
        return int(got) if re.fullmatch("[0-9]+", got) else None

    def write(self, key, value):
        self.gdbm("store", key, str(value))

    def share(self):
        """Gives the file to whom Mailutils gives it."""
        os.chown(self.file, self.uid, grp.getgrnam("mail").gr_gid if self.uid == 0 else self.uid)

    def old_record(self, user):
        """His last login was two hours ago."""
        self.write(user.login, int(time.time()) - 2 * HOUR)


@pytest.fixture
def delaying(make_daemon):
    return make_daemon(kind=Delaying)


def attempt(d, user, **kw):
    """The answer to PASS; the connection is closed."""
    with d.connect(**kw) as c:
        c.ok(f"USER {user.login}")
        return c.cmd(f"PASS {user.password}")


def capabilities(c):
    c.ok("CAPA")
    return c.lines()


def test_a_login_too_soon_is_refused(delaying):
    user, other = delaying.user(), delaying.user()
    with delaying.connect() as c:
        assert b"LOGIN-DELAY 3600" in capabilities(c)
    with delaying.connect() as c:
        c.login(user)
        assert b"LOGIN-DELAY 3600" in capabilities(c)
    # the line was dropped: that does not evade it
    with delaying.connect() as c:
        c.ok(f"USER {user.login}")
        assert c.cmd("PASS wrong").startswith(b"-ERR [AUTH]")  # what is said to who has the wrong password tells nothing
        c.ok(f"USER {user.login}")
        assert c.cmd(f"PASS {user.password}") == TOO_SOON
        c.login(other)  # the state stayed AUTHORIZATION
        c.ok("QUIT")
    delaying.wait_log(rf'login-failed user="{user.login}".*code=\[LOGIN-DELAY\] reason="too soon')
    stored = delaying.record(user.login)
    assert abs(stored - time.time()) < HOUR and attempt(delaying, user) == TOO_SOON
    assert delaying.record(user.login) == stored  # what was refused extends nothing
    delaying.old_record(user)
    assert attempt(delaying, user).startswith(b"+OK")


def test_bad_values(daemon):
    for text in ("login-delay soon;", "login-delay 1.5;", "login-delay-exempt 10.0.0.0/33;", "login-delay-exempt 10.1;", "login-delay-per-user maybe;"):
        daemon.config.write_text(daemon.config_text() + text + "\n", encoding="utf-8")
        got = daemon.run()
        assert got.returncode == 78 and "pop3d.conf:13" in got.stderr, got.stderr


def test_addresses_that_are_exempt(delaying):
    user = delaying.user()
    delaying.delay("login-delay-exempt (127.0.0.2/31, 2001:db8::1);")
    for source in ("127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.1", "127.0.0.3"):
        assert attempt(delaying, user, source=source).startswith(b"+OK"), source
    assert attempt(delaying, user, source="127.0.0.4") == TOO_SOON  # after the one from 127.0.0.1
    for source, shown in (("127.0.0.3", False), ("127.0.0.4", True)):
        with delaying.connect(source=source) as c:
            assert (b"LOGIN-DELAY 3600" in capabilities(c)) == shown


def test_a_delay_of_ones_own(delaying):
    texts = ["Bob,room 1,login-delay=0", "login-delay=2 hours", "Bob, login-delay=soon", "Bob"]
    users = [delaying.user() for _ in texts]
    domain = delaying.domains / users[0].domain
    lines = domain.read_text(encoding="utf-8").splitlines()
    domain.write_text("".join(re.sub("::/", f":{text}:/", line, count=1) + "\n" for line, text in zip(lines, texts)), encoding="utf-8")
    free, long, odd, plain = users
    delaying.delay("login-delay-per-user yes;")
    with delaying.connect() as c:
        assert b"LOGIN-DELAY 3600 USER" in capabilities(c)
    for user in users:
        assert attempt(delaying, user).startswith(b"+OK")
    assert attempt(delaying, free).startswith(b"+OK") and delaying.record(free.login) is None
    for user in (long, odd, plain):
        delaying.write(user.login, int(time.time()) - HOUR - 60)
    assert attempt(delaying, long) == TOO_SOON
    with delaying.connect() as c:
        c.login(odd)
        assert b"LOGIN-DELAY 3600" in capabilities(c)
    delaying.wait_log('login-delay-ignored .*value="soon"')
    delaying.write(long.login, int(time.time()) - 2 * HOUR - 60)
    with delaying.connect() as c:
        c.login(long)
        assert b"LOGIN-DELAY 7200" in capabilities(c)
    delaying.restart(extra=delaying.extra.replace("per-user yes", "per-user no"))
    assert attempt(delaying, free).startswith(b"+OK") and attempt(delaying, free) == TOO_SOON


@pytest.mark.parametrize("scheme", ["", "gdbm", "lmdb", "bdb"])
def test_stat_file(make_daemon, scheme):
    """Made where it is missing, as Mailutils makes it; it outlasts the daemon."""
    d = make_daemon(kind=type("Other", (Delaying,), {"scheme": scheme}))
    user = d.user()
    assert attempt(d, user).startswith(b"+OK") and attempt(d, user) == TOO_SOON
    st = d.file.stat()
    assert st.st_mode & 0o777 == 0o660 and st.st_uid == d.uid
    if d.uid == 0:
        assert st.st_gid == grp.getgrnam("mail").gr_gid
    d.restart()
    assert attempt(d, user) == TOO_SOON


class InRun(Delaying):
    """Without a stat-file; /run is a directory of its own."""

    def delay(self, more=""):
        self.run_dir = self.top / "run-of-machine"
        self.run_dir.mkdir()
        self.extra = f'login-delay "1 hour"; {more}\n'

    def command(self, *options):
        return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /run && exec "$@"', str(self.run_dir), *super().command(*options)]


@pytest.mark.needs_root
@pytest.mark.parametrize("there, used", [((), "pop3-login"), (("pop3-login.db",), "pop3-login.db"), (("pop3-login", "pop3-login.db"), "pop3-login")])
def test_default_names(make_daemon, there, used):
    """The manual's, unless only the one is there that Mailutils' program makes."""
    d = make_daemon(kind=InRun)
    d.user("bob")
    for name in there:
        d.file = d.run_dir / name
        d.write("somebody-else", 7)
        d.file.chmod(0o660)
        d.share()
    d.start()
    user = d.user()
    assert attempt(d, user).startswith(b"+OK") and attempt(d, user) == TOO_SOON
    d.stop()
    assert sorted(path.name for path in d.run_dir.glob("pop3-login*")) == sorted(there or (used,))
    for name in {*there, used}:
        d.file = d.run_dir / name
        assert (d.record(user.login) is not None) == (name == used)


def test_every_way_in(delaying):
    """APOP and AUTH are logins, too, and each of them delays the next."""
    user, secretive = delaying.user(), delaying.user()
    use(delaying, write(delaying, {secretive.login: SECRET}), "auth { apop-password-login yes; }")
    delaying.start()
    plain = base64.b64encode(f"\0{user.login}\0{user.password}".encode()).decode()
    with delaying.connect() as c:
        assert c.cmd(f"AUTH PLAIN {plain}").startswith(b"+OK")
        c.ok("QUIT")
    with delaying.connect() as c:
        assert c.cmd(f"AUTH PLAIN {plain}") == TOO_SOON
        assert apop(c, secretive).startswith(b"+OK")
        c.ok("QUIT")
    with delaying.connect() as c:
        assert apop(c, secretive) == TOO_SOON
    assert attempt(delaying, user) == attempt(delaying, secretive) == TOO_SOON


# --- one login in each interval ---

class Hammer:
    """Clients that log one user in, again and again, until they are told to stop; they count what they were told."""

    def __init__(self, connect, user, clients=64):
        self.connect, self.user, self.going = connect, user, True
        self.pool = concurrent.futures.ThreadPoolExecutor(clients)
        self.answers, self.granted = 0, 0
        self.jobs = [self.pool.submit(self.client) for _ in range(clients)]

    def client(self):
        granted = answers = 0
        while self.going:
            with contextlib.suppress(OSError, Gone, ssl.SSLError):  # whoever served this client was killed
                with self.connect() as c:
                    while self.going:
                        c.ok(f"USER {self.user.login}")
                        answer = c.cmd(f"PASS {self.user.password}")
                        granted += answer.startswith(b"+OK")
                        self.answers += 1
                        assert answer == TOO_SOON or answer.startswith((b"+OK", b"-ERR [SYS/TEMP]", b"-ERR [IN-USE]")), answer
                        if answer.startswith(b"+OK"):
                            c.cmd("QUIT")
                            break
        return granted

    def more(self, answers=100):
        """Waits until so many more have come."""
        before = self.answers
        assert wait_for(lambda: self.answers >= before + answers or any(j.done() for j in self.jobs))

    def stop(self):
        """How often the user was let in."""
        self.going = False
        with self.pool:
            return sum(job.result() for job in self.jobs)


def test_64_clients_get_one_login(delaying):
    """In each interval: when one is over, there is one more."""
    user = delaying.user()
    delaying.start()
    hammer = Hammer(lambda: delaying.client(), user)
    for _ in range(3):
        hammer.more()
        delaying.old_record(user)
    hammer.more()
    assert hammer.stop() == 4


def test_one_login_across_reloads(delaying):
    user = delaying.user()
    delaying.start()
    hammer = Hammer(lambda: delaying.client(), user)
    for n in range(3):
        hammer.more(50)
        delaying.process.send_signal(signal.SIGHUP)
        assert wait_for(lambda: delaying.log().count("configuration reloaded") == n + 1), delaying.log()
    delaying.old_record(user)
    hammer.more(50)
    assert hammer.stop() == 2


@pytest.mark.parametrize("role", ["state", "auth", "store"])
def test_one_login_whoever_is_killed(delaying, role):
    """Never two; where it was killed with a login that had begun, perhaps none. Each time another user: what is given back late is his alone."""
    users = [delaying.user() for _ in range(7)]
    delaying.alarms_expected = True
    delaying.start()
    for user in users[:-1]:
        hammer = Hammer(lambda: delaying.client(), user, clients=16)
        hammer.more(random.randrange(1, 30))
        for pid in delaying.role_pids(f"pop3d-{role}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        hammer.more(30)
        assert hammer.stop() <= 1
    assert wait_for(lambda: delaying.role_pids(f"pop3d-{role}") or role == "store")
    hammer = Hammer(lambda: delaying.client(), users[-1], clients=16)
    hammer.more(30)
    assert wait_for(lambda: delaying.record(users[-1].login) is not None)
    assert hammer.stop() == 1


def test_what_died_before_it_was_a_login_costs_nothing(delaying):
    """The login waits for the session lock in a store process that is killed."""
    user = delaying.user()
    delaying.delay("mailbox { session-lock-wait 60; }")
    delaying.alarms_expected = True
    holder = delaying.login(user)
    delaying.write(user.login, 1)
    with delaying.connect() as c:
        c.ok(f"USER {user.login}")
        c.say(f"PASS {user.password}")
        assert wait_for(lambda: delaying.record(user.login) != 1)
        for pid in delaying.role_pids("pop3d-store"):
            os.kill(pid, signal.SIGKILL)
        assert c.line().startswith(b"-ERR [SYS/TEMP]")
    assert wait_for(lambda: delaying.record(user.login) == 1)
    holder.close()
    assert attempt(delaying, user).startswith(b"+OK")


@pytest.mark.parametrize("killed", [(), ("state",)], ids=["state-lives", "state-dies"])
def test_what_was_confirmed_stays(delaying, killed):
    """State reads it when it must: when the auth process that asked has died, what had not become a login yet is given back, and nothing else."""
    waiting, users = delaying.user(), [delaying.user() for _ in range(5)]
    delaying.delay("mailbox { session-lock-wait 60; }")
    delaying.alarms_expected = True
    holder = delaying.login(waiting)
    delaying.write(waiting.login, 1)
    for user in users:
        delaying.login(user).close()
    with delaying.connect() as c:
        c.ok(f"USER {waiting.login}")
        c.say(f"PASS {waiting.password}")
        assert wait_for(lambda: delaying.record(waiting.login) != 1)
        for role in (*killed, "auth"):
            pids = delaying.role_pids(f"pop3d-{role}")
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            assert wait_for(lambda: delaying.role_pids(f"pop3d-{role}") and not set(pids) & set(delaying.role_pids(f"pop3d-{role}")))
        assert wait_for(lambda: delaying.record(waiting.login) == 1)
    holder.close()
    assert [attempt(delaying, user) for user in users] == [TOO_SOON] * len(users)


@pytest.mark.needs_root
@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own system calls would be counted")
def test_state_wakes_once_for_a_login(delaying):
    """It is asked, and answers. What comes of the login wakes nobody. A record that is there is replaced by one write."""
    users = [delaying.user(uid=pwd.getpwnam("nobody").pw_uid) for _ in range(11)]
    for user in users:
        user.deliver(MESSAGE)
        delaying.old_record(user)
    delaying.file.chmod(0o660)
    delaying.share()
    delaying.start()
    poll(delaying, users[0])
    with Trace(delaying) as t:
        for user in users[1:]:
            t.polls(1, delaying, user)
    taken = sum(role == "state" and name == "recvmsg" and "EAGAIN" not in text for role, name, text in t.calls)
    assert taken == 10 and t.count("store", "sendmsg") == 10
    assert t.count("state", "pwrite64") == 10 and t.count("state", "write", "lseek", "fsync") == 0


def test_a_maildrop_in_use_costs_no_interval(delaying):
    user = delaying.user()
    delaying.delay("mailbox { session-lock-wait 0; }")
    holder = delaying.login(user)
    then = int(time.time()) - 2 * HOUR
    delaying.write(user.login, then)
    assert attempt(delaying, user).startswith(b"-ERR [IN-USE]")
    assert wait_for(lambda: delaying.record(user.login) == then)
    holder.quit()
    assert attempt(delaying, user).startswith(b"+OK") and attempt(delaying, user) == TOO_SOON


def test_nor_does_one_that_cannot_be_opened(delaying):
    user = delaying.user()
    (user.inbox.path / "new").rmdir()
    (user.inbox.path / "new").write_text("no directory", encoding="ascii")
    assert attempt(delaying, user).startswith(b"-ERR [SYS/")
    assert wait_for(lambda: delaying.record(user.login) is None)
    (user.inbox.path / "new").unlink()
    (user.inbox.path / "new").mkdir()
    own(user.inbox.path / "new", user.uid, user.gid)
    assert attempt(delaying, user).startswith(b"+OK")


@pytest.mark.parametrize("scheme", ["gdbm", "lmdb"])
def test_inetd_mode(make_daemon, scheme):
    """Each client has a server of its own; together they let one in."""
    d = make_daemon(kind=type("Other", (Delaying,), {"scheme": scheme}))
    user = d.user()
    inetd = Inetd(d, extra=d.extra)
    clients = [inetd.client()[0] for _ in range(12)]
    assert b"LOGIN-DELAY 3600" in capabilities(clients[0])
    for c in clients:
        c.ok(f"USER {user.login}")
    for c in clients:
        c.say(f"PASS {user.password}")
    answers = sorted(c.line() for c in clients)
    assert answers[0].startswith(b"+OK") and answers[1:] == [TOO_SOON] * 11
    for c, p in zip(clients, inetd.started):
        c.cmd("QUIT")
        p.wait(20)
    inetd.listener.close()


# --- the data base ---

def test_records_of_mailutils(delaying):
    """Names without a domain, numbers of C, and what is none."""
    old, odd, long, hexadecimal, future = (delaying.user(name) for name in ("old", "odd", "long", "hex", "future"))
    now = int(time.time())
    delaying.write("old", now - 60)
    delaying.write(odd.login, f"{now}x")
    delaying.write(long.login, "0" * 64)
    delaying.write(hexadecimal.login, hex(now - 60))
    delaying.write(future.login, now + 10 * HOUR)
    delaying.write("somebody-else", "7")
    delaying.file.chmod(0o660)
    delaying.share()
    assert attempt(delaying, old) == TOO_SOON and attempt(delaying, hexadecimal) == TOO_SOON
    for user in (odd, long, future):
        assert attempt(delaying, user).startswith(b"+OK") and attempt(delaying, user) == TOO_SOON
    delaying.wait_log(rf'login-time-malformed user="{odd.login}" record="{now}x" reason="not a number"')
    delaying.wait_log(rf'login-time-malformed user="{long.login}".*reason="wrong timestamp size"')
    delaying.write("old", now - 2 * HOUR)
    assert attempt(delaying, old).startswith(b"+OK")
    assert delaying.record("old") == now - 2 * HOUR and delaying.record(old.login) >= now
    assert delaying.gdbm("fetch", "somebody-else") == "7"  # the others are kept, and gdbm's own program reads the file


@pytest.mark.parametrize("broken", ["garbage", "readable by all", "a directory"])
def test_a_data_base_that_cannot_be_used(delaying, broken):
    """Told once; CAPA does not speak of it; everybody gets in, and is served."""
    user = delaying.user()
    if broken == "a directory":
        delaying.file.mkdir()
    else:
        delaying.file.write_bytes(b"garbage" * 1000 if broken == "garbage" else b"")
    delaying.file.chmod(0o755 if broken == "a directory" else 0o666 if broken == "readable by all" else 0o660)
    delaying.share()
    for _ in range(3):
        with delaying.connect() as c:
            assert not [line for line in capabilities(c) if line.startswith(b"LOGIN-DELAY")]
            c.login(user)
            assert c.cmd("QUIT").startswith(b"+OK")
    assert delaying.log().count("login-delay-off") == 1
    if broken == "readable by all":
        delaying.file.chmod(0o660)
        assert attempt(delaying, user).startswith(b"+OK") and attempt(delaying, user) == TOO_SOON
        delaying.wait_log("login-delay-on")
        with delaying.connect() as c:
            assert b"LOGIN-DELAY 3600" in capabilities(c)


def test_a_file_that_is_replaced(delaying):
    """By one of before, or by nothing: then a new one is made."""
    user = delaying.user()
    delaying.alarms_expected = True
    assert attempt(delaying, user).startswith(b"+OK") and attempt(delaying, user) == TOO_SOON
    delaying.file.unlink()
    assert wait_for(lambda: attempt(delaying, user).startswith(b"+OK")) and attempt(delaying, user) == TOO_SOON
    assert delaying.record(user.login)


def test_a_file_that_is_locked_for_long(delaying):
    """By a program that does not let go: logins go on."""
    user = delaying.user()
    delaying.start()
    with open(delaying.file, "r+b") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        assert attempt(delaying, user).startswith(b"+OK") and attempt(delaying, user).startswith(b"+OK")
        delaying.wait_log("login-delay-off .*locked by another program")
    assert attempt(delaying, user).startswith(b"+OK") and attempt(delaying, user) == TOO_SOON


def test_state_that_does_not_come_back(delaying):
    """It is stopped: logins wait for it, and then go on without."""
    user = delaying.user()
    delaying.alarms_expected = True
    delaying.start()
    (pid,) = delaying.role_pids("pop3d-state")
    os.kill(pid, signal.SIGSTOP)
    assert attempt(delaying, user).startswith(b"+OK")
    delaying.wait_log("state-missed")
    os.kill(pid, signal.SIGCONT)
    assert wait_for(lambda: attempt(delaying, user) == TOO_SOON)  # it recorded what it was asked, late


def test_rights_of_state(delaying):
    """It is in the group of its file where it was started as root, and can reach nothing else."""
    delaying.user()
    delaying.start()
    (pid,) = delaying.role_pids("pop3d-state")
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status", encoding="ascii") if ":\t" in line)
    assert status["CapEff"].strip() == "0" * 16 and status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1"
    if delaying.uid == 0:
        assert status["Uid"].split()[0] == str(pwd.getpwnam("_pop3auth").pw_uid)
        assert status["Groups"].split() == [str(grp.getgrnam("mail").gr_gid)]


def test_no_state_process_where_nothing_needs_it(daemon):
    daemon.start()
    assert not daemon.role_pids("pop3d-state")
