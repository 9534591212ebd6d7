"""Real deliverers: Postfix and Exim with configurations of their own, procmail, and maildrop. They write into maildrops while clients read
them."""

import os
import smtplib
import subprocess
import time
from pathlib import Path

from server import free_port, own, wait_for
from system import IN_ETC, Etc

SERVICES = """
127.0.0.1:@PORT@ inet n - n - 20 smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
error     unix  - - n - - error
retry     unix  - - n - - error
virtual   unix  - n n - - virtual
local     unix  - n n - - local
anvil     unix  - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""

SETTINGS = """
compatibility_level = 3.6
queue_directory = @DIR@/queue
data_directory = @DIR@/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = @DIR@/log
maillog_file_prefixes = @DIR@
myhostname = mx.example.test
mydestination = local.test
default_privs = nobody
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = error:no outbound mail
alias_maps = inline:{ @ALIASES@ }
mailbox_size_limit = 0
mailbox_delivery_lock = @LOCKS@
local_recipient_maps =
virtual_mailbox_domains = example.test
virtual_mailbox_base = /
virtual_mailbox_maps = inline:{ @MAILBOXES@ }
virtual_uid_maps = inline:{ @UIDS@ }
virtual_gid_maps = inline:{ @UIDS@ }
virtual_minimum_uid = 1
virtual_mailbox_lock = @LOCKS@
virtual_mailbox_limit = 0
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 4s
deliver_lock_delay = 1s
deliver_lock_attempts = 60
default_database_type = texthash
smtpd_peername_lookup = no
smtp_tls_security_level =
"""


class Postfix:
    """Delivers mail for these users, each as the owner of the maildrop, with Debian's default locks, by virtual(8); or by local(8), into files of
    nobody."""

    def __init__(self, directory, users, agent="virtual", locks="fcntl, dotlock"):
        self.agent = agent
        self.dir, self.port = Path(directory), free_port()
        for sub in ("etc", "queue", "data"):
            (self.dir / sub).mkdir(parents=True)
        subprocess.run(["chown", "postfix", self.dir / "data"], check=True)
        slash = {u: "" if u.inbox.path.is_file() else "/" for u in users}
        facts = {"@DIR@": str(self.dir), "@PORT@": str(self.port),
                 "@MAILBOXES@": ", ".join(f"{{ {u.login} = {str(u.inbox.path)[1:]}{slash[u]} }}" for u in users),
                 "@LOCKS@": locks,
                 "@ALIASES@": ", ".join(f"{{ {u.name} = {u.inbox.path} }}" for u in users if u.inbox.path.is_file()),
                 "@UIDS@": ", ".join(f"{{ {u.login} = {u.uid} }}" for u in users)}
        for name, text in (("main.cf", SETTINGS), ("master.cf", SERVICES)):
            for key, value in facts.items():
                text = text.replace(key, value)
            (self.dir / "etc" / name).write_text(text.lstrip())
        self.command("start")
        assert wait_for(self.answers), self.log()

    def command(self, word):
        subprocess.run(["postfix", "-c", self.dir / "etc", word], check=True, capture_output=True, timeout=60)

    def answers(self):
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                return True
        except OSError:
            return False

    def send(self, user, messages):
        """All of them over one connection."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as s:
            for m in messages:
                s.sendmail("sender@example.test", [user.login if self.agent == "virtual" else f"{user.name}@local.test"], m)

    def is_idle(self):
        """Nothing waits for its delivery any more."""
        queue = [p for sub in ("maildrop", "incoming", "active", "deferred") for p in (self.dir / "queue" / sub).rglob("*")
                 if p.is_file()]
        return not queue

    def log(self):
        path = self.dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self):
        self.command("stop")


