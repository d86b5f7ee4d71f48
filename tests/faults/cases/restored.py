"""Restore a database from an older backup: every worker forgets what was done since, and follows again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.faults.bed import Bed, Writer, bed
from tests.faults.client import Answer, bearer
from tests.faults.postgres import postgres
from tests.faults.prober import probing
from tests.faults.process import scratch_folder
from tests.faults.report import Report

BOUND_SECONDS = 3.0
"""Within how long a worker follows a restored database."""

Step = Callable[[], None]


async def run(*, quick: bool) -> Report:
    """Restore PostgreSQL by its own tools, and SQLite by its own copy."""
    report = Report("restore", quick)
    with scratch_folder() as folder, postgres(folder) as database:
        url = database.create("site")
        backup = folder / "site.backup"

        def back_up() -> None:
            database.back_up("site")

        def restore() -> None:
            database.restore("site")

        await _restore(report, "PostgreSQL", url, back_up, restore)
        live = folder / "site.sqlite3"
        await _restore(
            report, "SQLite", f"sqlite:///{live}", lambda: copy(live, backup), lambda: copy(backup, live)
        )
    return report


async def _restore(report: Report, name: str, url: str, back_up: Step, restore: Step) -> None:
    async with bed(url) as (made, writer):
        await _go_back(report, name, made, writer, back_up, restore)
        await _go_back_and_on(report, name, made, writer, back_up, restore)


async def _go_back(
    report: Report, name: str, made: Bed, writer: Writer, back_up: Step, restore: Step
) -> None:
    """A token that is revoked after the backup comes back; one that is issued after it is unknown again."""
    ((old, old_text),) = await writer.ask("issue", of="partner")
    back_up()
    await writer.do("revoke", token=old)
    ((_, new_text),) = await writer.ask("issue", of="partner")
    before = await writer.ask("revision")
    with probing(made.ports, bearer(old_text)) as by_old, probing(made.ports, bearer(new_text)) as by_new:
        for was_revoked, is_new in zip(by_old, by_new, strict=True):
            await was_revoked.until(is_refused, BOUND_SECONDS)
            await is_new.until(is_admitted, BOUND_SECONDS)
        restore()
        for prober in (*by_old, *by_new):
            prober.answers.clear()
        for was_revoked, is_new in zip(by_old, by_new, strict=True):
            back = await was_revoked.until(is_admitted, BOUND_SECONDS)
            report.promise(f"{name}: what the backup holds is let in", held=back is not None)
            unknown = await is_new.until(is_refused, BOUND_SECONDS)
            report.promise(f"{name}: what it does not hold is refused", held=unknown is not None)
            await is_new.more(5)
            again = is_new.answers[-1].status
            report.promise(f"{name}: and stays refused", held=again == 401, found=again)
    after = await writer.ask("revision")
    report.figures[f"{name}: revision before and after"] = (before, after)
    report.promise(f"{name}: the revision went back", held=after < before, found=(before, after))


async def _go_back_and_on(
    report: Report, name: str, made: Bed, writer: Writer, back_up: Step, restore: Step
) -> None:
    """While the workers are frozen policy comes to the very revision they know, by another way."""
    tokens = await writer.ask("issue", of="partner", count=2)
    (revoked_before, before_text), (revoked_after, after_text) = tokens
    back_up()
    await writer.do("revoke", token=revoked_before)
    known = await writer.ask("revision")
    with (
        probing(made.ports, bearer(before_text)) as by_before,
        probing(made.ports, bearer(after_text)) as by_after,
    ):
        for prober in by_before:
            await prober.until(is_refused, BOUND_SECONDS)
        for worker in made.workers:
            worker.child.freeze()
        restore()
        await writer.do("revoke", token=revoked_after)
        reached = await writer.ask("revision")
        for prober in (*by_before, *by_after):
            prober.answers.clear()
        for worker in made.workers:
            worker.child.thaw()
        for prober in by_after:
            refused = await prober.until(is_refused, BOUND_SECONDS)
            report.promise(f"{name}: at the same revision, the other change holds", held=refused is not None)
        for prober in by_before:
            back = await prober.until(is_admitted, BOUND_SECONDS)
            report.promise(
                f"{name}: at the same revision, the undone change is undone", held=back is not None
            )
    report.promise(f"{name}: it was the same revision", held=known == reached, found=(known, reached))


def copy(source: Path, target: Path) -> None:
    """Copy an SQLite database over another one, which others may be using."""
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target, timeout=10)) as written:
        read.backup(written)


def is_admitted(answer: Answer) -> bool:
    return answer.is_admitted


def is_refused(answer: Answer) -> bool:
    return answer.status == 401
