"""Fixtures of the end-to-end tests. `daemon` is a pop3d that is not started yet: make users and mail, then start it
(or just connect). A test fails when its daemon reports a sanitizer's finding, dies, or leaves processes behind."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from server import BINARY, BUILD, Daemon, has_user  # noqa: E402

UNPACK = BUILD.parent / "dist/unpack"


def pytest_configure():
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not there: make build", returncode=1)


def pytest_addoption(parser):
    parser.addoption("--short", action="store_true", help="each sixth test that is not marked long, and of one with many parameters the first")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.get_closest_marker("needs_root") and os.getuid() != 0:
            item.add_marker(pytest.mark.skip(reason=f"{item.name} needs root"))
    if not os.environ.get("POP3D_LONG"):
        leave_out(config, items, [item for item in items if item.get_closest_marker("nightly")])
    if config.getoption("--short"):
        short = in_short(items)
        leave_out(config, items, [item for item in items if item not in short])


def leave_out(config, items, some):
    config.hook.pytest_deselected(items=some)
    items[:] = [item for item in items if item not in some]


def in_short(items):
    """The sanitized run of `make test`, whose time is short. The dialogue's text files are tests of their own."""
    of = {}
    for item in items:
        if not item.get_closest_marker("long"):
            of.setdefault(item.nodeid.split("[")[0] if item.originalname != "test_dialogue" else item.nodeid, []).append(item)
    return {same[0] for n, same in enumerate(of.values()) if n % 6 == 0 or same[0].originalname == "test_dialogue"}


@pytest.fixture
def make_daemon():
    """A function that makes daemons: make_daemon(privileged=False); kind: a class that knows more than Daemon."""
    made = []

    def make(kind=Daemon, **kw):
        if os.getuid() == 0 and kw.get("privileged", True):
            assert has_user("_pop3d") and has_user("_pop3auth"), "as root, first: dist/users"
        made.append(kind(**kw))
        return made[-1]

    yield make
    failures = []
    for d in made:
        try:
            d.finish()
        except AssertionError as e:
            failures.append(str(e))
    assert not failures, "\n".join(failures)


@pytest.fixture
def daemon(make_daemon):
    """As root where the tests run as root, else as the caller."""
    return make_daemon()


@pytest.fixture
def unprivileged(make_daemon):
    """Started by an ordinary user."""
    return make_daemon(privileged=False)


@pytest.fixture(params=["root", "user"])
def either(request, make_daemon):
    """Both ways of starting it, for what must be the same."""
    if request.param == "root" and os.getuid() != 0:
        pytest.skip(f"{request.node.name} needs root")
    return make_daemon(privileged=request.param == "root")


@pytest.fixture(scope="session")
def unpacked():
    """A function that gives the files of Debian packages that cannot be installed beside others, in a place that every user can reach; the
    source tree may lie in root's home."""
    place = Path(tempfile.mkdtemp(prefix="pop3d-test-"))
    place.chmod(0o755)

    def of(*packages):
        got = subprocess.run([UNPACK, BUILD / "unpacked", *packages], capture_output=True, text=True, check=False)
        if got.returncode != 0:
            pytest.skip(f"needs {' '.join(packages)}: {got.stderr.strip()}")
        for p in packages:
            if not (place / p).exists():
                shutil.copytree(BUILD / "unpacked" / p, place / p, symlinks=True)
        return [place / p for p in packages]

    yield of
    shutil.rmtree(place)


@pytest.fixture
def place():
    """A directory for a client's mail: in memory where there is such, since some clients fsync every message twice."""
    memory = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(prefix="pop3d-test-", dir=memory if os.access(memory, os.W_OK) else None))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the daemons' logs with a failed test."""
    report = (yield).get_result()
    if call.when == "call" and report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Daemon):
                report.sections.append(("log of pop3d", value.log()[-8000:]))
