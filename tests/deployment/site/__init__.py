"""The site behind servers and proxies: it notes every exchange that reaches it, and what ran of it."""
