"""Prepare the database of a site that runs in another process, or change its policy, as an operator does.

``python -m tests.transports.site prepare | revoke TOKEN | unlist ORIGIN | disable CLIENT | logout SESSION``
"""

from __future__ import annotations

import sys

import django


def main(what: str, *arguments: str) -> None:
    """Run one command."""
    from django.contrib.sessions.models import Session

    from mcp_guard import changes, testing
    from mcp_guard.models import AllowedOrigin, Client, Token
    from tests.migrated import migrate
    from tests.transports.populate import populate

    match what, arguments:
        case "prepare", ():
            migrate()
            populate()
        case "revoke", (name,):
            changes.revoke_token(testing.ACTOR, Token.objects.get(name=name))
        case "unlist", (url,):
            changes.unlist_origin(testing.ACTOR, AllowedOrigin.objects.get(origin=url))
        case "disable", (name,):
            changes.set_client(testing.ACTOR, Client.objects.get(name=name), active=False)
        case "logout", (key,):
            Session.objects.get(pk=key).delete()
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
