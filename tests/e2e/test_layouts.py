"""Mailbox URLs that spread mailboxes over directories, with every format: the place that Mailutils would look at."""

import shutil

import pytest

from server import Dotmail, Maildir, Mbox, Mh

KINDS = {"maildir": Maildir, "mbox": Mbox, "mh": Mh, "dotmail": Dotmail}


def without_home(daemon, user):
    """Its record says nothing of a mailbox."""
    file = daemon.domains / user.domain
    fields = file.read_text(encoding="utf-8").split(":")
    fields[5] = ""
    file.write_text(":".join(fields), encoding="utf-8")


@pytest.mark.parametrize("scheme", [*KINDS, "file"])
@pytest.mark.parametrize("parameters, place", [("type=index;param=2", "b/o/"), ("type=rev-index;param=3", "t/s/e/"),
                                               ("type=hash;param=3", "33/"), ("type=index", "")])
def test_layout(daemon, scheme, parameters, place):
    user = daemon.user("bob", domain="example.test", kind=KINDS.get(scheme, Maildir))
    user.deliver("Subject: x\n\nx\n")
    spool = daemon.top / "spool"
    target = spool / place / user.login
    target.parent.mkdir(parents=True)
    for d in (spool, *target.parents):
        if spool in d.parents:
            shutil.chown(d, user.uid, user.gid)
    user.inbox.path.rename(target)
    without_home(daemon, user)
    daemon.start(extra=f'mailbox {{ mailbox-pattern "{scheme}://{spool};{parameters};user=${{user}}"; }}')
    c = daemon.login(user)
    assert c.stat()[0] == 1
    c.ok("DELE 1")
    c.quit()
    c = daemon.login(user)
    assert c.stat()[0] == 0
    c.quit()


@pytest.mark.parametrize("parameters, reason", [("type=tree;user=${user}", "parameter type"), ("type=index;param=2", "needs user"),
                                                ("depth=2;user=${user}", "parameter depth")])
def test_wrong_parameters_are_refused(daemon, parameters, reason):
    user = daemon.user("bob")
    without_home(daemon, user)
    daemon.start(extra=f'mailbox {{ mailbox-pattern "mbox:{daemon.top};{parameters}"; }}')
    c = daemon.connect()
    c.ok(f"USER {user.login}")
    c.err(f"PASS {user.password}", "SYS/PERM")
    daemon.wait_log(reason)
