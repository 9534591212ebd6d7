"""Modules in processes of their own: who asks them, what happens when they hang, die or go away, what is refused at the start."""

import os
import re
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from server import SANITIZED, Daemon, Maildir, free_port, modules, wait_for
from system import SystemDaemon, hashed
from test_auth import try_login
from test_run import reload

pytestmark = pytest.mark.needs_root

CHAINS = "auth { authorization clear:system:virtdomain; authentication clear:pam:generic; }\n"


@pytest.fixture(scope="module")
def daemon():
    d = SystemDaemon()
    (d.etc.path / "pam.d").mkdir()
    d.etc.write("pam.d/mailutils", "auth required pam_unix.so\naccount required pam_unix.so\n", 0o644)
    d.bob = d.system_user("bob")
    d.ann = d.user("ann")
    d.start(extra=CHAINS)
    yield d
    d.finish()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes crypt(3) away from a library that is loaded later")
def test_users_of_pam(daemon):
    assert try_login(daemon, daemon.bob.login, "secret").startswith(b"+OK")
    assert try_login(daemon, daemon.bob.login, "wrong").startswith(b"-ERR [AUTH]")
    assert try_login(daemon, daemon.ann.login, "secret").startswith(b"+OK")
    assert len(daemon.role_pids("pop3d-pam")) == 4


# --- faults, with users in a file of SQLite -------------------------------------------------------------------------

UID = 20801
OK, TEMP = b"+OK", b"-ERR [SYS/TEMP]"


def sql(d):
    return (f'auth {{ authorization clear:sql:virtdomain; lookup-timeout 1; failure-delay 0; cache {{ ttl 0; }} }}\n'
            f'sql {{ interface sqlite; db "{d.top}/sql/users.db"; '
            f"""getpwnam "select login as name, passwd, uid, gid, dir, '/bin/sh' as shell, mailbox from users where login='$user'"; }}\n""")


@pytest.fixture(scope="module")
def faulty():
    d = Daemon()
    data = d.top / "sql"
    data.mkdir(mode=0o755)
    with sqlite3.connect(data / "users.db") as db:
        db.execute("create table users (login, passwd, uid integer, gid integer, dir, mailbox)")
        db.execute("insert into users values (?, ?, ?, ?, ?, ?)", ("alice", hashed("secret"), UID, UID, "/nonexistent", f"maildir:{data}/alice"))
    db.close()
    Maildir(data / "alice", UID, UID)
    os.chown(data, 0, 0)
    d.alarms_expected = True
    d.ann = d.user("ann")
    d.start(extra=sql(d))
    yield d
    d.finish()


def alice(d):
    return try_login(d, "alice", "secret")


def stop(pids):
    """They have stopped when this returns."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        assert wait_for(lambda p=pid: "\nState:\tT" in open(f"/proc/{p}/status", encoding="ascii").read())


def test_hanging_processes_are_replaced(faulty):
    """Stopped, they do not even see their own timer: whoever asks hears of trouble in time, others do not notice, and new ones take their places."""
    assert alice(faulty).startswith(OK)
    before = faulty.role_pids("pop3d-sql")
    assert len(before) == 4
    stop(before)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(alice, faulty) for _ in range(4)]
        for _ in range(8):
            assert try_login(faulty, faulty.ann.login, "secret").startswith(OK)
        assert [w.result().startswith(TEMP) or w.result() for w in waiting] == [True] * 4
    assert wait_for(lambda: alice(faulty).startswith(OK)), faulty.log()
    faulty.wait_log("it does not answer")
    faulty.wait_log(r"backend-away module=sql reason=.*no answer in time")
    for pid in set(before) & set(faulty.role_pids("pop3d-sql")):  # nobody has asked these yet, or they are about to be ended
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    assert wait_for(lambda: len(faulty.role_pids("pop3d-sql")) == 4)


def test_processes_that_die_meanwhile(faulty):
    """In the middle of a question, and so does the next one that is asked: trouble, not a wrong password; and the next login is served."""
    assert wait_for(lambda: alice(faulty).startswith(OK))
    before = faulty.role_pids("pop3d-sql")
    stop(before)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(alice, faulty)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert waiting.result().startswith((TEMP, OK))  # OK: a new process was there in time for the second try
    assert wait_for(lambda: alice(faulty).startswith(OK)), faulty.log()
    assert not set(before) & set(faulty.role_pids("pop3d-sql"))


def test_a_missing_library_is_refused(faulty):
    """At a reload, where the configuration before stays, and at the start: file, line, and the package to install."""
    module = modules() / "mod_sql_sqlite.so"
    whole, new = module.read_bytes(), module.with_name("new")
    said = r"pop3d\.conf:\d+: module sql: mod_sql_sqlite\.so: libsqlite9\.so\.0: cannot open .*; install the package libsqlite3-0"

    def put(octets):
        new.write_bytes(octets)
        new.rename(module)
    put(whole.replace(b"libsqlite3.so.0", b"libsqlite9.so.0"))  # that library is nowhere
    try:
        reload(faulty, said="configuration not reloaded, the one before stays in force", extra=sql(faulty) + "# changed\n")
        faulty.wait_log(said)
        assert alice(faulty).startswith(OK)
        faulty.config.write_text(faulty.config_text().replace(str(faulty.port), str(free_port())), encoding="utf-8")
        run = faulty.run()
        assert run.returncode == 78 and re.search(said, run.stderr), run.stderr
    finally:
        put(whole)
    reload(faulty)
    assert alice(faulty).startswith(OK)
