"""manage.py demo: the tour holds, it would notice if it did not, and it ends as it should."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from mcp_guard.models import AllowedOrigin, Client, Scope, Token
from project.tour.serving import COMMANDS, is_free
from project.tour.site import set_up
from project.tour.stops import TOUR
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 90
UNSET = ("DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS", "DJANGO_SETTINGS_MODULE", "DEBUG")


def environment(**more: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name not in UNSET}, **more}


@pytest.fixture
def port():
    """Return a free port; the files that the demo keeps under its number are removed."""
    number = free_port()
    yield number
    for file in (ROOT / "var").glob(f"demo-{number}.*"):
        file.unlink()


def demo(*arguments: object, **more: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "manage.py", "demo", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize("server", sorted(COMMANDS))
def test_the_tour_holds_on_a_database_of_its_own(port, server):
    file = ROOT / "var" / f"demo-{port}.sqlite3"
    file.parent.mkdir(exist_ok=True)
    file.write_text("left over from an earlier start, and no database at all")
    done = demo("--port", port, "--server", server, "--once")
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0].startswith("Administrator: demo, password (shown once): ")
    assert [line.split(" ms  ")[1].split(": ")[0] for line in lines[1:]] == [
        stop.title.split(": ")[0] for stop in TOUR
    ]
    assert all(line.startswith("held ") for line in lines[1:])
    assert is_free(port)
    with sqlite3.connect(file) as connection:
        assert connection.execute("select count(*) from mcp_guard_token").fetchone() == (3,)
    connection.close()


def test_a_named_database_is_kept(port, tmp_path):
    kept = tmp_path / "kept.sqlite3"
    done = demo("--port", port, "--once", DATABASE_URL=f"sqlite:///{kept}")
    assert done.returncode == 0, done.stdout
    assert kept.exists()
    assert not (ROOT / "var" / f"demo-{port}.sqlite3").exists()


@pytest.mark.django_db
def test_setting_up_twice_uses_what_is_there(settings):
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "partner"}, "notes-view": {"profile": "token"}}}
    first, second = set_up(), set_up()
    assert Client.objects.count() == AllowedOrigin.objects.count() == 1
    assert Scope.objects.count() == 3
    assert Token.objects.count() == 6
    user = get_user_model().objects.get()
    assert user.check_password(second.password)
    assert not user.check_password(first.password)
    assert first.server_token not in repr(first)


def test_the_tour_notices_a_gate_that_lets_everybody_in(tmp_path, port):
    done = subprocess.run(
        [sys.executable, "-m", "tests.mcp.probe.open_tour", str(tmp_path / "open.sqlite3"), str(port)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    verdicts = [line.split()[0] for line in done.stdout.splitlines()]
    assert verdicts == ["held"] * 3 + ["FAILED"] * 7, done.stdout


def test_a_busy_port_ends_with_2_and_one_line(port):
    with socket.create_server(("127.0.0.1", port)):
        done = demo("--port", port)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"CommandError: Port {port} on 127.0.0.1 is in use; choose another with --port."
    ]
    assert not list((ROOT / "var").glob(f"demo-{port}.*"))


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1"])
def test_what_is_no_port_ends_with_2(text):
    done = demo(f"--port={text}")
    assert done.returncode == 2
    assert "a port is a number from 1 to 65535" in done.stderr


@pytest.mark.parametrize(
    ("number", "arguments", "status"),
    [(signal.SIGINT, (), 0), (signal.SIGTERM, (), 0), (signal.SIGINT, ("--once",), 130)],
)
def test_a_signal_ends_it_and_its_server(port, number, arguments, status):
    command = [sys.executable, "manage.py", "demo", "--port", str(port), *arguments]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            wanted = "held" if arguments else "for pages of"
            assert any(wanted in line for line in process.stdout)
            assert not is_free(port)
            started = time.monotonic()
            process.send_signal(number)
            _, errors = process.communicate(timeout=SECONDS)
        finally:
            process.terminate()  # one that is deaf to the signal must not keep the others waiting
    assert process.returncode == status
    assert "Traceback" not in errors
    assert time.monotonic() - started < 10
    assert is_free(port)
