"""Who may log in: virtual domains, the chains, the cache, the hash processes."""

import crypt
import os
import re
import signal

import pytest

from server import wait_for

FAST = "auth { failure-delay 0; }\n"


def started(daemon, extra="", **kw):
    """The daemon, all of whose processes are there: some tests look at them, some end it at once."""
    daemon.start(FAST + extra, **kw)
    daemon.wait_log(r"started\n")
    return daemon


def try_login(daemon, login, password):
    """The status line of PASS."""
    with daemon.connect() as c:
        c.ok(f"USER {login}")
        return c.cmd(b"PASS " + (password if isinstance(password, bytes) else password.encode()))


def check_logins(daemon, cases):
    """(login, password, status, reason): each gets the status, and the log tells the reason."""
    for login, password, status, reason in cases:
        before = len(daemon.log())
        assert try_login(daemon, login, password).startswith(status), (login, password)
        assert wait_for(lambda: reason in daemon.log()[before:]), (login, password, daemon.log()[before:])


def hashes(daemon, user):
    """How often a hash was computed for a login with this name."""
    return len(re.findall(rf'auth-hashed user="{re.escape(user)}"', daemon.log()))


@pytest.mark.parametrize("sep", "@:!")
def test_virtual_domain(either, sep):
    user = either.user("bob")
    user.deliver("Subject: x\n\nx\n")
    with started(either).connect() as c:
        c.ok(f"USER bob{sep}example.test")
        c.ok("PASS secret")
        assert c.stat()[0] == 1


@pytest.mark.parametrize("statement", ["mail-spool {top}/spool", 'mailbox-pattern "maildir:{top}/spool/${{user}}"'])
def test_record_without_home(daemon, statement):
    """Its maildrop is the one of mailbox-pattern or mail-spool, named by user and domain."""
    user = daemon.user("bob")
    user.deliver("Subject: x\n\nx\n")
    spool = daemon.top / "spool"
    spool.mkdir(mode=0o755)
    (user.home / "INBOX").rename(spool / user.login)
    file = daemon.domains / user.domain
    line = file.read_text(encoding="utf-8").split(":")
    line[5] = ""
    file.write_text(":".join(line), encoding="utf-8")
    started(daemon, f"mailbox {{ {statement.format(top=daemon.top)}; }}\n")
    with daemon.login(user) as c:
        assert c.stat()[0] == 1


@pytest.mark.parametrize("statement", ["mail-spool \"maildir:{top}/spool;{by};user=\"", "mailbox-pattern \"maildir:{top}/spool;{by};user=${{user}}\""])
def test_indexed_directories(daemon, statement):
    """The directories that Mailutils' parameters name, by both statements."""
    places = {"type=index;param=2": "b/o", "type=rev-index;param=2": "t/s", "type=hash;param=2": "D1"}
    user = daemon.user("bob")
    user.deliver("Subject: x\n\nx\n")
    file = daemon.domains / user.domain
    line = file.read_text(encoding="utf-8").split(":")
    line[5] = ""
    file.write_text(":".join(line), encoding="utf-8")
    place = user.home / "INBOX"
    for by, directory in places.items():
        to = daemon.top / "spool" / directory / user.login
        to.parent.mkdir(parents=True)
        place = place.rename(to)
        daemon.start(extra=f"mailbox {{ {statement.format(top=daemon.top, by=by)}; }}\n")
        with daemon.login(user) as c:
            assert c.stat()[0] == 1, by
        daemon.stop()


def test_local_address_is_a_domain(daemon):
    daemon.user("bob", domain="127.0.0.1")
    started(daemon)
    assert try_login(daemon, "bob", "secret").startswith(b"+OK")
    assert try_login(daemon, "bob@127.0.0.1", "secret").startswith(b"+OK")
    assert try_login(daemon, "carl", "secret").startswith(b"-ERR [AUTH]")


def test_changed_password_counts_at_once(either):
    user = either.user("bob", password="old")
    file = either.domains / user.domain
    started(either)
    for _ in range(3):
        assert try_login(either, user.login, "old").startswith(b"+OK")
    assert try_login(either, user.login, "new").startswith(b"-ERR [AUTH]")
    line = file.read_text(encoding="utf-8").split(":")
    line[1] = crypt.crypt("new", "$6$rounds=1000$poplar")
    (file.parent / "writing").write_text(":".join(line), encoding="utf-8")
    (file.parent / "writing").rename(file)
    assert try_login(either, user.login, "old").startswith(b"-ERR [AUTH]")
    assert try_login(either, user.login, "new").startswith(b"+OK")
    file.write_text("", encoding="utf-8")
    assert try_login(either, user.login, "new").startswith(b"-ERR [AUTH]")


def test_poll_costs_no_hash(daemon):
    user = daemon.user("bob", hash=crypt.crypt("secret", crypt.mksalt(crypt.METHOD_SHA512, rounds=5000)))
    started(daemon)
    for _ in range(20):
        with daemon.login(user) as c:
            c.quit()
    assert hashes(daemon, user.login) == 1


