"""What every stop of the tour uses: where the site is, how to get in, and how to fail."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from project.tour.site import ADMINISTRATOR, LISTED_ORIGIN, Site
from project.tour.websocket import websocket_transport

SECONDS: Final = 10.0
"""How long one answer may take."""

MODES: Final = ("2026-07-28", "legacy")
"""The eras of the protocol that the SDK's client speaks."""


class DidNotHold(Exception):
    """The site did not do what it promises."""


def expect(holds: object, otherwise: str) -> None:
    """Go on if it holds.

    Raises:
        DidNotHold: if not.
    """
    if not holds:
        raise DidNotHold(otherwise)


@dataclass(frozen=True, slots=True)
class Visit:
    """A running site and the keys to it. ``cookie`` is a live session of the administrator."""

    port: int
    site: Site
    cookie: str

    @property
    def http(self) -> str:
        """The base of its URLs."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket(self) -> str:
        """The URL of its WebSocket."""
        return f"ws://127.0.0.1:{self.port}/ws/mcp"

    @asynccontextmanager
    async def client(self, path: str, mode: str, token: str | None) -> AsyncIterator[Client]:
        """Connect the SDK's client to a mount over HTTP."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=SECONDS) as http:
            transport = streamable_http_client(f"{self.http}{path}", http_client=http)
            async with Client(transport, mode=mode, read_timeout_seconds=SECONDS) as client:
                yield client

    @asynccontextmanager
    async def socket_client(self, mode: str) -> AsyncIterator[Client]:
        """Connect the SDK's client over WebSocket, as a page of the listed origin would."""
        transport = websocket_transport(self.socket, origin=LISTED_ORIGIN, bearer=self.site.browser_token)
        async with Client(transport, mode=mode, read_timeout_seconds=SECONDS) as client:
            yield client

    async def request(self, method: str, path: str, *, json: Any = None, **headers: str) -> httpx2.Response:
        """Send one plain request; underscores in the names of headers stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx2.AsyncClient(timeout=SECONDS) as http:
            return await http.request(method, f"{self.http}{path}", json=json, headers=named)

    async def confirm(self, path: str) -> float:
        """Confirm one of the admin's own pages as the administrator does: get it, then post its form.

        Return when the form was posted, by ``time.perf_counter()``.

        Raises:
            DidNotHold: when the admin does not do it.
        """
        headers = {"Cookie": self.cookie, "Origin": self.http, "Referer": f"{self.http}{path}"}
        async with httpx2.AsyncClient(timeout=SECONDS) as http:
            page = await http.get(f"{self.http}{path}", headers={"Cookie": self.cookie})
            token = http.cookies.get("csrftoken", "")
            expect(page.status_code == 200 and token, f"{path} was answered {page.status_code}")
            headers["Cookie"] += f"; csrftoken={token}"
            form = {"csrfmiddlewaretoken": token}
            posted = time.perf_counter()
            answer = await http.post(f"{self.http}{path}", data=form, headers=headers)
        expect(answer.status_code == 302, f"{path} answered {answer.status_code} to its form")
        return posted


async def log_in(port: int, site: Site) -> str:
    """Log the administrator in through the admin's own form and return the session's Cookie header.

    Raises:
        DidNotHold: when that gives no session.
    """
    url = f"http://127.0.0.1:{port}/admin/login/"
    async with httpx2.AsyncClient(timeout=SECONDS) as http:
        await http.get(url)
        form = {
            "username": ADMINISTRATOR,
            "password": site.password,
            "csrfmiddlewaretoken": http.cookies.get("csrftoken", ""),
            "next": "/admin/",
        }
        await http.post(url, data=form, headers={"Origin": f"http://127.0.0.1:{port}", "Referer": url})
        session = http.cookies.get("sessionid")
    expect(session is not None, "the administrator could not log in")
    return f"sessionid={session}"
