"""A small MCP server over its standard streams, without any library: what a registered server may do.

One thread reads, and one runs each request, so that a call can be cancelled while it goes on.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

WRITING = threading.Lock()
OPEN = {}
TOOLS = {}
KEPT = []
CANCELLED = []
FRUIT = ["apple", "apricot", "banana"]
CAPABILITIES = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "prompts": {"listChanged": True},
    "completions": {},
    "logging": {},
}


def say(message):
    with WRITING:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def notify(method, **params):
    say({"method": f"notifications/{method}", "params": params})


class Call:
    def __init__(self, params, cancelled):
        self.params, self.cancelled = params, cancelled

    def __getattr__(self, name):
        return self.params["arguments"][name]

    def report(self, progress, total=None):
        token = (self.params.get("_meta") or {}).get("progressToken")
        if token is not None:
            more = {} if total is None else {"total": total}
            notify("progress", progressToken=token, progress=progress, message=f"step {progress}", **more)


def tool(function):
    TOOLS[function.__name__] = function
    return function


@tool
def add(call):
    return call.a + call.b


@tool
def pid(call):
    return os.getpid()


@tool
def remember(call):
    KEPT.append(call.text)
    return KEPT[:-1]


@tool
def count(call):
    for step in range(1, call.n + 1):
        call.report(step, call.n)
    return call.n


@tool
def wait(call):
    call.report(1)
    call.cancelled.wait(60)
    CANCELLED.append(call.label)


@tool
def sleep(call):
    print(f"sleeps for {call.seconds} s", file=sys.stderr, flush=True)
    time.sleep(call.seconds)
    return "slept"


@tool
def forbidden(call):
    print("forbidden ran", file=sys.stderr, flush=True)


@tool
def crash(call):
    print("about to crash", file=sys.stderr, flush=True)
    os._exit(3)


@tool
def hang(call):
    with WRITING:
        time.sleep(3600)


@tool
def long_line(call):
    with WRITING:
        while True:
            sys.stdout.write("x" * 65536)


@tool
def junk(call):
    for number in range(200):
        print(f"junk {number}", flush=True)


@tool
def surrogate(call):
    return "\ud800"


@tool
def cancelled(call):
    return CANCELLED


@tool
def flood(call):
    for number in range(call.n):
        notify("message", level="info", data=number)
    return call.n


@tool
def spin(call):
    while True:
        pass


@tool
def trace(call):
    import ctypes

    return ctypes.CDLL(None).ptrace(0, 0, 0, 0)


@tool
def noise(call):
    print(call.text, file=sys.stderr, flush=True)


@tool
def log(call):
    notify("message", level="info", logger="small", data=call.text)


@tool
def touch(call):
    notify("resources/updated", uri=call.uri)


@tool
def change(call):
    for kind in ("tools", "prompts", "resources"):
        notify(f"{kind}/list_changed")


@tool
def where(call):
    return {"argv": sys.argv[1:], "environment": sorted(os.environ), "cwd": os.path.realpath(".")}


@tool
def members(call):
    return sorted([*call.params, *(call.params.get("_meta") or {})])


def initialize(params, cancelled):
    if "--refuse" in sys.argv:
        raise ValueError(sys.argv[-1])
    version, info = params["protocolVersion"], {"name": "small", "version": "1.0"}
    found = {"protocolVersion": version, "capabilities": CAPABILITIES, "serverInfo": info}
    return {**found, "instructions": "Use it gently"}


def call_tool(params, cancelled):
    result = TOOLS[params["name"]](Call({"arguments": {}, **params}, cancelled))
    return {
        "content": [{"type": "text", "text": json.dumps(result)}],
        "structuredContent": {"result": result},
    }


def read(params, cancelled):
    return {"contents": [{"uri": params["uri"], "text": params["uri"].rpartition("/")[2]}]}


def prompt(params, cancelled):
    said = f"Praise {(params.get('arguments') or {}).get('fruit', 'all')}"
    return {"messages": [{"role": "user", "content": {"type": "text", "text": said}}]}


def complete(params, cancelled):
    value = params["argument"]["value"]
    return {"completion": {"values": [name for name in FRUIT if name.startswith(value)]}}


def nothing(params, cancelled):
    return {}


def listing(**lists):
    return lambda params, cancelled: lists


METHODS = {
    "initialize": initialize,
    "ping": nothing,
    "logging/setLevel": nothing,
    "resources/subscribe": nothing,
    "resources/unsubscribe": nothing,
    "tools/list": listing(tools=[{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]),
    "tools/call": call_tool,
    "resources/list": listing(resources=[{"uri": f"fruit://{name}", "name": name} for name in FRUIT]),
    "resources/templates/list": listing(resourceTemplates=[{"uriTemplate": "root://{name}", "name": "any"}]),
    "resources/read": read,
    "prompts/list": listing(
        prompts=[{"name": "praise", "arguments": [{"name": "fruit"}]}, {"name": "scorn"}]
    ),
    "prompts/get": prompt,
    "completion/complete": complete,
}


def run(message):
    identifier = message["id"]
    cancelled = OPEN[identifier] = threading.Event()
    try:
        result = METHODS[message["method"]](message.get("params") or {}, cancelled)
    except Exception as error:  # noqa: BLE001 (said to whoever asked)
        say({"id": identifier, "error": {"code": -32000, "message": repr(error)}})
        return
    if not OPEN.pop(identifier).is_set():
        say({"id": identifier, "result": result})


def main():
    if "--crash" in sys.argv:
        sys.exit("cannot start")
    if "--silent" in sys.argv:
        time.sleep(3600)
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == "notifications/cancelled":
            found = OPEN.get(message["params"]["requestId"])
            if found is not None:
                found.set()
        elif "id" in message and "method" in message:
            threading.Thread(target=run, args=(message,), daemon=True).start()
    os._exit(0)


if __name__ == "__main__":
    main()
