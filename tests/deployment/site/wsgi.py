"""The site as a WSGI application."""

from django.core.wsgi import get_wsgi_application

from tests.deployment.site.record import recording_wsgi

application = recording_wsgi(get_wsgi_application())
