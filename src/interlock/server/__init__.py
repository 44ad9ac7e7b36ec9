"""Serving WSGI and ASGI applications: bridges, workers, logs."""
