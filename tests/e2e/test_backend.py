"""Modules in processes of their own: who asks them, what happens when they hang, die or go away, what is refused at the start."""

import pytest

from server import SANITIZED
from system import SystemDaemon
from test_auth import try_login

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
