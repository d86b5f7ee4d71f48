"""What the headers of a request say about its body: type, encoding, length."""

from __future__ import annotations

from typing import Final

from mcp_guard.policy.decision import Reason
from mcp_guard.policy.endpoint import Endpoint, Messages
from mcp_guard.policy.facts import RequestHead

MAX_DIGITS: Final = 20
"""From how many digits on a length is read no more."""

_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})


def has_body(head: RequestHead) -> bool:
    """Return whether the method of a request gives its body a meaning (RFC 9110 section 9.3)."""
    return head.method not in _WITHOUT_BODY


def refusal(head: RequestHead, endpoint: Endpoint) -> Reason | None:
    """Return why the body of a request is not even read, None when nothing speaks against it.

    Only ``application/json`` is taken: every other type a browser can send lets a foreign page skip the
    preflight (https://fetch.spec.whatwg.org/#cors-safelisted-request-header).
    """
    if not has_body(head):
        return None if endpoint.messages is Messages.HTTP else _unexpected_body(head)
    content_type = head.headers.get(b"content-type", b"")
    if content_type != b"application/json" and not _is_utf8_json(content_type):
        return Reason.CONTENT_TYPE
    if head.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return Reason.CONTENT_ENCODING
    length = head.headers.get(b"content-length")
    if length is not None and not _may_be_read(length, endpoint.limits.body_bytes):
        return Reason.BODY_TOO_LARGE
    return None


def _may_be_read(length: bytes, limit: int) -> bool:
    """Return whether a Content-Length is a number that is not too large; leading zeros make none smaller."""
    return length.isdigit() and len(length) < MAX_DIGITS and int(length) <= limit


def _unexpected_body(head: RequestHead) -> Reason | None:
    """Return why a request is refused whose method gives a body no meaning, but which announces one.

    Nobody would judge such a message, and an application that does not look at the method would run it.
    """
    length = head.headers.get(b"content-length", b"0")
    return None if length == b"0" and b"transfer-encoding" not in head.headers else Reason.MESSAGE_MALFORMED


def _is_utf8_json(content_type: bytes) -> bool:
    """Return whether a media type is JSON in UTF-8 (RFC 9110 section 8.3.1: names without case)."""
    kind, *parameters = content_type.lower().split(b";")
    if kind.strip(b" \t") != b"application/json":
        return False
    for parameter in parameters:
        name, _, value = parameter.strip(b" \t").partition(b"=")
        if name == b"charset" and value.strip(b'"') not in (b"utf-8", b"utf8"):
            return False
    return True