def test_wrong_password_is_computed_once(daemon):
    user = daemon.user("bob")
    started(daemon)
    for login in (user.login, "nobody@example.test"):
        for _ in range(5):
            assert try_login(daemon, login, "wrong").startswith(b"-ERR [AUTH]")
        assert hashes(daemon, login) == 1


def test_cache_off(daemon):
    user = daemon.user("bob")
    started(daemon, "auth { cache { ttl 0; } }\n")
    for _ in range(3):
        assert try_login(daemon, user.login, "secret").startswith(b"+OK")
    assert hashes(daemon, user.login) == 3


def test_unknown_looks_like_wrong(daemon):
    """The same words, and the same work: each of them costs a hash."""
    daemon.user("bob", hash=crypt.crypt("secret", "$6$rounds=1000$poplar"))
    daemon.user("locked", hash="!" + crypt.crypt("secret", "$6$rounds=1000$poplar"))
    daemon.user("shadow", hash="x")
    started(daemon)
    logins = ["bob@example.test", "nobody@example.test", "bob@nowhere.test", "nobody", "locked@example.test",
              "shadow@example.test", "bob@../example.test"]
    assert len({try_login(daemon, login, "wrong") for login in logins}) == 1
    assert [hashes(daemon, login) for login in logins] == [1] * len(logins)


@pytest.mark.parametrize("hash,password", [
    ("x", "x"), ("x", ""), ("*", "*"), ("!", "!"), ("", ""), ("", "x"), ("secret", "secret"), ("*0", "*0"),
    ("$6$rounds=1000$poplar$", ""), ("{FOO}secret", "secret"), ("{CLEARTEXT}secret", "{CLEARTEXT}secret"),
])
def test_no_hash_no_login(daemon, hash, password):
    user = daemon.user("bob", hash=hash)
    started(daemon)
    assert try_login(daemon, user.login, password).startswith(b"-ERR [AUTH]")


def test_the_hash_is_no_password(daemon):
    hash = crypt.crypt("secret", "$6$rounds=1000$poplar")
    user = daemon.user("bob", hash=hash)
    started(daemon)
    assert try_login(daemon, user.login, hash).startswith(b"-ERR [AUTH]")
    assert try_login(daemon, user.login, "secret").startswith(b"+OK")


@pytest.mark.parametrize("method", ["$y$j1T$", "$gy$j1T$", "$7$66..../....", "$2b$04$", "$6$rounds=1000$", "$5$rounds=1000$",
                                    "$1$", "", "_/..."])
def test_formats(daemon, method):
    salt = {"$2b$04$": "abcdefghijklmnopqrstuu", "": "ab", "_/...": "abcd"}.get(method, "poplarpo$")
    user = daemon.user("bob", hash=crypt.crypt("secret", method + salt))
    started(daemon)
    assert try_login(daemon, user.login, "secret").startswith(b"+OK")
    assert try_login(daemon, user.login, "secres").startswith(b"-ERR [AUTH]")


def test_names_stay_in_the_directory(daemon):
    """Files that are there, and that no name reaches."""
    user = daemon.user("bob")
    text = (daemon.domains / user.domain).read_text(encoding="utf-8")
    (daemon.top / "outside").write_text(text, encoding="utf-8")
    (daemon.domains / "sub").mkdir()
    for name in ("sub/inner", ".hidden", "example.test~", "#example.test#", ".example.test.swp"):
        (daemon.domains / name).write_text(text, encoding="utf-8")
    started(daemon)
    for domain in ("../outside", "../domains/example.test", "sub/inner", "sub", ".", "..", "./example.test", "/etc/passwd",
                   f"{daemon.top}/outside", ".hidden", "example.test~", "#example.test#", ".example.test.swp", ""):
        assert try_login(daemon, f"bob@{domain}", "secret").startswith(b"-ERR [AUTH]"), domain
    assert try_login(daemon, user.login, "secret").startswith(b"+OK")


def test_alias_domain(either):
    """A symbolic link beside its target is another name of the domain."""
    either.user("bob")
    os.symlink("example.test", either.domains / "alias.test")
    started(either)
    assert try_login(either, "bob@alias.test", "secret").startswith(b"+OK")


def test_unusable_file_is_no_wrong_password(either):
    """Nobody is told that a password is wrong when it could not be checked."""
    either.user("bob")
    os.symlink("gone.test", either.domains / "gone.test")
    started(either)
    assert try_login(either, "bob@gone.test", "secret").startswith(b"-ERR [SYS/PERM]")
    either.wait_log(r'login-failed user="bob@gone.test" address=127.0.0.1 port=\d+ .* reason="open .*gone.test')
    assert try_login(either, "bob@example.test", "secret").startswith(b"+OK")


