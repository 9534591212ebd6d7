"""For every statement of --config-help, values that are wrong: neither mode starts with them, and --config-lint says the same, with the place
and what was expected. A kind of value that is not known here fails the test, so no statement is left out."""

import re
import subprocess

import pytest

from server import BINARY

# By what the help calls the value; a choice of words has none of its own.
BAD = {
    "boolean": ["maybe", "YES", "(yes)"],
    "number": ["-1", "1k", "x"],
    "time": ["60s", "-1", "(1)"],
    "port": ["65536", "no-such-service"],
    "string": ["(a, b)", "a b"],
    "list": ["no-such-check:x", "((a))"],
    "acl": ["from", "10.0.0.0/33"],
    "user": ["no-such-user", "(1)"],
    "word": ["(a)"],
}


def statements():
    """(path of blocks, keyword, kind of its value) of every statement that --config-help shows."""
    found, blocks = [], []
    text = subprocess.run([BINARY, "--config-help"], capture_output=True, text=True, check=True).stdout
    for line in re.sub(r"(?m)^\s*#.*\n", "", text).splitlines():
        if line.rstrip().endswith("{"):
            blocks.append(line.split()[0])
        elif line.strip() == "};":
            blocks.pop()
        elif match := re.fullmatch(r"\s*([\w-]+) <[^:]*: (.*)>;", line):
            found.append((tuple(blocks), *match.groups()))
        else:
            assert not line.strip(), f"a line of --config-help that is no statement: {line!r}"
    assert not blocks
    return found


def written(blocks, statement):
    for b in reversed(blocks):
        statement = f"{'server 127.0.0.1' if b == 'server' else b} {{ {statement} }}"
    return statement + "\n"


def values(kind):
    if kind in BAD:
        return BAD[kind]
    assert "|" in kind, f"what is a bad value for {kind}?"
    return ["no-such-word", "(a)"]


@pytest.fixture(scope="module")
def all_statements():
    return statements()


def test_every_statement(daemon, all_statements):
    """All in one file, a line each: every one of them is told, and no mode starts."""
    lines = [(blocks, keyword, written(blocks, f"{keyword} {value};"))
             for blocks, keyword, kind in all_statements if keyword != "include" for value in values(kind)]
    assert len({line[:2] for line in lines}) > 100
    daemon.write_config()
    daemon.config.write_text("".join(line for *_, line in lines), encoding="utf-8")
    said = {}
    for mode in ("--config-lint", "--daemon", "--inetd"):
        result = daemon.run(mode)
        assert result.returncode == 78 and not result.stdout, (mode, result.stdout)
        said[mode] = result.stderr
    told = dict(re.findall(rf"(?m)^pop3d: {re.escape(str(daemon.config))}:(\d+)\.\d+\S*: (.*)$", said["--daemon"]))
    silent = [line for n, (*_, line) in enumerate(lines, 1) if "expected" not in told.get(str(n), "") and "takes" not in told.get(str(n), "")]
    assert not silent, "these are taken, or refused without a word:\n" + "".join(silent)
    assert set(said["--inetd"].splitlines()) == set(said["--daemon"].splitlines())
