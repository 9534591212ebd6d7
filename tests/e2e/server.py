"""pop3d as an operator would start it: a configuration file, a directory of its own, a free port. For tests.

Also the world it serves: virtual domains, their users, Maildirs."""

import atexit
import contextlib
import crypt
import functools
import grp
import itertools
import mailbox
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import certificates
from pop3 import Pop3

BUILD = Path(__file__).resolve().parents[2] / "build"
BINARY = Path(os.environ.get("POP3D", BUILD / "pop3d")).resolve()
SANITIZED = "asan" in str(BINARY)
FILE_SYSTEM = subprocess.run(["stat", "-f", "-c", "%T", "/tmp"], capture_output=True, text=True, check=True).stdout.strip()
FRONT_READS = FILE_SYSTEM in ("ext2/ext3", "xfs", "f2fs")  # what may be handed over to it: ipc/handover.h
NOBODY = 65534
SPARES = 4  # store workers that wait
START_SECONDS = 30  # an upper bound for a busy machine, not a promise

# What must never stand in a log: a sanitizer's report, a failed assertion.
REPORTS = re.compile(r"(ERROR|SUMMARY): \w*Sanitizer|runtime error:|Assertion .* failed|stack smashing")
# And only where a test means it: a process that ended before its time.
DEATHS = re.compile(r"(warning|error): ended role=")

STARTED = re.compile(r"^pop3d: .*pop3d \(.*\) started$", re.M)

counter = itertools.count()


def free_port():
    """A port below the ephemeral range (so that no client's socket takes it), out of this test process's own share."""
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "0")) or 0) % 8
    for _ in range(1000):
        port = 20000 + worker * 1500 + (os.getpid() + next(counter)) % 1500
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


class Maildir:
    """A Maildir and who owns it. Deliveries are what an MTA does: a file in tmp/, renamed into new/."""

    def __init__(self, path, uid, gid):
        self.path, self.uid, self.gid = Path(path), uid, gid
        for sub in ("cur", "new", "tmp"):
            (self.path / sub).mkdir(parents=True, exist_ok=True)
        own(self.path.parent, uid, gid)
        for p in (self.path, *self.path.iterdir()):
            own(p, uid, gid)

    def deliver(self, message, name=None, where="new"):
        """Stores octets as a message; its file name. Names sort in the order of delivery."""
        if isinstance(message, str):
            message = message.encode("utf-8")
        n = next(counter)
        name = name or f"{1700000000 + n}.M{n}P{os.getpid()}.test"
        tmp = self.path / "tmp" / f"{os.getpid()}.{n}"
        tmp.write_bytes(message)
        own(tmp, self.uid, self.gid)
        tmp.rename(self.path / where / name)
        return name

    def files(self):
        """Names of all messages, sorted."""
        return sorted(p.name for sub in ("cur", "new") for p in (self.path / sub).iterdir())

    def contents(self):
        return sorted(p.read_bytes() for sub in ("cur", "new") for p in (self.path / sub).iterdir())

    def file(self, name):
        for sub in ("cur", "new"):
            if (self.path / sub / name).exists():
                return self.path / sub / name
        raise FileNotFoundError(name)


class Mbox:
    """A mailbox in one file, and who owns it. Deliveries and all that changes it hold its locks, as Python's mailbox module does."""

    FROM = b"From sender@example.org Mon Jan  5 10:00:00 2026\n"
    START = re.compile(rb"(?:^|(?<=\n\n))From \S+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n")

    def __init__(self, path, uid, gid):
        self.path, self.uid, self.gid = Path(path), uid, gid
        self.path.touch(0o600)
        own(self.path.parent, uid, gid)
        own(self.path, uid, gid)

    THREADS = threading.Lock()  # the module names its lock files by process

    @contextlib.contextmanager
    def locked(self):
        """The mailbox as Python sees it, locked."""
        got = []
        assert wait_for(lambda: self.try_lock(got))
        try:
            yield got[0]
        finally:
            with self.THREADS:
                got[0].close()

    def try_lock(self, got):
        """Opened anew for each attempt, and looked at behind the lock: in the meantime another file may have taken its place."""
        with self.THREADS:
            box = mailbox.mbox(self.path, create=False)
            try:
                box.lock()
            except mailbox.ExternalClashError:
                box.close()
                return False
            if os.path.samestat(self.path.stat(), os.fstat(box._file.fileno())):
                got.append(box)
                return True
            box.close()
            return False

    def deliver(self, message):
        """Appends octets as a message, with what an MTA puts around it."""
        if isinstance(message, str):
            message = message.encode("utf-8")
        with self.locked(), open(self.path, "ab") as f:
            f.write(self.FROM + message + (b"" if message.endswith(b"\n") else b"\n") + b"\n")

    def write(self, octets):
        """All of it anew, in the same file."""
        with open(self.path, "r+b") as f:
            f.write(octets)
            f.truncate()

    def contents(self):
        """The messages as they are stored."""
        octets = self.path.read_bytes()
        starts = list(self.START.finditer(octets))
        ends = [m.start() for m in starts[1:]] + [len(octets)]
        return [octets[m.end():end].removesuffix(b"\n") for m, end in zip(starts, ends)]


