"""The same answer behind the authentication of Django REST framework and of what extends it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView

from benchmarks.site.views import sync_view


def view(auth: str) -> Any:
    """Return the view; there is no asynchronous form of it."""
    authenticators, permissions = _parts(auth)

    class View(APIView):
        authentication_classes = authenticators
        permission_classes = permissions

        def post(self, request: HttpRequest) -> HttpResponse:
            return sync_view(request)

    return View.as_view()


def _parts(auth: str) -> tuple[list[Any], list[Any]]:
    if auth == "drf":
        from rest_framework.authentication import TokenAuthentication

        return [TokenAuthentication], [IsAuthenticated]
    if auth == "knox":
        from knox.auth import TokenAuthentication

        return [TokenAuthentication], [IsAuthenticated]
    from rest_framework_api_key.permissions import HasAPIKey

    return [], [HasAPIKey]
