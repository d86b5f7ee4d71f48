"""Other people's clients against the guarded probe: what works, and what they show where it does not."""
