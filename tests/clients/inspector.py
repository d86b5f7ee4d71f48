"""MCP Inspector's command line: what it prints, and its exit status."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests import node
from tests.clients.job import Job

SECONDS: Final = 60
COMMAND: Final = node.PACKAGES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
ERAS: Final = {"auto": "auto", "legacy": "legacy", "2026-07-28": "modern"}
"""What it calls the modes."""


@dataclass(frozen=True)
class Said:
    """What the command ended with; ``error`` is what it printed, in JSON, instead of a result."""

    exit_status: int
    result: object
    error: str | None


def call(job: Job, tool: str, home: Path, *arguments: str) -> Said:
    """Call a tool; the command keeps what it remembers in a home of its own."""
    headers = [] if job.token is None else [f"Authorization: Bearer {job.token}"]
    headers += [] if job.origin is None else [f"Origin: {job.origin}"]
    done = node.run(
        COMMAND, "--cli", job.url, "--transport", "http", "--protocol-era", ERAS[job.mode],
        *(word for header in headers for word in ("--header", header)),
        "--stored-auth-only", "--format", "json",
        "--method", "tools/call", "--tool-name", tool, *(["--tool-arg", *arguments] if arguments else []),
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, timeout=SECONDS,
    )  # fmt: skip
    if done.returncode == 0:
        return Said(0, json.loads(done.stdout)["result"]["structuredContent"], None)
    return Said(done.returncode, None, json.loads(done.stderr)["error"]["message"])


def call_all(jobs: Sequence[Job], tool: str, home: Path, *arguments: str) -> list[Said]:
    """Call a tool once for each job, two at a time: most of it is the start of a process."""
    with ThreadPoolExecutor(max_workers=2) as threads:
        return list(threads.map(lambda job: call(job, tool, home, *arguments), jobs))
