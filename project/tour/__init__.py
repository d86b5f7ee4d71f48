"""The tour that the demo site takes of itself, with real clients against the real server."""
