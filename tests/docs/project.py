"""Assemble a Django project from the snippets of the README; what it guards records that it ran."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.docs.pages import README, Block, blocks

COMMON: Final = "Guard an existing project in ten lines"
SERVER, VIEW, APPLICATION = (
    "A server of the official SDK",
    "A Django view",
    "Any ASGI application",
)
VARIANTS: Final = (SERVER, VIEW, APPLICATION)

OWN: Final = {
    "ran": "RAN = []\n",
    "views": """
import json
from django.http import JsonResponse
from django.views import View
from mysite.ran import RAN

class ToolsView(View):
    def post(self, request):
        RAN.append(json.loads(request.body)["method"])
        return JsonResponse({"client": request.mcp_guard.principal.client, "headers": dict(request.headers)})
""",
    "reports": """
import json
from mysite.ran import RAN

async def app(scope, receive, send):
    event = await receive()
    RAN.append(json.loads(event["body"])["method"])
    said = {"client": scope["mcp_guard"].principal.client, "headers": repr(scope["headers"])}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})
""",
}
"""What the project had before it was guarded; what runs is recorded in ``RAN``."""

_BODY = '    """Return a note."""\n'


def under(heading: str, language: str) -> list[Block]:
    """Return the blocks of a language that stand under a heading of the README."""
    return [block for block in blocks(README) if (block.heading, block.language) == (heading, language)]


def snippets(variant: str) -> list[Block]:
    """Return the snippets of a variant, those that all have in common first."""
    found = [*under(COMMON, "python"), *under(variant, "python")]
    assert len(found) > 1
    return found


def commands(heading: str) -> list[str]:
    """Return the command lines of all console blocks under a heading, each as a shell takes it."""
    text = "".join(block.text for block in under(heading, "console")).replace("\\\n", " ")
    return [line.rstrip("\n") for line in re.split(r"^\$ ", text, flags=re.MULTILINE) if line.strip()]


def file_of(block: Block) -> str:
    """Return the file that the paragraph before a block names last."""
    return re.findall(r"`(mysite/[a-z_]+\.py)`", block.before)[-1]


def assemble(folder: Path, variant: str) -> None:
    """Make a project, then change it as the README says for a variant."""
    run = [sys.executable, "-m", "django", "startproject", "mysite", str(folder)]
    subprocess.run(run, check=True, env={"PATH": os.environ["PATH"]})
    change(folder, variant)


def change(folder: Path, variant: str) -> None:
    """Change the project in a folder as the README says for a variant."""
    for name, text in OWN.items():
        (folder / "mysite" / f"{name}.py").write_text(text, "utf-8")
    for block in snippets(variant):
        path = folder / file_of(block)
        old = path.read_text("utf-8") if "t the end of" in block.before else ""
        path.write_text(f"{old}\n{block.text}", "utf-8")
    server = folder / "mysite" / "mcp_server.py"
    if server.exists():
        text = server.read_text("utf-8")
        assert text.count(_BODY) == 1
        recording = text.replace(_BODY, f'{_BODY}    RAN.append("tools/call")\n')
        server.write_text(f"from mysite.ran import RAN\n{recording}", "utf-8")
