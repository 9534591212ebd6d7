"""Servers with system users of their own: /etc is another directory for them, in a mount namespace that ends with them, so that the
machine's own users are neither seen nor touched."""
import grp
import os
import shutil
import subprocess
from pathlib import Path

from . import maildrops

FROM_ETC = ("group", "hosts", "services", "localtime", "ssl", "pam.d", "login.defs", "ld.so.cache", "security")
ROOTS = ("root", "_pop3d", "_pop3auth", "dovecot", "dovenull", "nobody", "mail")
FIRST_UID = 30001
GUEST_UID = 29999  # of popa3d itself
MAIL_GROUP = 8

# sh -c this DIR COMMAND...; the last process stays, so that the namespaces have a known one.
MOUNTS = 'mount --bind "$0/etc" /etc && mount --bind "$0/spool" /var/mail && '
ALONE = 'ip link set lo up && mount -t tmpfs none /var/lib && mkdir -m 755 /var/lib/popa3d && "$@" && while :; do sleep 1000; done'


def with_users(directory: Path, argv: list[str], alone: bool) -> list[str]:
    """argv with the users of DIR/etc; `alone`: it goes into the background, has one fixed port, and so a network of its own."""
    spaces = ["--mount", "--net"] if alone else ["--mount"]
    return ["unshare", *spaces, "sh", "-c", MOUNTS + (ALONE if alone else 'exec "$@"'), str(directory), *argv]


def is_greeted(client: list[str], port: int) -> bool:
    hello = f"exec 3<>/dev/tcp/127.0.0.1/{port} && read -r -t 2 -u 3 line && echo QUIT >&3 && case $line in +OK*) ;; *) false; esac"
    return subprocess.run([*client, "bash", "-c", hello], stderr=subprocess.DEVNULL, check=False).returncode == 0


def unpacked(dist: Path, package: str, program: str) -> str:
    """Where the program of a package is that is not installed; "" where it cannot be had."""
    place = dist.parent / "build" / "unpacked"
    if not (place / package).exists():
        subprocess.run([dist / "unpack", place, package], check=False)
    return str(place / package / program)


def make_etc(directory: Path, users: int) -> None:
    """A passwd and shadow with so many users, a uid each, and nobody else but those that servers are; an empty spool."""
    etc, spool = directory / "etc", directory / "spool"
    etc.mkdir()
    spool.mkdir()
    spool.chmod(0o1777)
    for name in FROM_ETC:
        path = Path("/etc", name)
        if path.is_dir():
            shutil.copytree(path, etc / name, symlinks=True)
        elif path.exists():
            shutil.copy(path, etc / name)
    (etc / "pam.d" / "popa3d").write_text("auth required pam_unix.so\naccount required pam_unix.so\n")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files\n")
    roots = [line for line in Path("/etc/passwd").read_text().splitlines(keepends=True) if line.split(":")[0] in ROOTS]
    password = maildrops.crypt(maildrops.CHEAP).decode()
    numbers = range(1, users + 1)
    (etc / "passwd").write_text("".join(roots) + f"popa3d:x:{GUEST_UID}:{GUEST_UID}::/:/bin/false\n" + "".join(
        f"user{u}:x:{FIRST_UID + u}:{FIRST_UID + u}::{directory}/homes/user{u}:/bin/sh\n" for u in numbers))
    shadow = etc / "shadow"
    shadow.write_text("root:*:19000:0:99999:7:::\n" + "".join(f"user{u}:{password}:19000:0:99999:7:::\n" for u in numbers))
    shadow.chmod(0o640)
    os.chown(shadow, 0, grp.getgrnam("shadow").gr_gid)
    for u in numbers:
        home = directory / "homes" / f"user{u}"
        home.mkdir(parents=True)
        os.chown(home, FIRST_UID + u, FIRST_UID + u)
