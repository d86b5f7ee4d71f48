"""One guarded view, for tests of the front door."""

from django.http import HttpResponse
from django.urls import path

from mcp_guard.http.guarded import guarded


def view(request):
    return HttpResponse("ran")


urlpatterns = [path("guarded", guarded("notes")(view))]
