"""Change the policy of a running copy from another process, as an operator's command would.

``python -m tests.corpus.site.action revoke TOKEN | expire TOKEN | remove_origin ORIGIN | origins``
"""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from typing import Final

import django
from django.utils import timezone

EXPIRY: Final = timedelta(seconds=1)
"""An expiry has to lie ahead when it is written; the action ends when it has come."""


def main(name: str, *arguments: str) -> None:
    """Run one action."""
    from mcp_guard import changes
    from mcp_guard.models import AllowedOrigin, Token
    from mcp_guard.tokens import digest
    from tests.corpus.site.populate import ACTOR

    match name, arguments:
        case "revoke", (text,):
            changes.revoke_token(ACTOR, Token.objects.get(secrets__digest=digest(text).hex()))
        case "expire", (text,):
            token = Token.objects.get(secrets__digest=digest(text).hex())
            changes.set_token(ACTOR, token, expires_at=timezone.now() + EXPIRY)
            time.sleep(EXPIRY.total_seconds())
        case "remove_origin", (origin,):
            changes.unlist_origin(ACTOR, AllowedOrigin.objects.get(origin=origin))
        case "origins", ():
            print(json.dumps(list(AllowedOrigin.objects.values_list("origin", flat=True))))
        case _:
            raise SystemExit(f"unknown action {name} {arguments}")


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
