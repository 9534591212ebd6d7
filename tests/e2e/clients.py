"""Real clients, each as its users would set it up: fetch all mail of a maildrop and delete it there; or fetch what is new and keep it.

A client is a function of where the server is, who the user is, and a directory of its own; it returns what it has fetched, one
message behind the other. It may be called again with the same directory: clients remember unique-ids there."""

import os
import poplib
import signal
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534


@dataclass
class Where:
    """A server as its users know it."""
    port: int
    tls: str = ""  # "stls", "implicit"
    ca: str = ""  # file that the server's certificate is verified with
    keep: bool = False  # mail stays on the server, and what was fetched is not fetched again: fetchmail, mpop, getmail


def call(*command, code=(0,), seconds=120, **kw):
    """Its output. Who takes longer is killed, with all that it has started, and subprocess.TimeoutExpired is raised."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **kw) as p:
        try:
            out, err = p.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.communicate()
            raise
    assert p.returncode in code, f"{command}: {p.returncode}\n{out[-2000:]}\n{err[-2000:]}"
    return out


def home(directory):
    return {**os.environ, "HOME": str(directory), "FETCHMAILHOME": str(directory)}


def secret_file(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def curl(where, user, directory, *more):
    """Counts; then fetches and deletes as many in one connection, which is one session: from one to the next, mail that came
    meanwhile may change the numbers."""
    url = f"{'pop3s' if where.tls == 'implicit' else 'pop3'}://127.0.0.1:{where.port}/"
    tls = ["--cacert", where.ca, "--ssl-reqd"] if where.tls else []
    common = ["-sS", "--user", f"{user.login}:{user.password}", *tls, *more]
    numbers = [line.split()[0].decode() for line in call("curl", *common, url).splitlines() if line.strip()]
    if not numbers:
        return b""
    deletions = [arg for n in numbers for arg in ("--next", *common, "-l", "-X", "DELE", url + n)]
    return call("curl", *common, *[url + n for n in numbers], *deletions)


def fetchmail(where, user, directory, proto="pop3", auth="password"):
    mbox = directory / "mbox"
    tls = {"": 'sslproto ""', "stls": 'sslproto "TLS1.2+"', "implicit": "ssl"}[where.tls]
    verify = f' sslcertck sslcertfile "{where.ca}" sslcommonname "localhost"' if where.tls else ""
    rc = secret_file(directory / "fetchmailrc",
                     f'poll 127.0.0.1 protocol {proto} port {where.port} auth {auth} username "{user.login}" '
                     f'password "{user.password}" {tls}{verify} {"keep" if where.keep else "nokeep fetchall"}\nmda "/bin/cat >> {mbox}"\n')
    mbox.write_bytes(b"")
    call("fetchmail", "-f", rc, "-i", str(directory / "ids"), "--nodetach", "--nosyslog", "-N", "--pidfile",
         str(directory / "pid"), code=(0, 1), env=home(directory))
    return mbox.read_bytes()


def mpop(where, user, directory, auth="user"):
    mbox = directory / "mbox"
    tls = f"tls on\ntls_starttls {'on' if where.tls == 'stls' else 'off'}\ntls_trust_file {where.ca}\n" if where.tls else "tls off\n"
    rc = secret_file(directory / "mpoprc",
                     f"account t\nhost 127.0.0.1\nport {where.port}\nuser {user.login}\npassword {user.password}\nauth {auth}\n"
                     f"{tls}keep {'on' if where.keep else 'off'}\nreceived_header off\ndelivery mbox {mbox}\nuidls_file {directory}/uidls\n")
    mbox.write_bytes(b"")
    call("mpop", "-C", rc, "-q", "t", env=home(directory))
    return mbox.read_bytes()


def getmail(where, user, directory, more=""):
    """It knows no STLS."""
    maildir = directory / "getmail"
    for sub in ("new", "cur", "tmp"):
        (maildir / sub).mkdir(parents=True, exist_ok=True)
    tls = f"ca_certs = {where.ca}\n" if where.tls else ""
    rc = directory / "rc"
    rc.write_text(f"[retriever]\ntype = SimplePOP3{'SSL' if where.tls else ''}Retriever\nserver = 127.0.0.1\nport = {where.port}\n"
                  f"username = {user.login}\npassword = {user.password}\n{tls}{more}[destination]\ntype = Maildir\n"
                  f"path = {maildir}/\n[options]\nread_all = {not where.keep}\ndelete = {not where.keep}\ndelivered_to = false\nreceived = false\n")
    who = {}
    if os.getuid() == 0:  # "refuse to deliver mail as root"
        subprocess.run(["chown", "-R", str(NOBODY), directory], check=True)
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    # It starts a process per message, and now and then waits for ever for one that has ended already. Then its connection
    # breaks without QUIT: nothing was deleted, and the next run starts over.
    for seconds in (20, 40, 80):
        try:
            call("getmail", "-g", str(directory), "-r", str(rc), env=home(directory), seconds=seconds, **who)
            return take_all(maildir / "new")
        except subprocess.TimeoutExpired:
            take_all(maildir / "new")
    raise AssertionError("getmail does not end")


def take_all(directory):
    got = b""
    for p in sorted(directory.iterdir()):
        got += p.read_bytes() + b"\n"
        p.unlink()
    return got


def python_poplib(where, user, directory):
    context = ssl.create_default_context(cafile=where.ca) if where.tls else None
    if where.tls == "implicit":
        p = poplib.POP3_SSL("127.0.0.1", where.port, timeout=60, context=context)
    else:
        p = poplib.POP3("127.0.0.1", where.port, timeout=60)
    if where.tls == "stls":
        p.stls(context)
    p.user(user.login)
    p.pass_(user.password)
    got = b""
    for line in p.list()[1]:
        n = int(line.split()[0])
        got += b"\n".join(p.retr(n)[1]) + b"\n\n"
        p.dele(n)
    p.quit()
    return got


def neomutt(where, user, directory):
    """Its fetch-mail, with the answers that a person would give; it wants a terminal."""
    mbox = directory / "mutt.mbox"
    scheme = "pops" if where.tls == "implicit" else "pop"
    tls = (f"set certificate_file={where.ca} ssl_verify_host=yes ssl_starttls=yes ssl_force_tls=yes\n" if where.tls
           else "set ssl_starttls=no ssl_force_tls=no\n")
    rc = secret_file(directory / "muttrc",
                     f'set pop_user="{user.login}" pop_pass="{user.password}" pop_authenticators="user" pop_delete=yes\n'
                     f'set pop_checkinterval=0 pop_host="{scheme}://127.0.0.1:{where.port}"\n{tls}'
                     f'set spoolfile={mbox} mbox={mbox} folder={directory} record="" sleep_time=0 wait_key=no quit=yes\n'
                     "set confirmappend=no mark_old=no\n")
    mbox.write_bytes(b"")
    call("script", "-qec", f"neomutt -n -F {rc} -f {mbox} -e 'push <fetch-mail><quit>'", "/dev/null",
         env={"HOME": str(directory), "TERM": "xterm", "PATH": "/usr/bin:/bin"}, seconds=60)
    return mbox.read_bytes()


ALL = (curl, fetchmail, mpop, getmail, python_poplib, neomutt)
