"""Drive the admin as an operator does: log in, send its forms, look at what came of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from mcp_guard.models import AuditEvent, Revision


def browser_of(user: Any, **options: Any) -> Browser:
    browser = Browser(**options)
    browser.force_login(user)
    return browser


def superuser() -> Any:
    return get_user_model().objects.create_superuser("root", password="root")


def staff(*codenames: str, name: str = "staff") -> Any:
    """Return an operator with these permissions of mcp_guard only."""
    user = get_user_model().objects.create_user(name, password=name, is_staff=True)
    found = Permission.objects.filter(content_type__app_label="mcp_guard", codename__in=codenames)
    assert {permission.codename for permission in found} == set(codenames)
    user.user_permissions.set(found)
    return user


def url(view: str, *args: object) -> str:
    return reverse(f"admin:mcp_guard_{view}", args=args)


def errors(response: Any) -> dict[str, list[str]]:
    """Return the texts beside each field of a form that was refused."""
    assert response.status_code == 200
    return dict(response.context["adminform"].form.errors)


def told(response: Any) -> list[str]:
    """Return the messages that the page after a redirect shows."""
    return [str(message) for message in response.context["messages"]]


def revision() -> int:
    return Revision.objects.filter(pk=1).values_list("n", flat=True).first() or 0


def tags() -> list[str]:
    """Return what was done, the latest last."""
    return list(AuditEvent.objects.order_by("pk").values_list("tag", flat=True))


@contextmanager
def nothing_changes():
    """Assert that policy, its revision and its history stay as they are."""
    before = (revision(), tags(), policy_rows())
    yield
    assert (revision(), tags(), policy_rows()) == before


def policy_rows() -> dict[str, list[Any]]:
    names = [name for name in connection.introspection.table_names() if name.startswith("mcp_guard_")]
    return {name: sorted(table(name), key=repr) for name in names}


def everything_stored() -> str:
    """Return the whole database as text, with the contents of every session."""
    from django.contrib.sessions.models import Session

    sessions = [session.get_decoded() for session in Session.objects.all()]
    return repr([table(name) for name in connection.introspection.table_names()]) + repr(sessions)


def table(name: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
        return cursor.fetchall()
