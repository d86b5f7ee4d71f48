"""Post events to a collector over HTTPS (the extra ``siem``): verified, bounded in time, never redirected.

Each batch is one request on a connection of its own, so that one limit holds for all of it: name, connection,
TLS, request and answer.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx2

from mcp_guard import __version__
from mcp_guard.audit.delivery import Undelivered
from mcp_guard.conf.destinations import Body, Destination

READ_BYTES: Final = 4096
"""How much of an answer is read."""

TOLD: Final = 80
"""How much of the answer to a refused batch is told, in characters."""

_TRY_AGAIN: Final = frozenset({408, 425, 429})
"""Statuses below 500 that say nothing against the batch (RFC 9110, RFC 8470, RFC 6585)."""

_ABOUT_THE_BODY: Final = frozenset({400, 413, 422})
"""Statuses that a smaller batch, or one without some event, may not get."""


def post(destination: Destination, texts: Sequence[bytes]) -> None:
    """Post the events as one request and return when the collector has answered with 2xx.

    Raises:
        Undelivered: when it answered anything else, or not within the time of the destination.
    """
    try:
        token = _token(destination)
        asyncio.run(_post_in_time(destination, texts, token))
    except TimeoutError:
        raise Undelivered(f"no answer within {destination.timeout:g} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise Undelivered(f"{type(error).__name__}: {error}") from None


class _Unawaited(ThreadPoolExecutor):
    """Threads that nobody waits for: the one of a slow resolver ends when the resolver does."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 (the base's)
        super().shutdown(wait=False, cancel_futures=True)


async def _post_in_time(destination: Destination, texts: Sequence[bytes], token: str) -> None:
    asyncio.get_running_loop().set_default_executor(_Unawaited(1))  # in which names are looked up
    headers = {"Content-Type": _type(destination.body), "User-Agent": f"mcp_guard/{__version__}"}
    if token:
        headers["Authorization"] = f"{destination.token_scheme} {token}"
    async with (
        asyncio.timeout(destination.timeout),
        httpx2.AsyncClient(
            verify=_context(destination), trust_env=False, follow_redirects=False, timeout=destination.timeout
        ) as client,
        client.stream(
            "POST", destination.url, content=_content(destination.body, texts), headers=headers
        ) as answer,
    ):
        if not answer.is_success:
            raise _refusal(answer, await _beginning(answer, token))


def _refusal(answer: httpx2.Response, said: str) -> Undelivered:
    status = answer.status_code
    waits = answer.headers.get("retry-after", "")
    return Undelivered(
        f"{status} {said}",
        is_refused=status < 500 and status not in _TRY_AGAIN,
        may_fit=status in _ABOUT_THE_BODY,
        retry_after=float(waits) if waits.isascii() and waits.isdigit() and len(waits) < 6 else 0.0,
    )


async def _beginning(answer: httpx2.Response, token: str) -> str:
    """Return how the answer begins; however long it is, and however it is encoded, no more is read.

    The token is masked before anything is cut, and where reading may have cut it, its length is left out.
    """
    found = b""
    async for part in answer.aiter_raw(READ_BYTES):
        found += part
        if len(found) >= READ_BYTES:
            break
    said = found.decode("utf-8", "replace")
    if token:
        said = said.replace(token, "[redacted]")
        said = said[: max(0, len(said) - len(token))] if len(found) >= READ_BYTES else said
    return said[:TOLD]


def _content(body: Body, texts: Sequence[bytes]) -> bytes:
    if body is Body.JSON:
        return b"[" + b",".join(texts) + b"]"
    return b"".join(text + b"\n" for text in texts)


def _type(body: Body) -> str:
    return "application/json" if body is Body.JSON else "application/x-ndjson"


def _context(destination: Destination) -> ssl.SSLContext:
    """Return what the collector's certificate is verified with, read anew: certificates are renewed."""
    context = ssl.create_default_context(cafile=destination.ca_file or None)
    if destination.cert_file:
        context.load_cert_chain(destination.cert_file, destination.key_file)
    return context


def _token(destination: Destination) -> str:
    """Return the token, read anew for each batch, so that one that is replaced is used from then on.

    Raises:
        Undelivered: when there is none where the setting says, or none that fits into a header.
    """
    if destination.token_file:
        try:
            token = Path(destination.token_file).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Undelivered(f"token_file cannot be read: {type(error).__name__}", is_refused=True) from None
    elif destination.token_env:
        token = os.environ.get(destination.token_env, "").strip()
    else:
        return ""
    if not token or not (token.isascii() and token.isprintable()):
        raise Undelivered("token_file or token_env holds no token", is_refused=True)
    return token