def test_malformed_lines_are_told_once(daemon):
    daemon.user("bob")
    file = daemon.domains / "example.test"
    file.write_text("carl:x:1\n# comment\n\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    os.utime(file, (1000000000, 1000000000))
    started(daemon, server="single-process yes;")
    for _ in range(3):
        assert try_login(daemon, "bob@example.test", "secret").startswith(b"+OK")
        assert try_login(daemon, "carl@example.test", "secret").startswith(b"-ERR [AUTH]")
    assert len(re.findall(r"example\.test:1: skipped, not in passwd format", daemon.log())) == 1
    assert "example.test:4" not in daemon.log()


def test_min_uid(either):
    """Who has the right password hears that it is not his fault; who has not, nothing."""
    user = either.user("bob")
    started(either, f"auth {{ min-uid {user.uid + 1}; }}\n")
    assert try_login(either, user.login, "wrong").startswith(b"-ERR [AUTH]")
    assert try_login(either, user.login, "secret").startswith(b"-ERR [SYS/PERM]")
    either.wait_log(rf'login-refused user="{user.login}" address=127.0.0.1 uid={user.uid} least={user.uid + 1} .*fix=')


@pytest.mark.needs_root
@pytest.mark.parametrize("least", [0, 1])
def test_uid_0_is_refused(daemon, least):
    user = daemon.user("bob", uid=0)
    started(daemon, f"auth {{ min-uid {least}; }}\n")
    assert try_login(daemon, user.login, "secret").startswith(b"-ERR [SYS/PERM]")
    daemon.wait_log(r"login-refused .*uid=0 .*fix=")


def test_failures_are_logged_with_their_reason(daemon):
    user = daemon.user("bob")
    started(daemon)
    for login, reason in ((user.login, "wrong password"), ("eve@example.test", "no such user"),
                          ("eve@nowhere.test", "no such domain"), ("eve", "no such domain")):
        assert try_login(daemon, login, "wr0ng").startswith(b"-ERR [AUTH]")
        daemon.wait_log(rf'login-failed user="{login}" address=127.0.0.1 port=\d+ .* reason="{reason}"')
    assert "wr0ng" not in daemon.log()


def test_hash_processes_are_bounded(daemon):
    daemon.user("bob")
    started(daemon)
    assert len(daemon.role_pids("hash")) == max(1, os.cpu_count() - 1)


def test_hash_process_dies_with_jobs(daemon):
    """They are computed by the next one."""
    daemon.alarms_expected = True
    users = [daemon.user(hash=crypt.crypt("secret", "$y$j9T$poplarpo$")) for _ in range(6)]
    started(daemon)
    clients = [daemon.connect() for _ in users]
    pids = daemon.role_pids("hash")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for c, user in zip(clients, users):
        c.ok(f"USER {user.login}")
        c.say("PASS secret")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert [c.line()[:3] for c in clients] == [b"+OK"] * len(clients)
    for c in clients:
        c.close()


def test_cache_tells_its_hit_rate(daemon):
    """SIGUSR1: one line with what all auth processes have counted; processes that hear it by mistake do not mind."""
    user = daemon.user("bob")
    started(daemon)
    for password in ("secret", "secret", "secret", "a guess"):
        try_login(daemon, user.login, password)
    for pid in daemon.pids()[1:]:
        os.kill(pid, signal.SIGUSR1)
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.wait_log(r"info: auth-cache lookups=4 right=2 wrong=0 hit-percent=50 kept=2 displaced=0\n")
    assert daemon.log().count("auth-cache ") == 1
    assert try_login(daemon, user.login, "secret").startswith(b"+OK")


def test_new_auth_process_shares_the_cache(daemon):
    """The cache outlives the processes that use it."""
    daemon.alarms_expected = True
    user = daemon.user("bob")
    started(daemon)
    assert try_login(daemon, user.login, "secret").startswith(b"+OK")
    before = daemon.role_pids("pop3d-auth")
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    replies = []
    assert wait_for(lambda: replies.append(try_login(daemon, user.login, "secret")) or replies[-1].startswith(b"+OK"))
    assert all(reply.startswith(b"-ERR [SYS/TEMP]") for reply in replies[:-1]) and not set(before) & set(daemon.role_pids("pop3d-auth"))
    assert hashes(daemon, user.login) == 1


def test_default_chains(daemon):
    """Modules that this version does not have are no obstacle, as long as nobody asked for them."""
    user = daemon.user("bob")
    started(daemon, "auth { authorization clear; authentication clear; }\n")
    assert try_login(daemon, user.login, "secret").startswith(b"+OK")
    assert try_login(daemon, user.login, "x").startswith(b"-ERR [AUTH]")


@pytest.mark.parametrize("chain", ["authorization system:sql", "authentication sql", "authorization (virtdomain, ldap)"])
def test_module_that_is_not_there(daemon, chain):
    """A chain that is not what was asked for would let in others than was meant."""
    daemon.extra = f"auth {{ {chain}; }}\n"
    result = daemon.run()
    assert result.returncode != 0 and chain.replace(":", " ").split()[-1].strip("()") in result.stderr


def test_chain_of_the_wrong_modules(daemon):
    """Nobody finds users, or nobody checks passwords: everybody fails alike."""
    user = daemon.user("bob")
    started(daemon, "auth { authorization clear; authorization generic; }\n")
    assert try_login(daemon, user.login, "secret") == b"-ERR [AUTH] Bad login"
