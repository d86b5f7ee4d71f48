"""Routes under /mcp/, all of them behind the gate."""

from django.urls import path

from tests.corpus.site import views

urlpatterns = [
    path("tools", views.tools),
    path("health", views.health),
    path("cacheable", views.cacheable),
    path("etag", views.etag),
    path("boom", views.boom),
    path("stream", views.stream),
    path("stream-fails", views.stream_fails),
    path("redirect", views.redirect),
    path("vary-accept", views.vary_accept),
    path("sets-acao-star", views.sets_acao_star),
    path("tools-noslash/", views.tools),
    path("x/", views.health),
]
