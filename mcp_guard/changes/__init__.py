"""Every write to policy: one function, one transaction, one revision, one audit event.

Nothing else writes policy rows. A function takes the actor first, checks what the operator typed
(``ValidationError`` names the field), writes, and returns the row.
"""

from mcp_guard.changes.clients import add_client, delete_client, set_client
from mcp_guard.changes.endpoints import enforce, report_only
from mcp_guard.changes.origins import list_origin, set_origin, unlist_origin
from mcp_guard.changes.record import Actor
from mcp_guard.changes.refusals import (
    Approval,
    approve_refusal,
    plan_approval,
    refusal_errors,
    reopen_refusal,
    set_refusal_aside,
)
from mcp_guard.changes.scopes import add_scope, remove_scope, set_scope
from mcp_guard.changes.server_approval import approve_server, server_approval_errors
from mcp_guard.changes.servers import add_server, remove_server, set_server
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
    "Approval",
    "IssuedSecret",
    "add_client",
    "add_scope",
    "add_server",
    "approve_refusal",
    "approve_server",
    "delete_client",
    "delete_token",
    "enforce",
    "issue_token",
    "list_origin",
    "plan_approval",
    "refusal_errors",
    "remove_scope",
    "remove_server",
    "reopen_refusal",
    "report_only",
    "revoke_client_tokens",
    "revoke_token",
    "rotate_token",
    "server_approval_errors",
    "set_client",
    "set_origin",
    "set_refusal_aside",
    "set_scope",
    "set_server",
    "set_token",
    "unlist_origin",
]
