"""Every screen of the app, as the URL resolver knows them, with a row for each to be about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import admin
from django.test import override_settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from mcp_guard import changes, testing
from mcp_guard.models import Refusal

PREFIX = "admin/mcp_guard/"


class Screen(NamedTuple):
    """One view: the model it is about, its name without that of the model, and its path."""

    model: str
    view: str
    path: str

    def __str__(self) -> str:
        return f"{self.model} {self.view}"


class UnknownScreen(AssertionError):
    """A view whose address cannot be made up; teach ``address`` how."""


def routes(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Yield every route below a resolver with its full pattern."""
    for each in resolver.url_patterns:
        pattern = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each, pattern)
        else:
            yield pattern, each


def screens(rows: dict[str, Any]) -> list[Screen]:
    """Return all screens of mcp_guard, each about the row of its model."""
    found = []
    for pattern, route in routes(get_resolver()):
        if not pattern.startswith(PREFIX):
            continue
        model = pattern.removeprefix(PREFIX).partition("/")[0]
        view = (route.name or "redirect").removeprefix(f"mcp_guard_{model}_").removeprefix("mcp_guard_")
        found.append(Screen(model, view, "/" + address(pattern, route, rows[model])))
    return found


def address(pattern: str, route: URLPattern, row: Any) -> str:
    """Return the path of a route about a row."""
    for name in route.pattern.converters:
        if name != "object_id":
            raise UnknownScreen(f"{pattern}: what is {name}?")
        for kind in ("<int:object_id>", "<path:object_id>", "<object_id>"):
            pattern = pattern.replace(kind, str(row.pk))
    if "<" in pattern:
        raise UnknownScreen(pattern)
    return pattern


def registered() -> list[type]:
    """Return the models of mcp_guard that have screens."""
    return [model for model in admin.site._registry if model._meta.app_label == "mcp_guard"]


def one_row_each() -> dict[str, Any]:
    """Make a row of every model that has screens, and return them by the model's name."""
    scope = testing.grant_scope("read", "tools/call:read_note")
    client = testing.add_client(scopes=[scope])
    testing.list_origin("https://app.example", client, "notes")
    testing.issue_token(client, "notes", scopes=[scope])
    changes.report_only(testing.ACTOR, "notes", until=timezone.now() + timedelta(days=1))
    Refusal.objects.create(
        key="1", endpoint="notes", exchange="request", reason="origin_not_listed",
        origin="https://new.example", host="testserver", count=1,
    )  # fmt: skip
    with override_settings(MCP_GUARD={**settings.MCP_GUARD, "SERVERS": {"profile": "token"}}):
        changes.add_server(testing.ACTOR, name="files", executable="/usr/bin/env")
    rows = {model._meta.model_name: model._default_manager.first() for model in registered()}
    missing = [name for name, row in rows.items() if row is None]
    assert not missing, f"make a row of {missing} here, so that their screens are tried too"
    return rows
