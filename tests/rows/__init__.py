"""The rows of the decision table by topic, and the words they are written in."""
