"""Routes of the tests; a test that needs others sets ROOT_URLCONF."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
