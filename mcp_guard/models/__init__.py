"""The rows of policy, written through ``mcp_guard.changes`` only, their history, and what processes saw."""

from mcp_guard.models.base import PolicyModel
from mcp_guard.models.history import AuditEvent, AuditSeal, Change, ProcessState, Revision, Shipment
from mcp_guard.models.observed import GrantUse, Refusal, RefusalWindow, Tally, TokenUse
from mcp_guard.models.policy import AllowedOrigin, Client, EndpointState, Scope, Token, TokenSecret
from mcp_guard.models.server_runs import ServerRun
from mcp_guard.models.servers import RegisteredServer
from mcp_guard.models.tickets import Ticket

__all__ = [
    "AllowedOrigin",
    "AuditEvent",
    "AuditSeal",
    "Change",
    "Client",
    "EndpointState",
    "GrantUse",
    "PolicyModel",
    "ProcessState",
    "Refusal",
    "RefusalWindow",
    "RegisteredServer",
    "Revision",
    "Scope",
    "ServerRun",
    "Shipment",
    "Tally",
    "Ticket",
    "Token",
    "TokenSecret",
    "TokenUse",
]
