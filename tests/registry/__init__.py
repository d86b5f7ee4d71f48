"""Registered servers: what a row may be, who approves it, and what it lets run."""
