"""The tests: a table of cases first, then each door of the gate."""
