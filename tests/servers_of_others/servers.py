"""The servers: what each needs, and what its project held before anybody thought of a gate."""

from __future__ import annotations

from tests.servers_of_others.server import Server

_REST_FRAMEWORK = "djangorestframework>=3.16,<4"
_OAUTH_TOOLKIT = "django-oauth-toolkit==3.4.1"

DJANGO_MCP_SERVER = Server(
    "django-mcp-server",
    ("django-mcp-server==0.5.7", "mcp<2"),
    {
        "mysite/settings.py": 'INSTALLED_APPS = [*INSTALLED_APPS, "mcp_server", "mysite"]\n',
        "mysite/mcp.py": """
from mcp_server import MCPToolset
from mysite.record import ran

class Tools(MCPToolset):
    def add(self, a: int, b: int) -> str:
        '''Add two numbers.'''
        ran("add")
        return f"{a + b} for {self.request.mcp_guard.principal.client}"

    def drop(self) -> str:
        '''Drop everything.'''
        ran("drop")
        return "gone"
""",
    },
)

FASTMCP = Server(
    "FastMCP",
    ("fastmcp>=4.1,<5",),
    {
        "mysite/tools.py": """
from fastmcp import FastMCP
from mysite.record import ran

tools = FastMCP("tools")

@tools.tool
def add(a: int, b: int) -> str:
    '''Add two numbers.'''
    ran("add")
    return f"{a + b} for of-14-0"

@tools.tool
def drop() -> str:
    '''Drop everything.'''
    ran("drop")
    return "gone"
""",
    },
)

REST_FRAMEWORK = Server(
    "Django REST framework",
    (_REST_FRAMEWORK,),
    {
        "mysite/settings.py": 'INSTALLED_APPS = [*INSTALLED_APPS, "rest_framework"]\n',
        "mysite/orders.py": """
from django.urls import path
from mysite.record import ran
from rest_framework.response import Response
from rest_framework.views import APIView

class Orders(APIView):
    def answer(self, request):
        ran(request.method)
        client = request.auth.client if request.auth else ""
        return Response({"data": request.data, "client": client, "user": request.user.get_username()})

    get = post = delete = answer

urlpatterns = [path("open/", Orders.as_view())]
""",
    },
    (_REST_FRAMEWORK, _OAUTH_TOOLKIT),
)

OAUTH_TOOLKIT = Server(
    "django-oauth-toolkit",
    (_REST_FRAMEWORK, _OAUTH_TOOLKIT),
    {
        "mysite/settings.py": 'INSTALLED_APPS = [*INSTALLED_APPS, "rest_framework", "oauth2_provider"]\n',
        "mysite/reports.py": """
from django.urls import path
from mysite.record import ran
from oauth2_provider.contrib.rest_framework import OAuth2Authentication, TokenHasScope
from rest_framework.response import Response
from rest_framework.views import APIView

class Reports(APIView):
    authentication_classes = [OAuth2Authentication]
    permission_classes = [TokenHasScope]
    required_scopes = ["read"]

    def answer(self, request):
        ran(request.method)
        return Response({"data": request.data, "user": request.user.get_username()})

    get = post = answer

urlpatterns = [path("daily/", Reports.as_view())]
""",
    },
)

SERVERS = (DJANGO_MCP_SERVER, FASTMCP, REST_FRAMEWORK, OAUTH_TOOLKIT)
