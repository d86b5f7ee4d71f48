"""The views of the site: the victim logs in, and tests look at what happened."""

from __future__ import annotations

from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from tests.victim.site import record


def log_in(request: HttpRequest) -> HttpResponse:
    """Log the victim in."""
    login(request, get_user_model().objects.get(username="victim"))
    return HttpResponse("welcome", content_type="text/html")


def report(_request: HttpRequest) -> JsonResponse:
    """Answer with what happened."""
    return JsonResponse(record.report())


urlpatterns = [path("login", log_in), path("report", report)]
