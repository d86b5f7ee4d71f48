"""The doors of an ASGI server: the front door, and a guard around any application."""

from mcp_guard.asgi.front_door import front_door
from mcp_guard.asgi.guard import guard

__all__ = ["front_door", "guard"]
