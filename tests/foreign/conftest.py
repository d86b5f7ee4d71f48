"""The wheel, built once for all tests here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.environments import build_wheel


@pytest.fixture(scope="package")
def wheel(tmp_path_factory: Any) -> Path:
    """Return the path of the wheel."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))
