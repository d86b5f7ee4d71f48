"""Decide, from values alone, who is let in: no Django, no I/O, no clock, no randomness."""
