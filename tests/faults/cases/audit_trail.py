"""Record events from four processes, kill one, and tamper with what they sealed: is all of it found?"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.faults.bed import Bed, bed
from tests.faults.postgres import Postgres, postgres
from tests.faults.process import ROOT, Child, scratch_folder
from tests.faults.report import Report
from tests.faults.tampering import KINDS

PROCESSES = 4
GUARD = {"POLL_INTERVAL": 0.05}


async def run(*, quick: bool) -> Report:
    """Record at least 10,000 events, in the short form 1,200; then tamper with a copy in each way."""
    report = Report("audit", quick)
    count = 400 if quick else 3400
    with scratch_folder() as folder, postgres(folder) as database:
        async with bed(database.create("audit"), guard=GUARD, servers=()) as (made, _):
            await asyncio.to_thread(_record, report, made, database.url("audit"), count)
            head = _command(made.environment, "status")[1]["chain"]["head"]
        await asyncio.to_thread(_tamper, report, database, made.environment, head)
    return report


def _record(report: Report, made: Bed, url: str, count: int) -> None:
    began = time.monotonic()
    children = [_recorder(made, number, count) for number in range(PROCESSES)]
    victim, *others = children
    victim.wait_until(lambda: _said(victim)[0] >= count // 2, 60)
    _, known = _said(victim)
    victim.kill()
    for child in others:
        child.process.wait(300)
    seconds = time.monotonic() - began
    status, sealed = _command(made.environment, "seal")
    verified, verdict = _command(made.environment, "verify")
    found = _subjects(url)
    expected = {f"{number} {event}" for number in range(1, PROCESSES) for event in range(1, count + 1)}
    of_victim = sum(subject.startswith("0 ") for subject in found)
    report.figures |= {
        "events": len(found),
        "seconds": round(seconds, 1),
        "events per second, recorded and sealed": round(len(found) / seconds),
        "of the killed process": f"{of_victim} in the database, {known} of them known to it",
        "left for the next process to seal": sealed["sealed"],
    }
    report.promise("the processes that lived ended in order", held=_ended(others), found=_ended(others))
    report.promise("sealing goes on after one was killed", held=status == 0, found=status)
    is_sound = verified == 0 and verdict["sound"] and verdict["verified"] == verdict["last"]
    report.promise("the chain verifies", held=is_sound, found=verdict)
    missing = expected - set(found)
    report.promise("no event of a process that lived is lost", held=not missing, found=len(missing))
    twice = len(found) - len(set(found))
    report.promise("none is there twice", held=not twice, found=twice)
    report.promise("nothing that was written is lost by a kill", held=of_victim >= known, found=of_victim)


def _tamper(report: Report, database: Postgres, environment: dict[str, str], head: str) -> None:
    for number, (kind, tamper) in enumerate(KINDS.items()):
        name = f"copy{number}"
        with psycopg.connect(database.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE audit").format(sql.Identifier(name)))
        with psycopg.connect(database.url(name)) as connection:
            connection.execute("ALTER TABLE mcp_guard_auditevent DISABLE TRIGGER USER")
            places = tamper(connection, int(head.partition(":")[0]))
        began = time.monotonic()
        status, verdict = _command(environment | {"DATABASE_URL": database.url(name)}, "verify")
        seconds = time.monotonic() - began
        found = [f"{fault['kind']} at {fault['seq']}" for fault in verdict["faults"][:2]]
        first = verdict["faults"][0]["seq"] if verdict["faults"] else None
        held = status == 1 and any(fault["seq"] in places for fault in verdict["faults"][:2])
        report.promise(f"{kind}: found with its place", held=held, found=f"{found}, first {first}")
        report.figures[f"{kind}: s to verify"] = round(seconds, 2)


def _recorder(made: Bed, number: int, count: int) -> Child:
    command = [sys.executable, "-m", "tests.faults.site.recorder", str(number), str(count)]
    return Child(command, made.folder / f"recorder{number}.log", environment=made.environment)


def _said(child: Child) -> tuple[int, int]:
    """Return how many events it has put, and how many of them it knows to be in the database."""
    lines = [line.split() for line in child.log.read_text("utf-8").splitlines()[:-1]]
    said = [(int(line[0]), int(line[1])) for line in lines if len(line) == 2 and line[0].isdigit()]
    return said[-1] if said else (0, 0)


def _ended(children: list[Child]) -> bool:
    return all(
        child.process.returncode == 0 and child.log.read_text("utf-8").endswith("ended\n")
        for child in children
    )


def _subjects(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT subject FROM mcp_guard_auditevent WHERE tag = 'tool:call'")
        return [subject for (subject,) in rows]


def _command(environment: dict[str, str], verb: str) -> tuple[int, Any]:
    command = [sys.executable, str(Path(ROOT) / "manage.py"), "mcp_guard", "audit", verb, "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.returncode, json.loads(done.stdout)
