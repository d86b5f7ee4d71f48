"""A site with one mount of each kind for each endpoint of the table."""
