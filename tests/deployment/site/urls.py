"""Routes of the site."""

from django.urls import path

from mcp_guard.http.health import health
from tests.deployment.site import views

urlpatterns = [
    path("mcp", views.call),
    path("mcp/events", views.events),
    path("healthz", health),
    path("metrics", views.metrics),
]
