"""The rows of policy, written through ``mcp_guard.changes`` only, and the history of their changes."""

from mcp_guard.models.base import PolicyModel
from mcp_guard.models.history import AuditEvent, Change, ProcessState, Revision
from mcp_guard.models.policy import AllowedOrigin, Client, EndpointState, Scope, Token, TokenSecret

__all__ = [
    "AllowedOrigin",
    "AuditEvent",
    "Change",
    "Client",
    "EndpointState",
    "PolicyModel",
    "ProcessState",
    "Revision",
    "Scope",
    "Token",
    "TokenSecret",
]
