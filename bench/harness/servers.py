"""The servers: a row each. Their configurations are templates in bench/peers/."""
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import accounting, maildrops, system

PEERS = Path(__file__).resolve().parent.parent / "peers"
DIST = PEERS.parent.parent / "dist"
USERS = "@USERS@"  # in a template: whose mail it is and who checks passwords; peers/users/ has it
START_SECONDS = 20
STOP_SECONDS = 10
CERTIFICATE, KEY = "server.pem", "server.key"


@dataclass(frozen=True)
class Server:
    name: str
    title: str
    program: str  # @DAEMON@, @POPLOAD@: ours
    argv: tuple[str, ...]
    package: str = ""
    template: str = ""
    directories: tuple[str, ...] = ("run", "state", "cache")
    version: tuple[str, ...] = ("--version",)
    idle_most: int = 1 << 30  # connections that it holds in this configuration
    scenarios: tuple[str, ...] = ()  # that it can serve; none: all
    ours: bool = False
    unpacked: bool = False  # its package cannot be installed beside others; PROGRAM is below the place where it is unpacked
    port: int = 0  # the only one that it serves; it has a network of its own then
    polls_most: int = 1 << 30  # before it shuts its door to an address for a while

    def serves(self, scenario: str, clients: int) -> bool:
        return clients <= self.idle_most and (not self.scenarios or scenario in self.scenarios)


SERVERS = (
    Server("poplar", "Poplar", "@DAEMON@", ("--config-file=@CONF@", "--daemon", "--foreground"),
           template="poplar.conf", ours=True),
    Server("dovecot-tuned", "Dovecot, high-performance", "/usr/sbin/dovecot", ("-F", "-c", "@CONF@"),
           package="dovecot-pop3d", template="dovecot-tuned.conf"),
    Server("dovecot-shared", "Dovecot, the same with shared mail processes", "/usr/sbin/dovecot", ("-F", "-c", "@CONF@"),
           package="dovecot-pop3d", template="dovecot-shared.conf",  # a process that has several clients refuses mbox
           scenarios=("poll", "poll-512", "short", "fetch", "poll-sha512", "poll-tls", "poll-tls-resumed", "fetch-tls")),
    Server("dovecot", "Dovecot, default", "/usr/sbin/dovecot", ("-F", "-c", "@CONF@"),
           package="dovecot-pop3d", template="dovecot.conf", idle_most=64),
    Server("mailutils", "Mailutils pop3d", "/usr/sbin/pop3d", ("--config-file=@CONF@", "--daemon", "--foreground"),
           package="mailutils-pop3d", template="mailutils.conf", idle_most=64),
    Server("bare", "bare exchange", "@POPLOAD@",
           ("serve", "--port=@PORT@", "--tls-port=@TLSPORT@", "--certificate=@CERT@", "--key=@KEY@"), version=(),
           scenarios=("poll", "poll-512", "poll-tls", "poll-tls-resumed")),
)

# Those that take part only where their kind of users and load is: their own acts name them.
GUESTS = (
    Server("popa3d", "popa3d", "usr/sbin/popa3d", ("-D",), package="popa3d", version=("-V",), unpacked=True, port=110,
           idle_most=4, polls_most=40),  # a backlog of 5, beyond which clients wait for ever; and 50 sessions in ten seconds
    Server("bare-sendfile", "bare sendfile", "@POPLOAD@", ("bulk", "--port=@PORT@", "--file=@DIR@/wire", "--messages=@MESSAGES@"),
           version=()),
    Server("bare-copy", "bare pread and write, or TLS", "@POPLOAD@",
           ("bulk", "--copy", "--port=@PORT@", "--tls-port=@TLSPORT@", "--certificate=@CERT@", "--key=@KEY@", "--file=@DIR@/wire",
            "--messages=@MESSAGES@"), version=()),
)


class StartError(Exception):
    pass


