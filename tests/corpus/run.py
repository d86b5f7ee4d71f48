"""Play all selected cases: one site for each policy, and one more for each case that changes its site."""

from __future__ import annotations

import collections
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.corpus.admin_form import ADD_ORIGIN
from tests.corpus.answer import Answer
from tests.corpus.case import Case, CaseFile
from tests.corpus.errors import CaseSkipped, ContractBroken
from tests.corpus.good import check_site
from tests.corpus.judge import judge, log_problem
from tests.corpus.play import Player
from tests.corpus.process import SiteProcess

SITES_AT_ONCE: Final = 3
LOG_SECONDS: Final = 0.05
"""How long a line may take until it is in the log."""

NOTHING: Final[Mapping[str, str]] = {}
UNREACHABLE: Final = "unreachable on {server}: it changes these bytes before any application sees them"


@dataclass(slots=True)
class Result:
    """What became of one case; ``outcome`` is passed, failed or skipped."""

    case: Case
    outcome: str
    reasons: list[str] = field(default_factory=list)
    answer: Answer | None = None


class Run:
    """The selected cases on one server."""

    def __init__(self, file: CaseFile, command: str, server: str, logs: Path, jobs: int = 8) -> None:
        self.file = file
        self.command = command
        self.server = server
        self.logs = logs
        self.pool = ThreadPoolExecutor(max(1, jobs))
        self.results: dict[str, Result] = {}
        self.remarks: list[str] = []

    def all(self, cases: Sequence[Case], skip: Mapping[str, str] = NOTHING) -> list[Result]:
        """Play the cases and return their results in the same order.

        ``skip`` names kinds and ids that are not played, each with the reason.
        """
        groups: dict[str, list[Case]] = collections.defaultdict(list)
        for case in cases:
            reason = skip.get(case.id) or skip.get(case.kind)
            if reason:
                self.results[case.id] = Result(case, "skipped", [reason])
            elif self.server in case.unreachable_on:
                self.results[case.id] = Result(case, "skipped", [UNREACHABLE.format(server=self.server)])
            else:
                groups[case.id if case.changes_state else case.policy].append(case)
        largest_first = sorted(groups.items(), key=lambda group: -len(group[1]))
        try:
            with self.pool, ThreadPoolExecutor(SITES_AT_ONCE) as sites:
                for done in [sites.submit(self._group, *group) for group in largest_first]:
                    done.result()
        finally:
            SiteProcess.stop_all()
        return [self.results[case.id] for case in cases]

    def _group(self, name: str, cases: list[Case]) -> None:
        """Play the cases that share a site."""
        site = None
        try:
            site = SiteProcess(self.command, cases[0].policy, self.server, self.logs / f"{name}.log")
            player = Player(self.file, site)
            check_site(player)
            self._cases(player, cases)
        except ContractBroken as error:
            for case in cases:
                self.results[case.id] = Result(case, "failed", [str(error)])
        finally:
            if site:
                site.stop()
        if site:
            self._check_whole_log(site, cases)

    def _cases(self, player: Player, cases: list[Case]) -> None:
        logged = [case for case in cases if case.log_checks]
        admin = [case for case in cases if "admin_form" in case.given]
        alone = [case for case in cases if case.floods]
        special = {case.id for case in logged + admin + alone}
        for case in logged:  # one at a time: what appears in the log is this case's doing
            sizes = player.site.log_sizes()
            self._one(player, case)
            time.sleep(LOG_SECONDS)
            self._check_log(player.site, case, player.site.log_text(sizes))
        together = [self.pool.submit(self._one, player, case) for case in cases if case.id not in special]
        for done in together:
            done.result()
        for case in alone:
            self._one(player, case)
        self._forms(player, admin)

    def _forms(self, player: Player, cases: list[Case]) -> None:
        """Play the cases that fill in forms; what one of them stores must not be in the way of another."""
        rest = []
        for case in cases:
            self._one(player, case)
            if case.given["admin_form"] != ADD_ORIGIN or not player.site.admin:
                continue
            if "canonical" not in case.given:
                rest.append(case)
                continue
            self._check_stored(player, [case])
            answer = self.results[case.id].answer
            if answer is not None and answer.status == 302:
                player.site.act("remove_origin", case.given["canonical"])
        if rest:
            self._check_stored(player, rest)

    def _one(self, player: Player, case: Case) -> None:
        try:
            answer = player.play(case)
            wrong = judge(case, self.file, answer)
            self.results[case.id] = Result(case, "failed" if wrong else "passed", wrong, answer)
        except CaseSkipped as reason:
            self.results[case.id] = Result(case, "skipped", [str(reason)])
        except ContractBroken as reason:
            self.results[case.id] = Result(case, "failed", [str(reason)])
        except Exception as error:  # noqa: BLE001 (a fault of the runner must not pass for a result)
            self.results[case.id] = Result(case, "failed", [f"runner: {type(error).__name__}: {error}"])

    def _check_log(self, site: SiteProcess, case: Case, log: str) -> None:
        problem = log_problem(case.log_checks, log, site.placeholders)
        if problem:
            result = self.results[case.id]
            self.results[case.id] = Result(case, "failed", [*result.reasons, problem], result.answer)

    def _check_whole_log(self, site: SiteProcess, cases: list[Case]) -> None:
        """Look at what was written late, for every case with a log check that is still unharmed."""
        logged = [case for case in cases if case.log_checks]
        if any(self.results[case.id].outcome == "failed" for case in logged):
            return
        for case in logged:
            if self.results[case.id].outcome == "passed":
                self._check_log(site, case, site.log_text())

    def _check_stored(self, player: Player, cases: list[Case]) -> None:
        """Compare what the table holds now with what each form was given."""
        try:
            stored: list[str] = json.loads(player.site.act("origins"))
        except CaseSkipped as reason:
            self.remarks.append(f"what the admin forms stored was not looked at: {reason}")
            return
        for case in cases:
            result = self.results[case.id]
            if result.answer is not None:
                self.results[case.id] = self._stored_result(result, result.answer, stored)

    def _stored_result(self, result: Result, answer: Answer, stored: list[str]) -> Result:
        case = result.case
        value = self.file.text(case.given["value"])
        if case.expected == "refuse" and answer.status == 302 and case.given.get("canonical") in stored:
            result = Result(case, "passed", [], answer)  # stored, but in its canonical form
        if (value in stored) == (case.expected == "allow"):
            return result
        problem = f"{value!r} is {'' if value in stored else 'not '}in the table"
        return Result(case, "failed", [*result.reasons, problem], answer)
