"""Put a case to the peer itself, set up as its test sets it up, and see what it brings about."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

from asgiref.sync import async_to_sync
from channels.security.websocket import OriginValidator
from channels.testing import WebsocketCommunicator
from corsheaders.middleware import CorsMiddleware
from corsheaders.signals import check_request_enabled
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse

from tests.peers.case import Case, Effect, Peer, effect
from tests.peers.cases import CHANNELS, CORS_HEADERS, STARLETTE
from tests.transports.doors import exchange

PATH: Final = "/mcp"


def ask(peer: Peer, case: Case) -> Effect:
    """Return what the case brings about at the peer."""
    return _ASK[peer](case)


def _ask_cors_headers(case: Case) -> Effect:
    runs: list[str] = []

    def view(request: Any) -> HttpResponse:
        runs.append(request.method)
        return HttpResponse()

    settings = {"CORS_URLS_REGEX": "^.*$", **case.configured}
    hook = settings.pop("hook", None)
    request = RequestFactory().generic(
        case.exchange.method, PATH, headers=dict(case.exchange.headers), SCRIPT_NAME=case.exchange.root_path
    )
    with ExitStack() as stack:
        stack.enter_context(override_settings(**settings))
        if hook is not None:
            check_request_enabled.connect(lambda **_: hook, weak=False, dispatch_uid="peer")
            stack.callback(check_request_enabled.disconnect, dispatch_uid="peer")
        response = CorsMiddleware(view)(request)
    answer = {name.lower(): value for name, value in response.items()}
    return effect(answer, case.exchange, runs=bool(runs), may_go_on=response.status_code < 300)


def _ask_starlette(case: Case) -> Effect:
    runs: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        runs.append(scope["method"])
        await PlainTextResponse("", headers={"Vary": "Accept-Encoding"})(scope, receive, send)

    answered = async_to_sync(exchange)(CORSMiddleware(application, **case.configured), case.exchange, PATH)
    return effect(dict(answered.headers), case.exchange, runs=bool(runs), may_go_on=answered.status < 300)


def _ask_channels(case: Case) -> Effect:
    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

    async def connect() -> bool:
        headers = [(name.lower().encode(), value.encode()) for name, value in case.exchange.headers]
        validator = OriginValidator(application, **case.configured)
        socket = WebsocketCommunicator(validator, PATH, headers=headers)
        accepted, _ = await socket.connect()
        await socket.disconnect()
        return accepted

    accepted = async_to_sync(connect)()
    return Effect(runs=accepted, page=accepted)


_ASK: Final[dict[Peer, Callable[[Case], Effect]]] = {
    CORS_HEADERS.peer: _ask_cors_headers,
    STARLETTE.peer: _ask_starlette,
    CHANNELS.peer: _ask_channels,
}
