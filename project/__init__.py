"""The demo site: a real MCP server over notes, guarded at every door."""
