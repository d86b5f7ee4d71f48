"""System checks: every way to install the guard wrongly has an id and says what to do instead.

Errors stop ``runserver`` and ``migrate`` where the guard would not guard; warnings tell of what a
production site should not have, most of them under ``check --deploy`` alone. Ids are never used again.
"""

from __future__ import annotations

from typing import Final

from django.core import checks

from mcp_guard.checks.carriers import check_binding, check_carriers, check_local
from mcp_guard.checks.deployment import check_deployment, check_rows
from mcp_guard.checks.installation import check_daphne, check_middleware, check_mounts
from mcp_guard.checks.servers import check_registered, check_servers
from mcp_guard.checks.settings import check_settings
from mcp_guard.checks.shipping import check_destinations, check_extra, check_lag

IDS: Final = {
    "mcp_guard.E001": "a value of MCP_GUARD cannot be used",
    "mcp_guard.E002": "MCP_GUARD has a key that does not exist",
    "mcp_guard.E003": "an endpoint has a profile that does not exist",
    "mcp_guard.E004": "settings contradict each other",
    "mcp_guard.E005": "an endpoint names no host",
    "mcp_guard.E006": "a view is guarded, but the middleware is not installed",
    "mcp_guard.E007": "the middleware is not the first one",
    "mcp_guard.E008": "django-cors-headers answers guarded paths",
    "mcp_guard.E009": "Daphne is older than 4.2.2",
    "mcp_guard.E010": "an application of the project cannot be imported",
    "mcp_guard.E020": "a destination takes HTTPS, and the extra siem is not installed",
    "mcp_guard.E030": "a server is to listen beyond this machine, with a local endpoint",
    "mcp_guard.W001": "an endpoint is declared and never mounted",
    "mcp_guard.W002": "there is no front door",
    "mcp_guard.W003": "forward_authorization hands authentication to the inner application",
    "mcp_guard.W004": "DEBUG is on in production",
    "mcp_guard.W005": "ALLOWED_HOSTS accepts every host in production",
    "mcp_guard.W006": "an endpoint takes tokens without TLS in production",
    "mcp_guard.W007": "a localhost origin is listed in production",
    "mcp_guard.W008": "an endpoint is in report-only",
    "mcp_guard.W009": "a guarded route depends on the active language",
    "mcp_guard.W010": "the rows of policy cannot be read",
    "mcp_guard.W020": "audit events are shipped in plain text",
    "mcp_guard.W021": "a file or the token of a destination cannot be read",
    "mcp_guard.W022": "a destination is late",
    "mcp_guard.W030": "an endpoint is for one machine, in production",
    "mcp_guard.W031": "the nonce may stand in URLs",
    "mcp_guard.W032": "tokens are taken among the subprotocols",
    "mcp_guard.W040": "registered servers may run unconfined",
    "mcp_guard.W041": "one person alone decides what registered servers run",
    "mcp_guard.W042": "a registered server cannot be started",
    "mcp_guard.W043": "every registered server may read the project",
}
"""Every check and what it means; the documentation is checked against it."""


def register() -> None:
    """Register the checks; called once, when the app is ready."""
    tag = checks.Tags.security
    for check in (
        check_settings,
        check_middleware,
        check_mounts,
        check_daphne,
        check_extra,
        check_binding,
        check_carriers,
    ):
        checks.register(check, tag)
    for check in (check_deployment, check_destinations, check_local, check_servers):
        checks.register(check, tag, deploy=True)
    checks.register(check_rows, checks.Tags.database, deploy=True)
    for check in (check_lag, check_registered):
        checks.register(check, checks.Tags.database, deploy=True)
