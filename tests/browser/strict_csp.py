"""The strictest Content-Security-Policy a site can send: nothing inline, nothing from elsewhere."""

from __future__ import annotations


class StrictContentSecurityPolicy:
    """Send the policy with every answer; browsers report what it stops on their console."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
        return response
