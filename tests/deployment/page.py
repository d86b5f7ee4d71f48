"""docs/deployment.md, and the Python that stands in its sections."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "deployment.md"
TEXT: Final = PAGE.read_text("utf-8")


def names_of(section: str) -> dict[str, Any]:
    """Run the one block of Python in a section and return what it defines."""
    [part] = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    [block] = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    found: dict[str, Any] = {}
    exec(compile(block, PAGE.name, "exec"), found)
    return found
