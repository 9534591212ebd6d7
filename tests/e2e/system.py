"""A pop3d with system users of its own: /etc is another directory for it, in a mount namespace that ends with it, so the
machine's own users are neither seen nor touched. Needs root."""

import crypt
import grp
import os
import shutil
from pathlib import Path

from server import Daemon, Maildir, own

FIRST_UID = 31001
FROM_ETC = ("group", "nsswitch.conf", "hosts", "services", "localtime")
OURS = ("root", "_pop3d", "_pop3auth")

# sh -c this ETC COMMAND...: for whom COMMAND is, /etc is ETC.
IN_ETC = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"']


def hashed(password, method="$6$rounds=1000$"):
    return crypt.crypt(password, method + "poplarpo$")


class Etc:
    """A directory that stands for /etc. Changes are made as useradd(8) and passwd(1) make them: by a rename."""

    def __init__(self, path):
        self.path = Path(path)
        self.path.mkdir()
        for name in FROM_ETC:
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), self.path / name)
        users = Path("/etc/passwd").read_text(encoding="utf-8").splitlines(keepends=True)
        self.write("passwd", "".join(line for line in users if line.split(":")[0] in OURS), 0o644)
        self.write("shadow", f"root:{hashed('root')}:19000:0:99999:7:::\n", 0o640)
        self.write("nsswitch.conf", "passwd: files systemd\ngroup: files\nshadow: files\n", 0o644)

    def write(self, name, text, mode=None):
        new, old = self.path / (name + "+"), self.path / name
        new.write_text(text, encoding="utf-8")
        new.chmod(mode if mode is not None else old.stat().st_mode & 0o777)
        if name == "shadow":
            os.chown(new, 0, grp.getgrnam("shadow").gr_gid)
        new.rename(old)

    def add(self, name, text):
        self.write(name, (self.path / name).read_text(encoding="utf-8") + text)

    def line(self, name, user, field, value):
        """Replaces one field of a user's line."""
        lines = [line.split(":") for line in (self.path / name).read_text(encoding="utf-8").splitlines()]
        for fields in lines:
            if fields[0] == user:
                fields[field] = value
        self.write(name, "".join(":".join(fields) + "\n" for fields in lines))


class SystemUser:
    """One of passwd and shadow, with an empty Maildir in the spool."""

    def __init__(self, name, password, uid, spool):
        self.name = self.login = name
        self.password, self.uid, self.gid = password, uid, uid
        self.inbox = Maildir(spool / name, uid, uid)

    def deliver(self, *args, **kw):
        return self.inbox.deliver(*args, **kw)


class SystemDaemon(Daemon):
    def __init__(self, **kw):
        super().__init__(**kw)
        self.etc = Etc(self.top / "etc")
        self.spool = self.top / "spool"
        self.spool.mkdir(mode=0o755)
        self.system_users = 0

    def system_user(self, name=None, password="secret", hash=None, shadow=":19000:0:99999:7:::", field="x", uid=None):
        """field is what passwd says of the password, shadow what follows the hash there (None: no such line)."""
        name = name or f"system{self.system_users}"
        uid = FIRST_UID + self.system_users if uid is None else uid
        self.system_users += 1
        self.etc.add("passwd", f"{name}:{field}:{uid}:{uid}:A user:/home/{name}:/bin/sh\n")
        if shadow is not None:
            self.etc.add("shadow", f"{name}:{hashed(password) if hash is None else hash}{shadow}\n")
        user = SystemUser(name, password, uid, self.spool)
        own(self.spool, 0, 0)  # where root alone may make mailboxes
        return user

    def config_text(self):
        return super().config_text() + f'mailbox {{ mail-spool "maildir:{self.spool}"; }}\nauth {{ failure-delay 0; }}\n'

    def command(self, *options):
        return [*IN_ETC, str(self.etc.path), *super().command(*options)]
