"""Servers that others wrote, unchanged, behind the gate: each in an environment of its own."""
