"""Form fields for what policy rows hold: endpoints, grants, scopes, and names that people read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mcp_guard import conf
from mcp_guard.endpoints import endpoints_of
from mcp_guard.forms.grants import GrantLines
from mcp_guard.models import Scope
from mcp_guard.policy.scopes import GrantError, canonical

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

    _ScopesBase = forms.ModelMultipleChoiceField[Scope]
else:
    _ScopesBase = forms.ModelMultipleChoiceField

SHOWN_GRANTS = 3
"""How many grants of a scope stand beside its name."""


class Checkboxes(forms.CheckboxSelectMultiple):
    """Checkboxes in a named group, with a warning that is seen while none is ticked."""

    template_name = "admin/mcp_guard/widgets/checkboxes.html"

    def __init__(self, *, group: StrOrPromise, nothing: StrOrPromise) -> None:
        super().__init__()
        self.group, self.nothing = group, nothing

    def get_context(self, name: str, value: Any, attrs: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return what the template shows: also the group's name and the warning."""
        context = super().get_context(name, value, dict(attrs or {}))
        context["widget"].update(group=self.group, nothing=self.nothing)
        return context


class Radios(forms.RadioSelect):
    """Radio buttons in a named group."""

    template_name = "admin/mcp_guard/widgets/radios.html"

    def __init__(self, *, group: StrOrPromise) -> None:
        super().__init__()
        self.group = group

    def get_context(self, name: str, value: Any, attrs: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return what the template shows: also the group's name."""
        context = super().get_context(name, value, dict(attrs or {}))
        context["widget"]["group"] = self.group
        return context


class EndpointsField(forms.MultipleChoiceField):
    """Endpoints by name: the declared ones, and what an existing row names besides.

    A name that the settings no longer declare stays visible, ticked and marked, until somebody unticks it.
    ``nothing`` is what is said while none is ticked.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("label", _("Endpoints"))
        nothing = kwargs.pop("nothing", _("No endpoint is ticked: this opens nothing."))
        kwargs["widget"] = Checkboxes(group=_("Endpoints"), nothing=nothing)
        super().__init__(choices=_declared, **kwargs)

    def keep(self, stored: object) -> None:
        """Offer the names of an existing row too."""
        declared = dict(_declared())
        extra = [
            (name, _("%(name)s (not declared in the settings)") % {"name": name})
            for name in names(stored)
            if name not in declared
        ]
        self.choices = [*declared.items(), *extra]

    def prepare_value(self, value: Any) -> list[str]:
        """Return the names to tick."""
        return names(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether other names are ticked than the row holds; a row without a list always differs."""
        return not isinstance(initial, list) or bool(super().has_changed(names(initial), data))


class GrantsField(forms.CharField):
    """Grants, one on each line; cleaned to a list without repetitions."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("label", _("Grants"))
        super().__init__(**kwargs)
        self.widget = GrantLines()

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether other grants are meant; in what order they stand means nothing."""
        try:
            grants = self.to_python(data)
        except ValidationError:
            return True
        return not isinstance(initial, list | None) or sorted(map(str, initial or [])) != sorted(grants)

    def prepare_value(self, value: Any) -> str:
        """Return the lines to show; a row without a list is shown as it stands."""
        if value is None:
            return ""
        if isinstance(value, list):
            return "\n".join(map(str, value))
        return value if isinstance(value, str) else json.dumps(value)

    def to_python(self, value: Any) -> Any:
        """Return the canonical grants in the order typed.

        Raises:
            ValidationError: naming each line that is no grant.
        """
        lines = str(value or "").splitlines()
        found, errors = [], []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                found.append(canonical(line))
            except GrantError as error:
                errors.append(_("line %(number)d: %(error)s") % {"number": number, "error": error})
        if errors:
            raise ValidationError(errors)
        return list(dict.fromkeys(found))


class ScopesField(_ScopesBase):
    """Scopes as checkboxes, each with the beginning of what it opens."""

    def __init__(self, *, nothing: StrOrPromise, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(Scope.objects.all(), widget=Checkboxes(group=_("Scopes"), nothing=nothing), **kwargs)

    def label_from_instance(self, obj: Scope) -> str:
        """Return the scope's name and its first grants."""
        if not isinstance(obj.grants, list) or not obj.grants:
            return _("%(name)s: opens nothing") % {"name": obj.name}
        if not all(map(is_grant, obj.grants)):
            return _("%(name)s: cannot be used, opens nothing") % {"name": obj.name}
        shown = ", ".join(obj.grants[:SHOWN_GRANTS])
        more = len(obj.grants) - SHOWN_GRANTS
        return f"{obj.name}: {shown}" + (_(" and %(count)d more") % {"count": more} if more > 0 else "")


def is_grant(stored: object) -> bool:
    """Return whether the gate can read a grant that stands in a row."""
    try:
        return isinstance(stored, str) and canonical(stored) == stored
    except GrantError:
        return False


def names(stored: object) -> list[str]:
    """Return the names that a row or a query string holds; what is no list of them gives the part that is."""
    if isinstance(stored, str):
        return [name for name in map(str.strip, stored.split(",")) if name]
    if not isinstance(stored, Iterable):
        return []
    return [name for name in stored if isinstance(name, str)]


def refuse_invisible(text: str) -> None:
    """Refuse characters that cannot be seen, such as those that turn the direction of text."""
    if not text.isprintable():
        raise ValidationError(_("there is an invisible character in it; type it instead of pasting it"))


def _declared() -> list[tuple[str, str]]:
    return [
        (name, f"{name} ({endpoint.profile.value})")
        for name, endpoint in sorted(endpoints_of(conf.parse()).items())
    ]
