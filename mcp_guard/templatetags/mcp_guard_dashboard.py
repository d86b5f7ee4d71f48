"""The dashboard as a tag, for the index of this app and for the pages of other admin sites."""

from __future__ import annotations

from typing import Any

from django.template import Library
from django.utils import timezone

from mcp_guard.admin.dashboard import dashboard

register = Library()


@register.inclusion_tag("admin/mcp_guard/dashboard/parts.html", takes_context=True)
def mcp_guard_dashboard(context: Any) -> dict[str, Any]:
    """Show the parts of the dashboard that the user of the request may see; nothing without a request."""
    request = context.get("request")
    user = getattr(request, "user", None)
    return {"dashboard": None if user is None else dashboard(user, timezone.now())}
