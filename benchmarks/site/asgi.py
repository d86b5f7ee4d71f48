"""What a server is told to serve."""

from benchmarks.site.applications import asgi

application = asgi()