class Dotmail(Mbox):
    """Mailutils' format: a dot behind each message. Locks as those of an mbox."""

    def deliver(self, message):
        if isinstance(message, str):
            message = message.encode("utf-8")
        head, _, body = message.partition(b"\n\n")
        with self.locked(), open(self.path, "ab") as f:
            f.write(head + b"\n\n" + re.sub(rb"^\.", b"..", body, flags=re.M) + (b"" if message.endswith(b"\n") else b"\n") + b".\n")

    def contents(self):
        found = []
        for stored in re.split(rb"(?<=\n)\.\n", self.path.read_bytes())[:-1]:
            head, _, body = stored.partition(b"\n\n")
            found.append(head + b"\n\n" + re.sub(rb"^\.\.", b".", body, flags=re.M))
        return found


class Mh:
    """An MH folder and who owns it. Deliveries are what rcvstore(1) does: a file that gets the next number by link(2)."""

    def __init__(self, path, uid, gid):
        self.path, self.uid, self.gid = Path(path), uid, gid
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / ".mh_sequences").touch(0o600)
        for p in (self.path.parent, self.path, self.path / ".mh_sequences"):
            own(p, uid, gid)

    def numbers(self):
        return sorted(int(p.name) for p in self.path.iterdir() if re.fullmatch("[1-9][0-9]*", p.name))

    def deliver(self, message):
        """Stores octets as a message; its number."""
        if isinstance(message, str):
            message = message.encode("utf-8")
        tmp = self.path / f"_new.{os.getpid()}.{next(counter)}"
        tmp.write_bytes(message)
        own(tmp, self.uid, self.gid)
        number = max(self.numbers(), default=0) + 1
        while True:
            try:
                os.link(tmp, self.path / str(number))
                break
            except FileExistsError:
                number += 1
        tmp.unlink()
        return number

    def file(self, number):
        return self.path / str(number)

    def contents(self):
        return [self.file(n).read_bytes() for n in self.numbers()]


def own(path, uid, gid):
    if os.getuid() == 0:
        os.chown(path, uid, gid)


class User:
    def __init__(self, name, domain, password, uid, gid, home, kind=Maildir):
        self.name, self.domain, self.password = name, domain, password
        self.login = f"{name}@{domain}"
        self.uid, self.gid, self.home = uid, gid, Path(home)
        self.inbox = kind(self.home / "INBOX", uid, gid)

    def deliver(self, *args, **kw):
        return self.inbox.deliver(*args, **kw)


@functools.cache
def modules():
    """A copy of the modules where every user can read them: the source tree may lie in root's home."""
    place = Path(tempfile.mkdtemp(prefix="pop3d-modules-"))
    atexit.register(shutil.rmtree, place)
    place.chmod(0o755)
    for module in BINARY.parent.glob("src/*/**/mod_*.so"):
        shutil.copy(module, place)
    return place


def descriptors_of(pid):
    """How many it has, without files that users are in: auth keeps them open, having looked somebody up."""
    def is_users_file(link):
        try:
            return os.readlink(link).endswith("/example.test")
        except FileNotFoundError:
            return True

    return sum(not is_users_file(link) for link in Path(f"/proc/{pid}/fd").iterdir())


