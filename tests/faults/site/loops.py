"""Two servers with an event loop each in one process: ``python -m tests.faults.site.loops PORT``.

The second one listens on the port behind the first.
"""

from __future__ import annotations

import sys
import threading

import uvicorn

from tests.faults.site.asgi import application


def main(port: int) -> None:
    servers = [
        uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=each, log_level="warning"))
        for each in (port, port + 1)
    ]
    other = threading.Thread(target=servers[1].run, daemon=True)
    other.start()
    servers[0].run()
    servers[1].should_exit = True
    other.join(5)


if __name__ == "__main__":
    main(int(sys.argv[1]))
