"""The screens of policy for ``django.contrib.admin``, each a plain ``ModelAdmin`` to import and extend."""

from django.contrib import admin

from mcp_guard.admin.audit import AuditEventAdmin
from mcp_guard.admin.clients import ClientAdmin
from mcp_guard.admin.endpoints import EndpointStateAdmin
from mcp_guard.admin.origins import AllowedOriginAdmin
from mcp_guard.admin.refusals import RefusalAdmin
from mcp_guard.admin.scopes import ScopeAdmin
from mcp_guard.admin.servers import RegisteredServerAdmin
from mcp_guard.admin.tokens import TokenAdmin
from mcp_guard.models import (
    AllowedOrigin,
    AuditEvent,
    Client,
    EndpointState,
    Refusal,
    RegisteredServer,
    Scope,
    Token,
)

__all__ = [
    "AllowedOriginAdmin",
    "AuditEventAdmin",
    "ClientAdmin",
    "EndpointStateAdmin",
    "RefusalAdmin",
    "RegisteredServerAdmin",
    "ScopeAdmin",
    "TokenAdmin",
]

admin.site.register(AllowedOrigin, AllowedOriginAdmin)
admin.site.register(AuditEvent, AuditEventAdmin)
admin.site.register(Client, ClientAdmin)
admin.site.register(EndpointState, EndpointStateAdmin)
admin.site.register(Refusal, RefusalAdmin)
admin.site.register(RegisteredServer, RegisteredServerAdmin)
admin.site.register(Scope, ScopeAdmin)
admin.site.register(Token, TokenAdmin)
