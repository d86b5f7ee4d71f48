"""Faults that are made to happen, and the promises that have to hold while they do.

``python -m tests.faults NAME`` runs one in full and prints its figures; ``test_faults.py`` runs the short
form of each. Everything runs on this machine, on servers that are started for it and ended after it.
"""
