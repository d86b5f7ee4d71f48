"""The input for grants: what the mounted servers offer is ticked, everything else is typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from django import forms
from django.utils.translation import gettext_lazy as _

from mcp_guard import offers
from mcp_guard.mounts import Offered

OFFERED: Final = "offered"
"""What stands behind the name of the field in the names of its checkboxes."""

KINDS: Final = {
    "tools": _("Tools"),
    "resources": _("Resources"),
    "templates": _("Resource templates"),
    "prompts": _("Prompts"),
    "methods": _("Methods"),
}


class Choice(NamedTuple):
    """One checkbox."""

    offered: Offered
    id: str
    is_ticked: bool


class Group(NamedTuple):
    """The checkboxes of one kind of things that the same endpoints offer."""

    endpoints: str
    kind: Any
    choices: list[Choice]


class GrantLines(forms.Textarea):
    """A text area below checkboxes, with a warning that is seen while there is nothing in either.

    A grant stands in one of the two, so that it cannot be taken away in one and stay in the other.
    """

    template_name = "admin/mcp_guard/widgets/grants.html"

    def __init__(self) -> None:
        super().__init__(
            attrs={
                "rows": 8,
                "cols": 60,
                "spellcheck": "false",
                "autocapitalize": "none",
                "class": "vLargeTextField mcp-guard-lines",
                "placeholder": "tools/call:read_note",
            }
        )

    def get_context(self, name: str, value: Any, attrs: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return what the template shows: checkboxes, and the lines that none of them stands for."""
        offered = offers.ask()
        lines = str(value or "").splitlines()
        ticked = {line.strip() for line in lines}
        typed = "\n".join(line for line in lines if line.strip() not in offered.grants)
        context = super().get_context(name, typed, dict(attrs or {}))
        prefix = context["widget"]["attrs"].get("id", name)
        context["widget"].update(
            groups=list(_groups(offered, ticked, prefix)),
            silent=offered.silent,
            offered_name=f"{name}-{OFFERED}",
        )
        return context

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Return all lines: those that were typed, then those that were ticked."""
        typed = super().value_from_datadict(data, files, name)
        key = f"{name}-{OFFERED}"
        ticked = data.getlist(key) if hasattr(data, "getlist") else data.get(key, [])
        return "\n".join([typed or "", *ticked]) if ticked else typed

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Return whether neither was sent; an unticked box is not."""
        return super().value_omitted_from_data(data, files, name) and f"{name}-{OFFERED}" not in data


def _groups(offered: offers.Offers, ticked: set[str], prefix: str) -> Iterator[Group]:
    """Yield the groups in order. A grant has one checkbox, which names all endpoints that offer it."""
    first: dict[str, Offered] = {}
    endpoints: dict[str, list[str]] = {}
    for endpoint, items in offered.by_endpoint.items():
        for item in items:
            first.setdefault(item.grant, item)
            endpoints.setdefault(item.grant, []).append(endpoint)
    groups: dict[tuple[str, str], list[Choice]] = {}
    for number, (grant, item) in enumerate(first.items()):
        choice = Choice(item, f"{prefix}_{OFFERED}_{number}", grant in ticked)
        groups.setdefault((item.kind, ", ".join(endpoints[grant])), []).append(choice)
    for kind, label in KINDS.items():
        for (found, names), choices in groups.items():
            if found == kind:
                yield Group(names, label, choices)
