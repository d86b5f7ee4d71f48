"""The security corpus: cases as data, a runner over raw sockets, and the site they are played against."""
