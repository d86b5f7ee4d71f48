"""What holds for every screen of this app: operators log in, and who may only look sends nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern

from mcp_guard.passage import KEY

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

View = Callable[..., HttpResponseBase]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Screens(_ModelAdmin):
    """The screens over one model; every view of a subclass is behind both rules, its own ones too."""

    @property
    def urls(self) -> list[URLPattern]:
        """Return the routes of all views."""
        routes = super().urls
        for route in routes:
            route.callback = keep(route.callback)
        return routes


def keep(view: View) -> View:
    """Return the view behind both rules.

    A token must not issue tokens: where a project serves its admin behind a guarded endpoint, a request
    acts for the user of its token, who may be an operator. And whatever a screen does on POST, it does not
    do it for who has no permission of this app but to view.
    """

    @wraps(view)
    def kept(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if getattr(request, KEY, None) is not None:
            raise PermissionDenied
        if request.method not in SAFE_METHODS and may_only_look(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return kept


def may_only_look(user: Any) -> bool:
    """Return whether an operator has permissions of this app, but only such that change nothing."""
    own = [name for name in user.get_all_permissions() if name.startswith("mcp_guard.")]
    return bool(own) and all(name.startswith("mcp_guard.view_") for name in own)
