"""A field for a list of texts: one on each line."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError


class LinesField(forms.CharField):
    """A list of texts, one on each line; empty lines are none.

    ``checks`` are those of the row's field: what is wrong stands beside this one.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(strip=False, **kwargs)
        attrs = {
            "rows": 4,
            "cols": 60,
            "spellcheck": "false",
            "autocapitalize": "none",
            "autocomplete": "off",
            "class": "vLargeTextField mcp-guard-lines",
        }
        self.widget = forms.Textarea(attrs=attrs)

    def prepare_value(self, value: Any) -> str:
        """Return the lines to show; a row without a list is shown as it stands."""
        if isinstance(value, list):
            self.widget.attrs["rows"] = min(max(4, len(value) + 1), 20)
            return "\n".join(map(str, value))
        return value if isinstance(value, str) else json.dumps(value)

    def to_python(self, value: Any) -> Any:
        """Return the texts of a form's lines, each as it stands."""
        lines = str(value or "").replace("\r\n", "\n").split("\n")
        return [line for line in lines if line]

    def validate(self, value: Any) -> None:
        """Leave the checks to those of the row's field."""

    def run_validators(self, value: Any) -> None:
        """Run the checks on the list itself, an empty one too."""
        for check in self.validators:
            try:
                check(value)
            except ValidationError as error:
                raise ValidationError(error.messages) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether other lines were sent than the row is shown with."""
        return not isinstance(initial, list) or self.to_python(self.prepare_value(initial)) != self.to_python(
            data
        )