@dataclass
class Running:
    """A server that runs on a port of its own with maildrops of its own, in a directory of its own."""
    server: Server
    directory: Path
    port: int
    tls_port: int  # where TLS begins with the first octet
    process: subprocess.Popen
    account: accounting.Group | accounting.Tree = field(repr=False)
    system: bool = False  # its users are the system's, and have no domain

    def user(self, domain: str) -> str:
        return "user%d" if self.system else f"user%d@{domain}"

    def client(self) -> list[str]:
        """What must stand before the client's command, for it to reach the server."""
        return ["nsenter", f"--net=/proc/{self.process.pid}/ns/net"] if self.server.port else []

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def stop(self) -> None:
        """Its first process gets the word; what is left of those that it started, the axe."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for _ in range(100):
            pids = self.account.pids()
            if not pids:
                break
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        self.account.remove()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_greeted(running: Running) -> bool:
    if running.server.port:
        return system.is_greeted(running.client(), running.port)
    try:
        with socket.create_connection(("127.0.0.1", running.port), timeout=2) as s:
            greeted = s.recv(3) == b"+OK"
            s.sendall(b"QUIT\r\n")
            return greeted
    except OSError:
        return False


def program_of(server: Server, own: dict[str, str]) -> str | None:
    path = own.get(server.program, server.program)
    if server.unpacked:
        path = system.unpacked(DIST, server.package, path)
    return path if os.access(path, os.X_OK) else None


def version_of(server: Server, own: dict[str, str]) -> str:
    if not server.version:
        return ""
    done = subprocess.run([program_of(server, own), *server.version], capture_output=True, text=True, check=False)
    return (done.stdout.splitlines() or ["?"])[0]


def make_certificate(base: Path) -> None:
    """ECDSA P-256, signed by itself, the same for all servers."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", base / KEY, "-out", base / CERTIFICATE], check=True,
                   stderr=subprocess.DEVNULL)
    (base / KEY).chmod(0o600)


def fill(text: str, facts: dict[str, str]) -> str:
    for name, value in facts.items():
        text = text.replace(name, value)
    return text


def prepare(server: Server, base: Path, users: int) -> Path:
    """A directory with the server's own copy of the maildrops; to be started in as often as one likes."""
    directory = base / server.name
    for name in ("",) + server.directories:
        (directory / name).mkdir(mode=0o755)
    if server.template:
        maildrops.make_homes(directory / "homes", users)
        maildrops.make_domains(directory / "domains", directory / "homes", users)
    return directory


def template(server: Server, by_system: bool) -> str:
    """Its configuration, with the part about users that is the same for all configurations of a program."""
    program = Path(server.template).stem.split("-")[0]
    kind = "system" if by_system else "virtual"
    return (PEERS / server.template).read_text().replace(USERS, (PEERS / "users" / f"{program}-{kind}.conf").read_text().rstrip())


def start(server: Server, directory: Path, own: dict[str, str], by_system: bool = False, statements: str = "") -> Running:
    """by_system: its users are those of a passwd and shadow of its own, DIR/etc, and their mail is in DIR/spool. Statements: of our configuration."""
    port, tls_port = server.port or free_port(), free_port()
    conf = directory / "conf"
    facts = {"@DIR@": str(directory), "@PORT@": str(port), "@TLSPORT@": str(tls_port), "@CONF@": str(conf),
             "@DOMAINS@": str(directory / "domains"), "@CERT@": str(directory.parent / CERTIFICATE),
             "@KEY@": str(directory.parent / KEY), "@SERVICE_COUNT@": "1" if by_system else "0", **own}
    if server.template:
        conf.write_text(fill(template(server, by_system), facts) + (statements if server.ours else ""))
    account = accounting.account(server.name)
    argv = [program_of(server, own)] + [fill(a, facts) for a in server.argv]
    if by_system:
        argv = system.with_users(directory, argv, alone=server.port != 0)
    with open(directory / "log", "ab") as log:
        process = subprocess.Popen(account.enter_command(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    account.attach(process.pid)
    running = Running(server, directory, port, tls_port, process, account, by_system)
    deadline = time.monotonic() + START_SECONDS
    while not is_greeted(running):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(running.log.read_text(errors="replace").splitlines()[-10:])
            running.stop()
            raise StartError(f"{server.name} does not serve:\n{tail}")
        time.sleep(0.05)
    return running


def install(servers: list[Server]) -> None:
    """Debian's packages of those that are missing; no daemon is started. And the users that our processes become."""
    packages = sorted({s.package for s in servers if s.package and not s.unpacked and not os.access(s.program, os.X_OK)})
    if packages:
        subprocess.run([DIST / "packages", *packages], check=True)
    if any(s.ours for s in servers):
        subprocess.run([DIST / "users"], check=True)