class Procmail:
    """Stores a message as its user, with the lock file that a recipe with a second colon asks for."""

    def __init__(self, directory, user):
        self.dir, self.user = Path(directory), user
        self.dir.mkdir(parents=True)
        target = user.inbox.path if user.inbox.path.is_file() else f"{user.inbox.path}/"
        (self.dir / "procmailrc").write_text(f"DEFAULT={target}\nLOCKSLEEP=1\n:0:\n{target}\n")
        for p in (self.dir, self.dir / "procmailrc"):
            own(p, user.uid, user.gid)

    def send(self, messages):
        env = {"HOME": str(self.dir), "LOGNAME": "nobody", "PATH": "/usr/bin:/bin"}
        who = {"user": self.user.uid, "group": self.user.gid, "extra_groups": []} if os.getuid() == 0 else {}
        for m in messages:
            subprocess.run(self.command(), input=m, env=env, cwd=self.dir, check=True, timeout=120, **who)

    def command(self):
        return ["procmail", "-f", "sender@example.test", "-m", str(self.dir / "procmailrc")]


class Maildrop(Procmail):
    """Courier's maildrop(1), as its user: NAME.lock, and a lock of the kernel."""

    def __init__(self, directory, user):
        super().__init__(directory, user)
        (self.dir / "mailfilter").write_text(f'to "{user.inbox.path}"\n')
        (self.dir / "mailfilter").chmod(0o600)
        own(self.dir / "mailfilter", user.uid, user.gid)

    def command(self):
        return ["maildrop", "-f", "sender@example.test", str(self.dir / "mailfilter")]


EXIM_ID = 31901
EXIM = """
primary_hostname = mx.example.test
spool_directory = @DIR@/spool
log_file_path = @DIR@/log/%slog
exim_path = @PROGRAM@
keep_environment =
disable_ipv6 = true
begin routers
mailbox:
  driver = accept
  transport = mail_spool
begin transports
mail_spool:
  driver = appendfile
  file = @MAILBOX@
  user = @UID@
  group = @GID@
  delivery_date_add
  envelope_to_add
  return_path_add
  mode_fail_narrower = false
  lock_interval = 1s
  lock_retries = 60
"""


class Exim:
    """Delivers to one user as Debian's mail_spool does, but as the owner of the mailbox: NAME.lock, and a lock of the kernel. `root` has the
    package exim4-daemon-light, which Postfix does not suffer beside itself; the user that it wants is in an /etc of its own."""

    def __init__(self, directory, user, root):
        self.dir, self.user, self.program = Path(directory), user, root / "usr/sbin/exim4"
        self.dir.mkdir(parents=True)
        for sub in ("spool", "log"):
            (self.dir / sub).mkdir()
            os.chown(self.dir / sub, EXIM_ID, EXIM_ID)
        self.etc = Etc(self.dir / "etc")
        self.etc.add("passwd", f"Debian-exim:x:{EXIM_ID}:{EXIM_ID}::/:/bin/false\n")
        self.etc.add("group", f"Debian-exim:x:{EXIM_ID}:\n")
        text = EXIM.lstrip()
        for key, value in {"DIR": self.dir, "PROGRAM": self.program, "MAILBOX": user.inbox.path, "UID": user.uid, "GID": user.gid}.items():
            text = text.replace(f"@{key}@", str(value))
        (self.etc.path / "exim4").mkdir()
        (self.etc.path / "exim4/exim4.conf").write_text(text, encoding="ascii")

    def send(self, messages):
        """One after the other, each delivered when its call ends."""
        for m in messages:
            subprocess.run([*IN_ETC, self.etc.path, self.program, "-odi", "-oi", "-f", "sender@example.test", "you@example.test"],
                           input=m, cwd="/", check=True, timeout=120)
        assert not any(p.is_file() for p in (self.dir / "spool/input").rglob("*")), self.log()

    def log(self):
        return (self.dir / "log/mainlog").read_text(errors="replace")


def paced(messages, seconds=0.02):
    """One after the other, with time for others in between."""
    for m in messages:
        yield m
        time.sleep(seconds)
