"""What runs in the child process before the registered program does.

They are handed over as one archive (see ``bundle``) and run by whatever Python from 3.9 on the box has,
so they use the standard library alone and nothing newer than that. Each start pays for what they import: they
leave ``typing``, ``json``, ``signal`` and ``contextlib`` out, which would take longer than all the rest.
"""
