"""Play one case against one site and return what came back."""

from __future__ import annotations

import time
from typing import Any, Final

from tests.corpus.admin_form import AdminForms
from tests.corpus.answer import Answer, parse_answer, request_bytes
from tests.corpus.case import Case, CaseFile
from tests.corpus.process import SiteProcess
from tests.corpus.steps import play_message
from tests.corpus.websocket import Conversation
from tests.corpus.wire import CASE_SECONDS, Wire

ANSWER_SECONDS: Final = 6.0
"""How long an HTTP answer or a handshake may take."""

SILENCE_SECONDS: Final = 2.0
"""The same where "timeout" is an expected outcome."""

QUIET_SECONDS: Final = 0.2
"""How long an open socket must stay open."""

_REPLY_SECONDS: Final = 3.0
_CLOSE_SECONDS: Final = 3.0


class Player:
    """Plays cases against one site."""

    def __init__(self, file: CaseFile, site: SiteProcess) -> None:
        self.file = file
        self.site = site

    def play(self, case: Case) -> Answer:
        """Play a case.

        Raises:
            CaseSkipped: when the site lacks what the case needs.
            ContractBroken: when the site does not do what it has to offer.
        """
        start = time.monotonic()
        if "admin_form" in case.given:
            answer = AdminForms(self).play(case)
        else:
            answer = self.exchange(case)
        answer.seconds = time.monotonic() - start
        return answer

    def exchange(self, case: Case) -> Answer:
        """Send the request of a case and, once a handshake got 101, its messages."""
        request = request_bytes(case.given, self.file, self.site.placeholders.fill)
        head_only = case.given.get("method") == "HEAD"
        seconds = SILENCE_SECONDS if "timeout" in case.status else ANSWER_SECONDS
        deadline = time.monotonic() + CASE_SECONDS
        with Wire(self.site.port, deadline, small_window=case.stalls) as wire:
            answer = _ask(wire, request, seconds, head_only=head_only)
            if answer.status == 101:
                talk = Conversation(wire, len(wire.data) - len(answer.body))
                answer.problems += self._talk(case, wire, talk)
                answer.close = talk.close if talk.closed() else None
                answer.handler_runs = talk.handler_runs
            elif "raw" in case.given:
                wire.pump(until=lambda: False, seconds=QUIET_SECONDS)  # an answer to smuggled bytes
            answer.raw = bytes(wire.data)
        return answer

    def send(self, request: bytes) -> Answer:
        """Send the bytes of one request over a connection of its own."""
        with Wire(self.site.port, time.monotonic() + CASE_SECONDS) as wire:
            return _ask(wire, request, ANSWER_SECONDS)

    def encode(self, value: Any) -> bytes:
        """Return a text of the case file as the bytes of a message."""
        return self.site.placeholders.fill(self.file.text(value)).encode("utf-8")

    def _talk(self, case: Case, wire: Wire, talk: Conversation) -> list[str]:
        """Play the steps of a case on an open socket; return what went wrong on the way."""
        problems: list[str] = []
        sent = 0
        for step in case.steps:
            if talk.closed():
                break
            if isinstance(step, str) and step.startswith("@"):
                self._act(step, wire, talk)
                continue
            sent += 1
            problems += play_message(step, wire, talk, self.encode)
            if isinstance(case.handler_runs, int):
                _await_replies(wire, talk, min(sent, case.handler_runs))
        quiet = _CLOSE_SECONDS if case.close else QUIET_SECONDS
        wire.pump(until=talk.closed, seconds=case.given.get("wait_s", 0) + quiet)
        return problems

    def _act(self, step: str, wire: Wire, talk: Conversation) -> None:
        name, _, argument = step[1:].partition(" ")
        if name == "idle":
            wire.pump(until=talk.closed, seconds=float(argument))
            return
        start = time.monotonic()
        self.site.act(name, self.site.placeholders.fill(argument))
        wire.deadline += time.monotonic() - start  # the command's own time is not the server's


def _ask(wire: Wire, request: bytes, seconds: float, *, head_only: bool = False) -> Answer:
    def answered() -> bool:
        return parse_answer(wire.data, head_only=head_only, at_end=False) is not None

    wire.pump(request, answered, seconds)
    answer = parse_answer(wire.data, head_only=head_only, at_end=True)
    return answer or Answer(status="closed" if wire.eof else "timeout")


def _await_replies(wire: Wire, talk: Conversation, replies: int) -> None:
    wire.pump(until=lambda: talk.closed() or talk.handler_runs >= replies, seconds=_REPLY_SECONDS)
