"""Run in a project assembled from the README: its commands, then its requests. Prints JSON.

The argument is a file with a JSON object: ``commands`` (without ``python manage.py``), ``headers`` and
``body`` of the request, and ``websocket``, whether to open one.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path


def run_commands(commands):
    """Run each as manage.py does and return the tokens they printed."""
    from django.core.management import execute_from_command_line

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for command in commands:
            execute_from_command_line(["manage.py", *command])
    return re.findall(r"mcpg_[0-9A-Za-z]{49}", printed.getvalue())


async def post(app, headers, body):
    from channels.testing import HttpCommunicator

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    exchange = HttpCommunicator(app, "POST", "/mcp", body.encode(), [(b"host", b"127.0.0.1:8000"), *raw])
    answer = await exchange.get_response(timeout=20)
    return answer["status"], answer["body"].decode()


async def open_socket(app, origin, token):
    """Return whether the handshake was accepted, and the answer to a first message with the token."""
    from channels.testing import WebsocketCommunicator

    headers = [
        (b"host", b"127.0.0.1:8000"),
        (b"origin", origin.encode()),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-protocol", b"mcp"),
    ]
    socket = WebsocketCommunicator(app, "/ws/mcp", headers=headers)
    accepted, _ = await socket.connect(timeout=20)
    if not accepted:
        return False, None
    await socket.send_json_to({"jsonrpc": "2.0", "id": 1, "method": "ping", "auth": {"bearer": token}})
    answer = await socket.receive_json_from(timeout=20)
    await socket.disconnect()
    return True, answer


async def drive(app, said, tokens):
    from mysite.ran import RAN

    def presenting(token, **more):
        return {name: value.replace("$TOKEN", token) for name, value in said["headers"].items()} | more

    bare = {name: value for name, value in presenting("").items() if name != "Authorization"}
    seen = {
        "token": await post(app, presenting(tokens[0]), said["body"]),
        "ran": list(RAN),
        "no token": await post(app, bare, said["body"]),
        "foreign page": await post(app, bare | {"Origin": "https://evil.example"}, said["body"]),
        "stolen token": await post(app, presenting(tokens[0], Origin="https://evil.example"), said["body"]),
        "other tool": await post(
            app,
            presenting(tokens[0], **{"Mcp-Name": "delete_note"}),
            said["body"].replace("read_note", "delete_note"),
        ),
    }
    seen["ran later"] = RAN[len(seen["ran"]) :]
    if said["websocket"]:
        seen["foreign socket"] = await open_socket(app, "https://evil.example", tokens[1])
        seen["listed socket"] = await open_socket(app, "https://app.example.com", tokens[1])
    return seen


def main():
    said = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    sys.path.insert(0, str(Path.cwd()))
    os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
    tokens = run_commands(said["commands"])
    from mysite.asgi import application

    print(json.dumps(asyncio.run(drive(application, said, tokens))))


if __name__ == "__main__":
    main()
