"""A real browser as the victim: foreign pages act with its cookie on a site with and without the gate."""
