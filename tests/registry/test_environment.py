"""The environment of a server: values come from where the row says, and nothing shows them on the way."""

from __future__ import annotations

import os

import pytest

from mcp_guard.sandbox.command import Command, CommandRefusedError
from mcp_guard.servers.environment import MOST_BYTES, values

SECRET = "s3cr3t-of-the-server"


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


def test_values_come_from_variables_and_files(monkeypatch, secret):
    monkeypatch.setenv("PORTAL_KEY", "key=with=equals")

    found = values(("API_KEY=env:PORTAL_KEY", f"TOKEN=file:{secret}"))

    assert found == {"API_KEY": "key=with=equals", "TOKEN": SECRET}
    assert SECRET not in repr(Command("/usr/bin/env", environment=found))


def test_nothing_else_of_the_portal_is_given(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", SECRET)

    assert values(()) == {}


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("KEY=env:NOT_THERE", "no environment variable NOT_THERE"),
        ("KEY=file:/not/there", "No such file"),
        ("KEY=literal", "neither in a variable nor in a file"),
        ("KEY=http://example.com", "neither in a variable nor in a file"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_starts(reference, said):
    with pytest.raises(CommandRefusedError, match=f"KEY: .*{said}"):
        values((reference,))


def write_by_others(path):
    path.chmod(0o660)


def write_too_much(path):
    path.write_bytes(b"x" * (MOST_BYTES + 1))


def write_bytes(path):
    path.write_bytes(b"\xff" + SECRET.encode())


def write_nul(path):
    path.write_bytes(SECRET.encode() + b"\0")


def make_folder(path):
    path.unlink()
    path.mkdir()


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (write_by_others, "written by others"),
        (write_too_much, "longer than"),
        (write_bytes, "not UTF-8"),
        (write_nul, "NUL"),
        (make_folder, "not a file"),
        (make_pipe, "not a file"),
    ],
)
def test_a_file_that_is_no_secret_is_refused_without_what_is_in_it(secret, change, said):
    change(secret)

    with pytest.raises(CommandRefusedError, match=said) as caught:
        values((f"KEY=file:{secret}",))

    assert SECRET not in f"{caught.value!r}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_nothing_is_read_from_where_a_server_may_write(secret, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "key").symlink_to(secret)
    (tmp_path / "way").symlink_to(own)
    (tmp_path / "in").symlink_to(own / "there")
    (own / "there").write_text(SECRET)

    for file in (own / "key", tmp_path / "way" / "key", tmp_path / "in"):
        with pytest.raises(CommandRefusedError, match="lies where a server may write"):
            values((f"KEY=file:{file}",), [str(own)])
    assert values((f"KEY=file:{secret}",), [str(own)]) == {"KEY": SECRET}