class Daemon:
    """One pop3d with all that belongs to it, below one directory.

    Make users, then start(), then connect. `extra` is configuration text behind what every test has; `server` goes into
    the server block; `servers` replaces the block."""

    def __init__(self, privileged=None, binary=BINARY):
        self.privileged = os.getuid() == 0 if privileged is None else privileged
        self.top = Path(tempfile.mkdtemp(prefix="pop3d-test-", dir="/tmp"))
        self.top.chmod(0o755)
        self.uid = os.getuid() if self.privileged or os.getuid() else NOBODY  # who starts it
        self.binary = str(binary)
        if self.uid != os.getuid():  # who may not look into the directory that it was built in
            self.binary = str(shutil.copy(binary, self.top / "pop3d"))
        self.domains = self.top / "domains"
        self.mail = self.top / "mail"
        for d in (self.domains, self.mail, self.top / "run", self.top / "cache"):
            d.mkdir()
            own(d, self.uid, self.uid)
        own(self.top, self.uid, self.uid)
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.config = self.top / "pop3d.conf"
        self.log_file = self.top / "log"
        self.process = None
        self.alarms_expected = False  # processes may end before their time
        self.extra, self.server, self.servers, self.options = "", "", None, []
        self.users = []
        self.tls = None  # an ssl.SSLContext: clients of self.port speak TLS from the first octet

    # the world

    def user(self, name=None, password="secret", domain="example.test", hash=None, uid=None, kind=Maildir):
        """A user of a virtual domain with an empty mailbox of this kind. `hash` replaces the crypt of the password."""
        name = name or f"user{len(self.users)}"
        if uid is None:
            uid = 20001 + len(self.users) if self.privileged and os.getuid() == 0 else self.uid
        home = self.mail / domain / name
        home.mkdir(parents=True)
        user = User(name, domain, password, uid, uid, home, kind)
        hash = crypt.crypt(password, "$6$rounds=1000$poplar") if hash is None else hash
        with open(self.domains / domain, "a", encoding="utf-8") as f:
            f.write(f"{name}:{hash}:{uid}:{uid}::{home}:/bin/false\n")
        self.users.append(user)
        return user

    def certificate(self, name="server", **kw):
        """A certificate with its key in files of that name, for localhost (see certificates.py)."""
        cert = certificates.make(self.top, name, **kw)
        own(cert.chain, self.uid, self.uid)
        own(cert.key, self.uid, self.uid)
        return cert

    def make_spool(self):
        """A directory of mailboxes as Debian has it: root's, of group mail, and nobody else may make files in it."""
        self.spool = self.top / "spool"
        self.spool.mkdir()
        os.chown(self.spool, 0, grp.getgrnam("mail").gr_gid)
        self.spool.chmod(0o2775)
        self.extra += f'mailbox {{ mail-spool "{self.spool}"; }}\n'

    # the process

    def config_text(self):
        servers = self.servers or f"server 127.0.0.1:{self.port} {{ {self.server} }}"
        return f"""
mode daemon;
foreground yes;
shutdown-timeout 0;
runtime-dir "{self.top}/run";
cache-dir "{self.top}/cache";
state-dir "{self.top}/state";
logging {{ syslog no; print-severity yes; severity debug; }}
auth {{ authorization virtdomain; authentication generic; }}
virtdomain {{ passwd-dir "{self.domains}"; }}
{servers}
{self.extra}
"""

    def command(self, *options):
        return [self.binary, f"--config-file={self.config}", *self.options, *options]

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
        env.update(HOME=str(self.top), LANG="C.UTF-8", LD_LIBRARY_PATH=str(modules()),
                   ASAN_OPTIONS="detect_leaks=0:abort_on_error=0:exitcode=99:handle_abort=1",
                   UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
        return env

    def identity(self):
        """For subprocess: who runs it."""
        if self.uid == os.getuid():
            return {}
        return {"user": self.uid, "group": self.uid, "extra_groups": []}

    def run(self, *options, timeout=30, **kw):
        """Runs the program to its end with this configuration file; a CompletedProcess with text."""
        if not self.config.exists():
            self.write_config()
        return subprocess.run(self.command(*options), capture_output=True, text=True, timeout=timeout,
                              env=self.environment(), stdin=subprocess.DEVNULL, **self.identity(), **kw)

    def write_config(self):
        self.config.write_text(self.config_text(), encoding="utf-8")

    def start(self, extra=None, server=None, servers=None, options=None, wait=True):
        assert not self.process
        self.extra = self.extra if extra is None else extra
        self.server = self.server if server is None else server
        self.servers = self.servers if servers is None else servers
        self.options = self.options if options is None else options
        for _ in range(5):
            self.write_config()
            with open(self.log_file, "ab") as log:
                self.log_from = log.tell()
                self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env=self.environment(), start_new_session=True, cwd="/",
                                                **self.identity())
            if not wait or self.wait_ready():
                return self
            self.process = None
            self.port = free_port()
            self.address = ("127.0.0.1", self.port)
        raise RuntimeError("no port is free:\n" + self.log())

    def wait_ready(self):
        """True when it serves and all its processes are there; False when somebody else took the port."""
        says_so = "logging" not in self.extra  # else the line may be elsewhere
        greets = not self.servers
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            log = self.log()[self.log_from:]
            if self.process.poll() is not None:
                if "Address already in use" in log:
                    return False
                raise RuntimeError(f"pop3d ended with {self.process.returncode}:\n" + log)
            if says_so and STARTED.search(log):
                says_so = False
            if not says_so:
                try:
                    if greets:
                        Pop3(self.address, timeout=START_SECONDS, tls=self.tls).quit()
                    return True
                except (ConnectionRefusedError, TimeoutError):
                    pass
            time.sleep(0.01)
        raise RuntimeError("pop3d does not answer:\n" + self.log())

    def stop(self, sig=signal.SIGTERM, code=0):
        """Ends it as an operator would; nothing may be left."""
        process, self.process = self.process, None
        if not process:
            return
        process.send_signal(sig)
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_session(process.pid)
            process.wait()
            raise AssertionError("pop3d does not end:\n" + self.log()) from None
        left = wait_for(lambda: not session_pids(process.pid), 10) or session_pids(process.pid)
        self.kill_session(process.pid)
        assert left is True, f"processes are left: {left}\n" + self.log()
        assert process.returncode == code, f"exit status {process.returncode}\n" + self.log()

    def restart(self, **kw):
        self.stop()
        return self.start(**kw)

    @staticmethod
    def kill_session(session):
        for pid in session_pids(session):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def finish(self):
        """For the fixture: ends it, looks at the log, removes everything."""
        try:
            self.stop()
            alarms = [line for line in self.log().splitlines()
                      if REPORTS.search(line) or (DEATHS.search(line) and not self.alarms_expected)]
            assert not alarms, "\n".join(alarms) + "\n\n" + self.log()
        finally:
            if self.process:
                self.kill_session(self.process.pid)
            subprocess.run(["chmod", "-R", "u+rwX", self.top], check=False)
            shutil.rmtree(self.top, ignore_errors=True)

    # looking at it

    def log(self):
        """All of it, of earlier starts as well."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    def wait_log(self, pattern, seconds=START_SECONDS):
        """Waits for a line that matches; the match."""
        found = wait_for(lambda: re.search(pattern, self.log()), seconds)
        assert found, f"no {pattern!r} in the log:\n{self.log()}"
        return found

    def pids(self):
        """All processes, master first."""
        return [self.process.pid] + sorted(set(session_pids(self.process.pid)) - {self.process.pid})

    def role_pids(self, role):
        """Processes whose name says that they have this role."""
        return [pid for pid in self.pids() if role in process_name(pid)]

    def wait_spares(self):
        """The store workers that wait for an owner, once all are there; started by an ordinary user, there are none."""
        most = 1 if "single-process yes" in self.config_text() else SPARES
        if not self.privileged or os.getuid() != 0:
            most = 0
        assert wait_for(lambda: len(self.role_pids("pop3d-spare")) == most), self.log()
        return set(self.role_pids("pop3d-spare"))

    def rss_kib(self):
        """Private memory of all processes (what they share, libraries and pages of before the fork, is not growth)."""
        self.wait_spares()
        total = 0
        for pid in self.pids():
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            except OSError:
                continue
            total += sum(int(n) for n in re.findall(r"^(?:Private_\w+|Swap): +(\d+) kB", text, re.M))
        return total

    def unaccepted(self):
        """Connections that the kernel has completed and no process has accepted yet."""
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[1] == f"0100007F:{self.port:04X}" and fields[3] == "0A":  # listening
                return int(fields[4].split(":")[1], 16)
        return 0

    def descriptors(self):
        """Open descriptors of all processes."""
        self.wait_spares()
        return sum(map(descriptors_of, self.pids()))

    # talking to it

    def client(self, **kw):
        """A client, over TLS where that is what the port is for."""
        return Pop3(self.address, tls=self.tls, **kw)

    def connect(self, **kw):
        """A client that has been greeted."""
        if not self.process:
            self.start()
        c = self.client(**kw)
        assert c.greeting.startswith(b"+OK"), c.greeting
        return c

    def login(self, user, **kw):
        c = self.connect(**kw)
        c.login(user)
        return c


def session_pids(session):
    """Processes of a session (a daemon in the foreground stays in the one it was started in), zombies left out."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = stat[stat.rindex(")") + 2:].split()
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry))
    return found


def process_name(pid):
    """Command line and short name: where a role says what it is."""
    try:
        cmdline = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        return cmdline + " " + Path(f"/proc/{pid}/comm").read_text(encoding="utf-8")
    except OSError:
        return ""


def short_name(pid):
    """The name that ps shows; of one that has ended an empty one."""
    return (process_name(pid).split() or [""])[-1]


def wait_for(fact, seconds=START_SECONDS):
    """Waits until fact() is true, up to a bound that only a broken program reaches; its last value."""
    deadline = time.monotonic() + seconds
    while not (value := fact()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return value


def has_user(name):
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False
