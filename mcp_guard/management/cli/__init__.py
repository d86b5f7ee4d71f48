"""The command line ``manage.py mcp_guard``: one module per noun, each declares its verbs.

A verb is a function from a ``Call`` to an ``Answer``; printing, exit status and JSON are in one place.
"""
