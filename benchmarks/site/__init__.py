"""One Django project, of which every stack is a variant."""
