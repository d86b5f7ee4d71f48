"""The settings that a template asks for, how they differ from the present ones, and how to write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mcp_guard.template.report import shown

Tree = dict[str, Any]


class Setting(NamedTuple):
    """One value in ``MCP_GUARD``: the keys that lead to it, and the fields of the template that ask for it.

    With ``adds`` the value is one more item of a list.
    """

    keys: tuple[str, ...]
    value: object
    fields: tuple[str, ...]
    adds: bool = False

    @property
    def where(self) -> str:
        """The place in the settings, as system checks name it."""
        return "MCP_GUARD" + "".join(f"[{key!r}]" for key in self.keys)

    def holds(self, present: Mapping[str, Any]) -> bool:
        """Return whether the settings say this already."""
        found = self.now(present)
        if self.adds:
            return isinstance(found, list | tuple) and self.value in found
        if isinstance(found, str) and self.keys[-1] == "token_header":
            return found.lower() == str(self.value).lower()
        return type(found) is type(self.value) and found == self.value

    def now(self, present: Mapping[str, Any]) -> object:
        """Return what the settings say now, None where they say nothing."""
        found: object = present
        for key in self.keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def difference(self, present: Mapping[str, Any]) -> str:
        """Return what is to be changed, in words."""
        if self.adds:
            return f"lacks {self.value!r}"
        found = self.now(present)
        return f"is {'absent' if found is None else shown(found)}; the template says {self.value!r}"


def merged(present: Mapping[str, Any], missing: Sequence[Setting]) -> Tree:
    """Return the settings as they will be, leaving the present ones as they are."""
    result: Tree = dict(present)
    for setting in missing:
        inner = result
        for key in setting.keys[:-1]:
            inner[key] = dict(inner.get(key) or {})
            inner = inner[key]
        last = setting.keys[-1]
        if not setting.adds:
            inner[last] = setting.value
        elif not setting.holds(result):
            inner[last] = [*(inner.get(last) or ()), setting.value]
    return result


def block(present: Mapping[str, Any], missing: Sequence[Setting]) -> list[str]:
    """Return lines of Python for the end of settings.py that make the settings say what is missing.

    What they say now is referred to, not repeated: it may hold secrets.
    """
    tree: Tree = {}
    for setting in missing:
        inner = tree
        for key in setting.keys[:-1]:
            inner = inner.setdefault(key, {})
        if not setting.adds:
            inner[setting.keys[-1]] = setting.value
        elif setting.value not in (added := inner.setdefault(setting.keys[-1], _Added())):
            added.append(setting.value)
    lines = _lines(tree, present, "MCP_GUARD")
    return [f"MCP_GUARD = {lines[0]}", *lines[1:]]


class _Added(list[object]):
    """Items that a list gets besides those that it has."""


def _lines(tree: Tree, present: object, name: str) -> list[str]:
    """Return a dict as lines; ``name`` is the expression for what it is now."""
    lines = ["{"]
    if isinstance(present, Mapping) and present:
        lines.append(f"    **{name},")
    for key, value in tree.items():
        now = present.get(key) if isinstance(present, Mapping) else None
        shown_value = _value(value, now, f"{name}[{key!r}]")
        lines += [f"    {key!r}: {shown_value[0]}", *(f"    {line}" for line in shown_value[1:])]
        lines[-1] += ","
    return [*lines, "}"]


def _value(value: object, now: object, name: str) -> list[str]:
    if isinstance(value, _Added):
        before = [f"    *{name},"] if now else []
        return ["[", *before, *(f"    {each!r}," for each in value), "]"]
    return _lines(value, now, name) if isinstance(value, dict) else [repr(value)]
