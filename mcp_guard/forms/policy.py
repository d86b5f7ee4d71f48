"""The base of every form over a policy row: it collects values, ``mcp_guard.changes`` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Any]
else:
    _ModelForm = forms.ModelForm


class PolicyForm(_ModelForm):
    """A form that can show again what ``mcp_guard.changes`` refused.

    ``refusal`` is that error: its texts stand beside the fields they are about.
    """

    refusal: ClassVar[ValidationError | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name_moments(self)

    def clean(self) -> dict[str, Any] | None:
        """Return the cleaned values, with what ``changes`` refused beside them."""
        cleaned = super().clean()
        if self.refusal is not None:
            add_refusal(self, self.refusal)
        return cleaned

    def values(self) -> dict[str, Any]:
        """Return every cleaned value by field, many-to-many ones as lists."""
        return {name: _plain(value) for name, value in self.cleaned_data.items()}

    def changed_values(self) -> dict[str, Any]:
        """Return the values that differ from the row; empty when nothing does.

        Only these are written, so that two operators who change different fields do not undo each other.
        """
        return {name: value for name, value in self.values().items() if name in self.changed_data}


def name_moments(form: forms.BaseForm) -> None:
    """Name both inputs of each moment for who cannot see them: a label belongs to one input only."""
    for field in form.fields.values():
        if isinstance(field.widget, forms.SplitDateTimeWidget):
            for part, name in zip(field.widget.widgets, (_("date"), _("time")), strict=True):
                part.attrs["aria-label"] = f"{field.label}: {name}"


def add_refusal(form: forms.BaseForm, error: ValidationError) -> None:
    """Put each text of an error beside its field, or above the form when the form has no such field."""
    if not hasattr(error, "error_dict"):
        form.add_error(None, error)
        return
    for name, errors in error.error_dict.items():
        if name in form.fields:
            form.add_error(name, errors)
        else:
            texts = [text for one in errors for text in one.messages]
            form.add_error(None, texts if name == NON_FIELD_ERRORS else [f"{name}: {t}" for t in texts])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, QuerySet) else value
