"""The MCP conformance suite, run against the same server with and without the gate before it."""
