"""The policy in this process: loaded from rows, kept fresh, and the sockets that live under it."""
