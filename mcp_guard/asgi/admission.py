"""What an open socket or stream lives by: who it was admitted as, by what, and under which snapshot.

A judgement stands while neither the snapshot nor its deadline has moved; afterwards whoever needs it next,
a message, a push or the change itself, judges again.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final
from weakref import WeakKeyDictionary

from mcp_guard import gate
from mcp_guard.audit.uses import uses
from mcp_guard.conf import config
from mcp_guard.live.failures import failures
from mcp_guard.live.holder import holder
from mcp_guard.mcp import jsonrpc
from mcp_guard.policy.credential import NO_CREDENTIAL, LiveSession, Presented, UnreadSession
from mcp_guard.policy.decision import Admitted, AwaitsTicket, Reason, Refused
from mcp_guard.policy.endpoint import Carrier, Endpoint
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.policy.snapshot import Snapshot
from mcp_guard.policy.ticket import by_ticket
from mcp_guard.presented import present, present_text
from mcp_guard.recall import NOTED_SECONDS

AT_A_TIME: Final = 16
"""How many open connections of an event loop are judged again at a time."""

RETRY_SECONDS: Final = 1.0
"""How long to wait for a store that did not answer about an open connection."""

_LONGEST_TIMER: Final = 86400.0
_turns_of: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _turns() -> asyncio.Semaphore:
    """Return the turns of the running event loop."""
    return _turns_of.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_A_TIME))


class Admission:
    """The judgement of one socket or stream.

    ``head`` is what opened it, ``later`` what it is judged by from then on. ``admitted`` is None until the
    handshake or a message was let in; ``snapshot`` is what was current before it was decided.
    """

    __slots__ = (
        "_doubts",
        "_explicit",
        "_is_doubted",
        "_judged_at",
        "_noted_until",
        "_snapshot",
        "admitted",
        "endpoint",
        "head",
        "later",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        head: RequestHead,
        admitted: Admitted | None = None,
        snapshot: Snapshot | None = None,
        now: float | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.head = head
        if admitted is None:
            self.later = head._replace(exchange=Exchange.MESSAGE)
            self._explicit: Presented | None = NO_CREDENTIAL
        else:
            self.later = head
            self._explicit = None
        self.admitted = admitted
        self._snapshot = snapshot
        self._doubts = 0
        self._is_doubted = False
        self._judged_at = time.monotonic() if now is None else now
        self._noted_until = 0.0

    @property
    def stands(self) -> bool:
        """Whether the last judgement still holds."""
        return self.admitted is not None and holder.stands(self._snapshot, self.admitted.until)

    @property
    def is_current(self) -> bool:
        """Whether no other policy has come since the last judgement; one that is to come has it made anew."""
        return self._snapshot is holder.snapshot

    @property
    def seconds_left(self) -> float | None:
        """Seconds until it has to be judged again, at most a day; None when nothing of it expires."""
        if self.admitted is None or not self.admitted.until:
            return None
        return min(max(0.0, self.admitted.until - holder.now()) + 0.01, _LONGEST_TIMER)

    @property
    def session_key(self) -> str:
        """The session that admitted it; empty when it was none."""
        if self.admitted is None or (self._explicit is None and b"cookie" not in self.head.headers):
            return ""
        return self._presented.key if isinstance(self._presented, UnreadSession) else ""

    @property
    def _presented(self) -> Presented:
        """What it was admitted by; what its head presents is looked for when somebody asks."""
        if self._explicit is None:
            self._explicit = present(self.head, self.endpoint)
        return self._explicit

    def doubt(self) -> None:
        """Let the last judgement stand no longer, nor one that is being made."""
        self._doubts += 1
        self._is_doubted = True
        self._snapshot = None

    async def judge_handshake(self, judged: gate.Judged | None = None) -> Refused | None:
        """Return why the handshake is refused, None when the socket may be accepted.

        ``judged`` is what was decided of its head, where somebody has asked.
        """
        presented: Presented | None = None
        snapshot, doubts = self._snapshot or holder.snapshot, self._doubts
        judged = gate.judge(self.endpoint, self.head) if judged is None else judged
        settled = await gate.asettle(self.endpoint, self.head, judged)
        if isinstance(settled, AwaitsTicket):
            redeemed = await gate.aredeem(self.endpoint, self.head, settled)
            if isinstance(redeemed, Refused):
                return redeemed
            presented, snapshot, doubts = redeemed, holder.snapshot, self._doubts
            judged = gate.judge(self.endpoint, self.head, presented)
            settled = by_ticket(await gate.asettle(self.endpoint, self.head, judged, presented))
        if isinstance(settled, Admitted):
            self._live_by(settled, presented, snapshot if doubts == self._doubts else None)
        if isinstance(settled, Refused):
            return failures.limit(settled, self.endpoint, self.head, presented)
        return None

    def standing(self, bearer: jsonrpc.Bearer, now: float) -> Admitted | None:
        """Return the decision that a message lives by if that is known; ``now`` is in monotonic seconds."""
        admitted = self.admitted
        if admitted is None or bearer is not jsonrpc.NO_BEARER or self.endpoint.token_every_message:
            return None
        if not holder.stands(self._snapshot, admitted.until):
            return None
        if now >= self._noted_until:
            self._noted_until = now + NOTED_SECONDS
            uses.note(self.endpoint, self.later, admitted.principal, holder.now())
        return admitted

    async def judge_message(self, bearer: jsonrpc.Bearer) -> Admitted | Refused:
        """Return the decision that a message lives by: its own token's, or the one of the socket."""
        endpoint = self.endpoint
        match bearer:
            case jsonrpc.BearerText(text) if self._takes_message_tokens:
                presented = present_text(text)
                judged = await self._admit_by(presented)
                if isinstance(judged, Refused):
                    return failures.limit(judged, endpoint, self.head, presented)
                return judged
            case jsonrpc.NoBearer():
                pass
            case _:
                return Refused(Reason.CREDENTIAL_MALFORMED)
        if endpoint.token_every_message and not endpoint.ignores_credentials:
            return Refused(Reason.CREDENTIAL_MISSING)
        return await self.judge_again()

    async def judge_again(self) -> Admitted | Refused:
        """Return the decision about what the socket presented last, as of now."""
        return await self._admit_by(self._presented)

    async def judge_open(self) -> Admitted | Refused | None:
        """Return the decision about an open connection that nobody waits for.

        Only so many are made at a time: a change concerns every connection at once. A store that does not
        answer is no refusal before the last judgement is as old as policy may be. None when what was
        presented has been replaced meanwhile.
        """
        while True:
            presented = self._presented
            async with _turns():
                judged = await self._admit_by(presented)
            if presented != self._presented:
                return None
            is_unanswered = isinstance(judged, Refused) and judged.reason is Reason.STORE_UNREADABLE
            if not is_unanswered or time.monotonic() - self._judged_at > config().max_age:
                return judged
            await asyncio.sleep(RETRY_SECONDS)

    @property
    def _takes_message_tokens(self) -> bool:
        return Carrier.MESSAGE in self.endpoint.ws_credentials and not self.endpoint.ignores_credentials

    async def _admit_by(self, presented: Presented) -> Admitted | Refused:
        """Judge a credential; a socket acts for one principal as long as it lives."""
        if self.admitted is not None and presented == self._presented and self.stands:
            uses.note(self.endpoint, self.later, self.admitted.principal, holder.now())
            return self.admitted
        snapshot, doubts = holder.snapshot, self._doubts
        asked = self._as_known(presented)
        is_stream = self.later is self.head
        judged = gate.judge(self.endpoint, self.later, asked, again=is_stream)
        settled = await gate.asettle(self.endpoint, self.later, judged, asked, again=is_stream)
        if not isinstance(settled, Admitted):
            return settled if isinstance(settled, Refused) else Refused(Reason.CREDENTIAL_MISSING)
        if self.admitted is not None and settled.principal.identity != self.admitted.principal.identity:
            return Refused(Reason.PRINCIPAL_CHANGED)
        self._live_by(settled, presented, snapshot if doubts == self._doubts else None)
        return settled

    def _as_known(self, presented: Presented) -> Presented:
        """Return the session of an open connection as live; whether it still is, the watch asks for all."""
        if not isinstance(presented, UnreadSession) or self._is_doubted or self.admitted is None:
            return presented
        user_id = self.admitted.principal.user_id
        if presented != self._presented or user_id is None:
            return presented
        return LiveSession(presented.key, user_id)

    def _live_by(self, admitted: Admitted, presented: Presented | None, snapshot: Snapshot | None) -> None:
        """Keep a decision; the snapshot was taken before judging, so that a swap meanwhile is not missed."""
        self.admitted, self._explicit, self._snapshot = admitted, presented, snapshot
        self._judged_at = time.monotonic()
        self._is_doubted = self._is_doubted and snapshot is None
