"""The demo site with a gate that lets everybody do everything: what the tour must not mistake for safe."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from mcp_guard.policy import decide as rules  # noqa: E402 (needs the app registry)
from mcp_guard.policy.decision import Admitted, CorsGrant, PreflightGranted, Principal  # noqa: E402
from mcp_guard.policy.facts import Exchange  # noqa: E402
from mcp_guard.policy.scopes import Grants  # noqa: E402


class Everything(Grants):
    def cover(self, operation):
        return True


def decide(facts, snapshot):
    origin = facts.head.headers.get(b"origin", b"*")
    if facts.head.exchange is Exchange.PREFLIGHT:
        return PreflightGranted(CorsGrant(origin, credentials=True), ("POST",), ("authorization",))
    return Admitted(Principal(client_id=1, client="everybody", grants=Everything()))


rules.decide = decide
rules.permit = lambda admitted, operation: admitted

from project.asgi import application  # noqa: E402, F401 (what the server is told to run)
