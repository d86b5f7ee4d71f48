"""The form that switches an endpoint to report-only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from mcp_guard.conf import REPORT_ONLY_DAYS
from mcp_guard.forms.policy import name_moments

DEFAULT_DAYS = 7
"""Days of report-only that are proposed."""


def _proposed() -> datetime:
    return timezone.now().replace(microsecond=0) + timedelta(days=DEFAULT_DAYS)


class ReportOnlyForm(forms.Form):
    """Until when unlisted origins are let in and reported."""

    until = forms.SplitDateTimeField(
        label=_("Report only until"),
        widget=AdminSplitDateTime,
        initial=_proposed,
        help_text=format_lazy(
            _("At most {days} days from now; then the endpoint enforces again by itself."),
            days=REPORT_ONLY_DAYS,
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name_moments(self)
