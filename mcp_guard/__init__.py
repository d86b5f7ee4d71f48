"""One gate for every door of a web-facing MCP API."""

__version__ = "0.1.0"
