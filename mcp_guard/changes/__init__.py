"""Every write to policy: one function, one transaction, one revision, one audit event.

Nothing else writes policy rows. A function takes the actor first, checks what the operator typed
(``ValidationError`` names the field), writes, and returns the row.
"""

from mcp_guard.changes.clients import add_client, delete_client, set_client
from mcp_guard.changes.endpoints import enforce, report_only
from mcp_guard.changes.origins import list_origin, set_origin, unlist_origin
from mcp_guard.changes.record import Actor
from mcp_guard.changes.scopes import add_scope, remove_scope, set_scope
from mcp_guard.changes.tokens import (
    IssuedSecret,
    delete_token,
    issue_token,
    revoke_client_tokens,
    revoke_token,
    rotate_token,
    set_token,
)

__all__ = [
    "Actor",
    "IssuedSecret",
    "add_client",
    "add_scope",
    "delete_client",
    "delete_token",
    "enforce",
    "issue_token",
    "list_origin",
    "remove_scope",
    "report_only",
    "revoke_client_tokens",
    "revoke_token",
    "rotate_token",
    "set_client",
    "set_origin",
    "set_scope",
    "set_token",
    "unlist_origin",
]
