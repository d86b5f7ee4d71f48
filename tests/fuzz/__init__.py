"""The reader of messages, grants and lists under arbitrary input, from Hypothesis and from atheris."""
