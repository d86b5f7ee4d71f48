"""What an open socket or stream lives by: who it was admitted as, by what, and under which snapshot.

A judgement stands while neither the snapshot nor its deadline has moved; afterwards whoever needs it next,
a message, a push or the change itself, judges again.
"""

from __future__ import annotations

from typing import Final

from mcp_guard import gate
from mcp_guard.live.holder import holder
from mcp_guard.mcp import jsonrpc
from mcp_guard.policy.credential import NO_CREDENTIAL, Presented, UnreadSession
from mcp_guard.policy.decision import Admitted, Reason, Refused
from mcp_guard.policy.endpoint import Carrier, Endpoint
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.policy.snapshot import Snapshot
from mcp_guard.presented import present, present_text

_LONGEST_TIMER: Final = 86400.0


class Admission:
    """The judgement of one socket or stream.

    ``head`` is what opened it, ``later`` what it is judged by from then on. ``admitted`` is None until the
    handshake or a message was let in.
    """

    def __init__(self, endpoint: Endpoint, head: RequestHead, admitted: Admitted | None = None) -> None:
        self.endpoint = endpoint
        self.head = head
        self.later = head if admitted else head._replace(exchange=Exchange.MESSAGE)
        self.admitted = admitted
        self._presented: Presented = present(head, endpoint) if admitted else NO_CREDENTIAL
        self._snapshot: Snapshot | None = None
        self._doubts = 0

    @property
    def stands(self) -> bool:
        """Whether the last judgement still holds."""
        if self.admitted is None or self._snapshot is not holder.snapshot or holder.is_behind:
            return False
        return not self.admitted.until or holder.now() < self.admitted.until

    @property
    def seconds_left(self) -> float | None:
        """Seconds until it has to be judged again, at most a day; None when nothing of it expires."""
        if self.admitted is None or not self.admitted.until:
            return None
        return min(max(0.0, self.admitted.until - holder.now()) + 0.01, _LONGEST_TIMER)

    @property
    def session_key(self) -> str:
        """The session that admitted it; empty when it was none."""
        return self._presented.key if isinstance(self._presented, UnreadSession) and self.admitted else ""

    def doubt(self) -> None:
        """Let the last judgement stand no longer, nor one that is being made."""
        self._doubts += 1
        self._snapshot = None

    async def judge_handshake(self) -> Refused | None:
        """Return why the handshake is refused, None when the socket may be accepted."""
        presented = present(self.head, self.endpoint)
        snapshot, doubts = holder.snapshot, self._doubts
        judged = gate.judge(self.endpoint, self.head, presented)
        settled = await gate.asettle(self.endpoint, self.head, judged, presented)
        if isinstance(settled, Admitted):
            self._live_by(settled, presented, snapshot if doubts == self._doubts else None)
        return settled if isinstance(settled, Refused) else None

    async def judge_message(self, bearer: jsonrpc.Bearer) -> Admitted | Refused:
        """Return the decision that a message lives by: its own token's, or the one of the socket."""
        endpoint = self.endpoint
        match bearer:
            case jsonrpc.BearerText(text) if self._takes_message_tokens:
                return await self._admit_by(present_text(text))
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

    @property
    def _takes_message_tokens(self) -> bool:
        return Carrier.MESSAGE in self.endpoint.ws_credentials and not self.endpoint.ignores_credentials

    async def _admit_by(self, presented: Presented) -> Admitted | Refused:
        """Judge a credential; a socket acts for one principal as long as it lives."""
        if self.admitted is not None and presented == self._presented and self.stands:
            return self.admitted
        snapshot, doubts = holder.snapshot, self._doubts
        judged = gate.judge(self.endpoint, self.later, presented)
        settled = await gate.asettle(self.endpoint, self.later, judged, presented)
        if not isinstance(settled, Admitted):
            return settled if isinstance(settled, Refused) else Refused(Reason.CREDENTIAL_MISSING)
        if self.admitted is not None and settled.principal.identity != self.admitted.principal.identity:
            return Refused(Reason.PRINCIPAL_CHANGED)
        self._live_by(settled, presented, snapshot if doubts == self._doubts else None)
        return settled

    def _live_by(self, admitted: Admitted, presented: Presented, snapshot: Snapshot | None) -> None:
        """Keep a decision; the snapshot was taken before judging, so that a swap meanwhile is not missed."""
        self.admitted, self._presented, self._snapshot = admitted, presented, snapshot
