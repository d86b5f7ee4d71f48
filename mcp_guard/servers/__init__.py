"""Registered MCP servers: programs that speak MCP over their pipes, run in boxes while somebody uses them.

Nothing in here knows of the SDK or of HTTP; what speaks the protocol on the pipes is handed in.
"""
