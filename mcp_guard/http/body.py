"""Judge the body of a Django request before its view runs: the message in it, or at least its length."""

from __future__ import annotations

from io import SEEK_END, SEEK_SET
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from mcp_guard import ticket_desk
from mcp_guard.live.calls import Call
from mcp_guard.mcp.jsonrpc import Message
from mcp_guard.mcp.permit import Behind, permit_body
from mcp_guard.passage import Passage
from mcp_guard.policy.decision import Admitted, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint


def judge_body(
    request: HttpRequest, endpoint: Endpoint, passage: Passage, behind: Behind
) -> Message | Refused | None:
    """Return the message that a body is, None where none is expected, or why the request is refused."""
    admitted = passage.admitted
    if not endpoint.judges_messages:
        is_too_large = passage.has_body and _length(request) > endpoint.limits.body_bytes
        return Refused(Reason.BODY_TOO_LARGE, admitted.cors) if is_too_large else None
    body = _read(request, admitted)
    if isinstance(body, Refused):
        return body
    if not passage.has_body:
        return Refused(Reason.MESSAGE_MALFORMED, admitted.cors) if body else None
    if len(body) > endpoint.limits.body_bytes:
        return Refused(Reason.BODY_TOO_LARGE, admitted.cors)
    return permit_body(passage, endpoint, body, behind)


def is_judged(request: HttpRequest, endpoint: Endpoint, call: Call, behind: Behind) -> bool:
    """Return whether an outer door has judged the very body that the view gets, for this very view.

    What stands between that door and here may have put another body into its place.
    """
    if not endpoint.judges_messages:
        return _length(request) <= endpoint.limits.body_bytes
    judged = call.judged
    return judged is not None and judged.behind is behind and _holds(request, judged.body)


def ticket_body(request: HttpRequest, admitted: Admitted) -> bytes | Refused:
    """Return the body of a request for a ticket, or why it is refused."""
    body = _read(request, admitted)
    if isinstance(body, bytes) and len(body) > ticket_desk.BODY_BYTES:
        return Refused(Reason.BODY_TOO_LARGE, admitted.cors)
    return body


def _read(request: HttpRequest, admitted: Admitted) -> bytes | Refused:
    try:
        return request.body
    except RequestDataTooBig:
        return Refused(Reason.BODY_TOO_LARGE, admitted.cors)
    except UnreadablePostError:
        return Refused(Reason.MESSAGE_MALFORMED, admitted.cors)


def _holds(request: Any, body: bytes) -> bool:
    """Return whether a request of ASGI has this body, and no more; Django must not refuse to read it."""
    most: Any = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if most is not None and len(body) > most:
        return False
    if hasattr(request, "_body"):
        return bool(request.body == body)
    stream = request._stream  # noqa: SLF001 (to ask for the body would keep a second one in memory)
    found = stream.read(len(body) + 1)
    stream.seek(0, SEEK_SET)
    return bool(found == body)


def _length(request: Any) -> int:
    """Return the length of a body that is not read here, in bytes.

    Under ASGI Django has spooled it, however long it was. Under WSGI nobody can read more of it than its head
    says (PEP 3333, "Input and Error Streams"), which was judged.
    """
    if not hasattr(request, "scope"):
        return 0
    stream = request._stream  # noqa: SLF001 (to ask for the body would read it into memory)
    length: int = stream.seek(0, SEEK_END)
    stream.seek(0, SEEK_SET)
    return length
