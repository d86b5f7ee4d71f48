"""The doors of a Django project: the middleware, and the views and includes that it guards."""
