"""The package as a stranger meets it: built, installed in an environment of its own, used by the README."""
