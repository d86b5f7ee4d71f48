"""Routes of the site: one guarded include, and what the guard must leave alone."""

from django.contrib import admin
from django.urls import path

from mcp_guard.http.guarded import guarded_include
from tests.corpus.site import views
from tests.corpus.site.policies import ENDPOINT

urlpatterns = [
    path("mcp/", guarded_include("tests.corpus.site.protected", endpoint=ENDPOINT)),
    path("portal/whoami", views.whoami),
    path("public/page", views.public),
    path("admin/", admin.site.urls),
]
