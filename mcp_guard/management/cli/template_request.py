"""What an operator asks to import: the options, the template, and the settings that it asks for."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.conf import settings

from mcp_guard import conf
from mcp_guard.conf.servers import PREFIX, SERVER_NAME
from mcp_guard.management.cli.call import BadInput
from mcp_guard.policy.credential import TokenKind
from mcp_guard.template import document, file
from mcp_guard.template.asked import OF_SERVERS, asked, note
from mcp_guard.template.plan import kind_of
from mcp_guard.template.report import Problem, Report
from mcp_guard.template.rows import Target
from mcp_guard.template.setting import Setting, merged

_CLIENT = re.compile(r"[A-Za-z0-9_-]{1,80}")
_REFUSED: Final = "the template cannot be taken; nothing was changed"


class Request(NamedTuple):
    """A template that can be read, the present settings, and those of its own that are not in force."""

    document: Any
    template: document.Template
    report: Report
    present: dict[str, Any]
    missing: list[Setting]
    target: Target


def read_request(options: Namespace, now: datetime) -> Request:
    """Return what is asked for at a moment.

    Raises:
        BadInput: with all that is wrong with the options, else with all that is wrong with the file and with
            the settings that it asks for, beside the JSON path of each.
    """
    present_config = conf.config()
    _refuse_names(options)
    try:
        found = file.read(options.file)
    except file.TemplateFileError as error:
        raise BadInput.in_field("file", str(error)) from None
    report = Report()
    template = document.read(found, now, report)
    present = dict(getattr(settings, "MCP_GUARD", {}))
    wanted = asked(template, (OF_SERVERS,) if options.server else ("ENDPOINTS", options.endpoint), present)
    missing = [setting for setting in wanted if not setting.holds(present)]
    config = conf.read(merged(present, missing)) if missing else present_config
    note(wanted, report)
    _note_contradictions(config, wanted, report)
    refuse(report.problems)
    return Request(found, template, report, present, missing, _target(options, template, config))


def refuse(problems: Sequence[Problem], message: str = _REFUSED) -> None:
    """Refuse a template with problems, all of them at once; without any it does nothing."""
    fields: dict[str, list[str]] = {}
    for path, text in problems:
        fields.setdefault(path or "template", []).append(text)
    if fields:
        raise BadInput(message, fields)


def _refuse_names(options: Namespace) -> None:
    fields = {}
    if not conf.NAME.fullmatch(options.endpoint):
        fields["endpoint"] = ["this is not a name: lower case, digits, . _ -"]
    if options.endpoint.startswith(PREFIX):
        fields["endpoint"] = ["this is the endpoint of a registered server: name that with --server"]
    if options.server and not SERVER_NAME.fullmatch(options.server):
        fields["server"] = ["this is not a name: at most 40 of a-z, 0-9, - and _, the first a letter"]
    if not _CLIENT.fullmatch(options.client):
        fields["client"] = ["this is not a name: letters, digits, - and _, at most 80"]
    if fields:
        raise BadInput("", fields)


def _note_contradictions(config: conf.Config, wanted: Sequence[Setting], report: Report) -> None:
    """Note what the settings could not hold, beside the field that asks for it."""
    for problem in config.problems:
        paths = [each.fields[0] for each in wanted if problem.where.startswith(each.where)]
        text = f"{problem.where} {problem.text}. {problem.hint}".strip()
        report.wrong(paths[0] if paths else problem.where, text)


def _target(options: Namespace, template: document.Template, config: conf.Config) -> Target:
    of_server = config.servers.made_for(f"{PREFIX}{options.server}") if options.server else None
    endpoint = of_server or config.endpoints[options.endpoint]
    return Target(
        endpoint=endpoint.name,
        client=options.client,
        profile=endpoint.profile,
        messages=endpoint.messages,
        longest=timedelta(days=config.token_max_days),
        kind=TokenKind(options.kind) if options.kind else kind_of(template),
        server=options.server,
        requires_tls=endpoint.require_tls,
        knows_proxies=bool(endpoint.trusted_proxies),
    )
