"""The world of the dialogues (tests/dialogue/README.md), served by pop3d or by Debian's Mailutils: the same users, a server for each mode of
TLS."""

import subprocess
from pathlib import Path

from server import Daemon, Maildir, Mbox, free_port, own

MAILUTILS = Path("/usr/sbin/pop3d")

SERVERS = {
    "stls": "tls-mode ondemand;",
    "required": "tls-mode required;",
    "pop3s": "tls-mode connection;",
    "short": "tls-mode no; timeout 2;",
}

CONFIGURATIONS = {
    "features": """
scan-lines yes;
expire 3;
apop-database-file "%(top)s/apop.db";
""",
    "delay": """
login-delay "1 hour";
stat-file "gdbm://%(top)s/logins;none";
""",
}


class MailutilsDaemon(Daemon):
    """Mailutils' pop3d as an operator would start it."""

    def __init__(self):
        super().__init__(binary=MAILUTILS)
        (self.top / "locks").mkdir()

    def config_text(self):
        return f"""
mode daemon;
foreground yes;
logging {{ syslog no; print-severity yes; severity debug; }}
auth {{ authorization virtdomain; authentication generic; }}
virtdomain {{ passwd-dir "{self.domains}"; }}
mandatory-locking {{ enable yes; lock-directory "{self.top}/locks"; }}
{self.extra}
server 127.0.0.1:{self.port} {{ {self.server} }}
"""


def secrets(file, uid):
    """Of APOP."""
    for name in ("empty", "both"):
        subprocess.run(["gdbmtool", file, "store", f"{name}@example.test", "shared"], check=True)
    file.chmod(0o600)
    own(file, uid, uid)


class World:
    """Serves from `with` to its end."""

    def __init__(self, daemon, extra="", more=""):
        self.daemon = daemon
        self.users = {name: daemon.user(name, password, kind=kind, uid=uid) for name, password, kind, uid in (
            ("alice", "apw", Maildir, None),
            ("empty", "epw", Maildir, None),
            ("blank", " two  blanks ", Maildir, None),
            ("mbox", "mpw", Mbox, None),
            ("both", "bpw", Maildir, None),
            ("root", "rpw", Maildir, 0),
        )}
        certificate = daemon.certificate()
        self.tls_context = certificate.context()
        self.ports = {name: free_port() for name in SERVERS}
        if extra:
            secrets(daemon.top / "apop.db", daemon.uid)
        self.extra = extra % {"top": daemon.top} + more + certificate.block + "\n" + "".join(
            f"server 127.0.0.1:{self.ports[name]} {{ {mode} }}\n" for name, mode in SERVERS.items())

    def address(self, server):
        return ("127.0.0.1", self.ports.get(server, self.daemon.port))

    def __enter__(self):
        self.daemon.start(extra=self.extra, server="tls-mode no;")
        return self

    def __exit__(self, *_):
        self.daemon.finish()

    @classmethod
    def ours(cls, extra=""):
        return cls(Daemon(), extra, "auth { failure-delay 0; }\nmailbox { session-lock-wait 1; }\nlocking { retry-count 1; }\n")

    @classmethod
    def mailutils(cls, extra=""):
        return cls(MailutilsDaemon(), extra)
