"""No routes: what Django serves here is nothing."""

from __future__ import annotations

from typing import Any

urlpatterns: list[Any] = []
