"""JSON security templates of MCP servers: read, mapped to settings and rows, and applied.

All of it but ``present`` and ``apply`` is pure: values in, values out, no Django, no clock.
"""
