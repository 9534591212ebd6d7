"""popauth: every option, on each kind of database; Mailutils' popauth reads what ours writes, and the other way round."""

import os
import pty
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from server import BINARY, BUILD, NOBODY, wait_for

POPAUTH = BINARY.parent / "popauth"
MAILUTILS = "/usr/bin/popauth"
SCHEMES = ["gdbm", "lmdb", "text", "bdb"]
USAGE, UNAVAILABLE, SOFTWARE = 64, 69, 70
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0:exitcode=99", "UBSAN_OPTIONS": "halt_on_error=1"}


@pytest.fixture
def place():
    """A directory that only we may write, in one that all can reach."""
    directory = Path(tempfile.mkdtemp(prefix="pop3d-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def run(*arguments, text="", program=POPAUTH, **kw):
    got = subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False, **kw)
    assert got.returncode not in (99, -6, -11), got.stderr
    return got


def listed(name, *arguments, program=POPAUTH):
    got = run("--list", "--file", name, *arguments, program=program)
    assert got.returncode == 0, got.stderr
    return sorted(got.stdout.splitlines())


def create(name, text, *arguments, program=POPAUTH):
    got = run("--create", "--output", name, *arguments, text=text, program=program)
    assert got.returncode == 0, got.stderr
    return got.stderr


@pytest.mark.parametrize("scheme", SCHEMES)
def test_actions(place, scheme):
    path = place / "db"
    name = f"{scheme}://{path}"
    said = create(name, "# comment\n\n  bob  a secret \nal\t2\nodd\nbob@a.test 3\nal 4\n")
    assert said == "popauth: :5: malformed line\n"
    assert listed(name, program=POPAUTH)[-2:] == ["bob a secret", "bob@a.test 3"] and "al 4" in listed(name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    left = {p.name for p in place.iterdir()}
    assert left == ({"db", "db-lock"} if scheme == "lmdb" else {"db"})  # nothing temporary

    assert run("-a", "-f", name, "-u", "new", "-p", "n w").returncode == 0
    assert run("--add", "--file", name, "--user", "bob", "--password", "other").returncode == 0  # replaces
    assert listed(name, "-u", "bob") == ["bob other"] and listed(name, "--user=new") == ["new n w"]
    assert run("-m", "-f", name, "-u", "al", "-p", "5").returncode == 0
    assert listed(name, "-u", "al") == ["al 5"]
    assert run("-d", "-f", name, "-u", "bob").returncode == 0
    assert listed(name) == ["al 5", "bob@a.test 3", "new n w"]

    got = run("-d", "-f", name, "-u", "zed")
    assert (got.returncode, got.stderr) == (1, "popauth: cannot remove record for zed: Requested item not found\n")
    got = run("-m", "-f", name, "-u", "nono", "-p", "x")
    assert (got.returncode, got.stderr) == (1, "popauth: no such user: nono\n")
    got = run("-l", "-f", name, "-u", "zed")
    assert (got.returncode, got.stdout, got.stderr) == (0, "", "popauth: no such user: zed\n")

    out = place / "out"
    assert run("--list", "--file", name, "--output", out).returncode == 0
    assert sorted(out.read_text().splitlines()) == listed(name) and stat.S_IMODE(out.stat().st_mode) == 0o600
    create(name, "only 1\n")  # nothing of before
    assert listed(name) == ["only 1"]
    create(f"{scheme}://{place}/again", "", "-f", out)
    assert listed(f"{scheme}://{place}/again") == ["al 5", "bob@a.test 3", "new n w"]


def test_add_makes_a_database(place):
    assert run("-a", "-f", place / "db", "-u", "a", "-p", "b").returncode == 0
    assert listed(place / "db") == ["a b"] and stat.S_IMODE((place / "db").stat().st_mode) == 0o600


def test_compatibility(place):
    """A colon behind names, in both directions; without the option it belongs to the name."""
    create(place / "db", "bob: 1\nal 2\n", "--compatibility")
    assert listed(place / "db") == ["al 2", "bob 1"]
    assert listed(place / "db", "--compatibility") == ["al: 2", "bob: 1"]
    create(place / "db", "bob: 1\n")
    assert listed(place / "db") == ["bob: 1"] and listed(place / "db", "-u", "bob:") == ["bob: 1"]


def test_permissions(place):
    """Files have what -P says; without it they may be read by nobody else, or are refused."""
    for option in ("-P", "--permissions"):
        create(place / "db", "a 1\n", option, "640")
        assert stat.S_IMODE((place / "db").stat().st_mode) == 0o640
        got = run("-l", "-f", place / "db")
        assert got.returncode == UNAVAILABLE and got.stderr == f"popauth: {place}/db fails safety check: Group readable file\n"
        assert listed(place / "db", option, "640") == ["a 1"]
        assert run("-l", "-f", place / "db", option, "604").returncode == UNAVAILABLE
        assert listed(f"{place}/db;none") == ["a 1"]
    assert run("-a", "-f", place / "new", "-u", "a", "-p", "1", "-P", "660").returncode == 0
    assert stat.S_IMODE((place / "new").stat().st_mode) == 0o660


@pytest.mark.parametrize("arguments, code, says", [
    (["-l", "-a"], 1, "You may not specify more than one `-aldp' option"),
    (["-a", "-p", "x"], 1, "missing user name to add"),
    (["-d"], 1, "missing username to delete"),
    (["-P", "9x", "-l"], USAGE, "invalid octal number: 9x"),
    (["-P", "", "-l"], USAGE, "invalid octal number: "),
    (["-P", "1777", "-l"], USAGE, "invalid octal number: 1777"),
    (["-l", "more"], 1, "too many arguments"),
    (["--foo"], 1, "unrecognized option"),
    (["-l", "-f", "/nonexistent/db"], SOFTWARE, "cannot open /nonexistent/db: cannot be opened: No such file or directory"),
    (["-c", "-f", "/nonexistent", "-o", "x"], 1, "cannot open file /nonexistent: No such file or directory"),
    (["-c", "-o", "/nonexistent/db"], 1, "cannot make a directory beside /nonexistent/db: No such file or directory"),
    (["-l", "-f", "kc:///a"], USAGE, "kc: databases of this kind are not read"),
    (["-a", "-f", "db", "-u", "two words", "-p", "x"], 1, "a name must be one word"),
    (["-a", "-f", "db", "-u", "#a", "-p", "x"], 1, "a name must be one word"),
    (["-a", "-f", "db", "-u", "a", "-p", ""], 1, "a name must be one word, and a password"),
    (["-a", "-f", "db", "-u", "a", "-p", "x\ny"], 1, "a name must be one word, and a password"),
    (["-a", "-f", "db", "-u", "a", "-p", "x" * 2000], 1, "the password is too long"),
], ids=lambda v: " ".join(v)[:40] if isinstance(v, list) else None)
def test_wrong(place, arguments, code, says):
    got = run(*arguments, cwd=place)
    assert got.returncode == code and says in got.stderr, (got.returncode, got.stderr)


def test_help(place):
    del place
    for option in ("-?", "--help", "--usage"):
        got = run(option)
        assert got.returncode == 0 and "--compatibility" in got.stdout and "--permissions" in got.stdout
    got = run("-V")
    assert got.returncode == 0 and "Database formats: gdbm lmdb text bdb\nDatabase location: /etc/apop.db\n" in got.stdout
    assert got.stdout == run("--version").stdout


def test_passwords_are_asked_for(place):
    """Twice, and again until they are the same."""
    got = run("-a", "-f", place / "db", "-u", "bob", text="1\n2\n3 x\n3 x\n")
    assert got.returncode == 0 and got.stdout == "Password:Confirm :Password:Confirm :"
    assert got.stderr == "popauth: Passwords differ. Please retry.\n" and listed(place / "db") == ["bob 3 x"]
    got = run("-m", "-f", place / "db", "-u", "bob", text="4\n4\n")
    assert got.returncode == 0 and got.stdout == "Changing password for bob\nPassword:Confirm :"
    assert listed(place / "db") == ["bob 4"]
    assert run("-m", "-f", place / "db", "-u", "bob", text="5\n").returncode == 1
    assert listed(place / "db") == ["bob 4"]


def test_terminal(place):
    """What is typed is not shown."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(POPAUTH, [str(POPAUTH), "-a", "-f", str(place / "db"), "-u", "bob"])
    seen = b""

    def read_until(text):
        nonlocal seen
        while text not in seen:
            seen += os.read(fd, 1000)

    read_until(b"Password:")
    os.write(fd, b"hidden\n")
    read_until(b"Confirm :")
    os.write(fd, b"hidden\n")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(fd)
    assert b"hidden" not in seen and listed(place / "db") == ["bob hidden"]


def test_command_line_is_wiped(place):
    """While it runs, others do not see the password among its arguments."""
    os.mkfifo(place / "lines")
    p = subprocess.Popen([POPAUTH, "-c", "-p", "visible", "-f", place / "lines", "-o", place / "db"], env=ENVIRONMENT)
    writer = os.open(place / "lines", os.O_WRONLY)  # it has come as far as opening it
    assert b"visible" not in Path(f"/proc/{p.pid}/cmdline").read_bytes()
    os.close(writer)
    assert p.wait(30) == 0


@pytest.mark.parametrize("scheme", ["gdbm", "bdb"])
def test_with_mailutils(place, scheme):
    """Each reads, and changes, what the other has made."""
    ours, theirs = f"{scheme}://{place}/ours", f"{scheme}://{place}/theirs"
    text = "".join(f"user{n}@example.test secret {n}\n" for n in range(300))
    create(ours, text)
    create(theirs, text, program=MAILUTILS)
    (place / "theirs").chmod(0o600)  # theirs is readable for all, in the case of bdb
    assert listed(ours, program=MAILUTILS) == listed(theirs) == sorted(text.splitlines())
    assert run("-a", "-f", theirs, "-u", "new", "-p", "x").returncode == 0
    assert run("-d", "-f", theirs, "-u", "user7@example.test").returncode == 0
    assert run("-a", "-f", ours, "-u", "new", "-p", "x", program=MAILUTILS).returncode == 0
    assert run("-d", "-f", ours, "-u", "user7@example.test", program=MAILUTILS).returncode == 0
    assert listed(ours) == listed(theirs, program=MAILUTILS) == listed(theirs)


def test_killed_while_it_creates(place):
    """The old database stays until the new one is whole."""
    create(place / "db", "old 1\n")
    p = subprocess.Popen([POPAUTH, "-c", "-o", place / "db"], stdin=subprocess.PIPE, env=ENVIRONMENT)
    p.stdin.write(b"".join(b"user%d x\n" % n for n in range(5000)))
    p.stdin.flush()
    assert wait_for(lambda: any("db." in f.name for f in place.iterdir()))
    p.send_signal(signal.SIGKILL)
    p.wait()
    assert listed(place / "db") == ["old 1"]


@pytest.mark.needs_root
def test_ordinary_users(place):
    """Set-uid, it lets a user change his own secret if he knows the old one; everything else is refused. The default database is the
    only one that he reaches, so the program runs where /etc is another."""
    program = place / "popauth"
    shutil.copy(POPAUTH, program)
    shutil.copy(BUILD / "src/dbm/mod_bdb.so", place)
    program.chmod(0o4755)
    etc = place / "etc"
    etc.mkdir(0o755)
    shutil.copy("/etc/passwd", etc)
    (etc / "apop.db").unlink(missing_ok=True)
    create(etc / "apop.db", "nobody old\nother 1\n")
    shutil.copy(etc / "apop.db", place / "mine.db")

    def as_nobody(*arguments, text=""):
        command = ["unshare", "-m", "sh", "-c", f'mount --bind {etc} /etc && shift && exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups -- "$@"',
                   "sh", "sh", str(program), *map(str, arguments)]
        got = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False, env=ENVIRONMENT)
        return got.returncode, got.stderr

    assert as_nobody("-l") == (USAGE, "popauth: Operation not allowed\n")
    assert as_nobody("-d") == (USAGE, "popauth: Operation not allowed\n")
    assert as_nobody("-m", "-u", "other") == (USAGE, "popauth: Only the file owner can use --username\n")
    for option in (["-f", place / "mine.db"], ["-o", place / "x"], ["-P", "666"]):
        assert as_nobody("-m", *option) == (USAGE, "popauth: Operation not allowed\n")
    assert as_nobody(text="wrong\nnew\nnew\n") == (1, "popauth: Sorry, wrong password\n")
    assert listed(etc / "apop.db") == ["nobody old", "other 1"]
    assert as_nobody(text="old\nnew\nnew\n") == (0, "")
    assert as_nobody("-m", "-p", "newer", text="new\n") == (0, "")
    assert listed(etc / "apop.db") == ["nobody newer", "other 1"]
    assert (etc / "apop.db").stat().st_uid == 0
    os.chown(etc / "apop.db", NOBODY, NOBODY)  # the owner may do all
    assert as_nobody("-d", "-u", "other") == (0, "")
    assert as_nobody("-l") == (0, "")
    os.chown(etc / "apop.db", 0, 0)
    assert listed(etc / "apop.db") == ["nobody newer"]
