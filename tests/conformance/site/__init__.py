"""The suite's server behind the gate: as a mounted ASGI application and as a Django view."""
