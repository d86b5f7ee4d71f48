"""Registered commands in confined processes.

It stands alone: it knows neither Django nor any other part of ``mcp_guard``, and everything it does is
told by two values, a ``Command`` and a ``Confinement``.
"""
