"""Remember what was asked for lately: at most two generations of so many entries."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Generations(Generic[Key, Value]):
    """Values by key. A flood of new keys only pushes old ones out; what is asked for again stays.

    ``young`` is the younger generation: who looks there first is spared a call for what is asked for often.

    It may be read and written by several threads: each step is one operation on a dict, and an entry that is
    lost in between is only made anew.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.forget()

    def forget(self) -> None:
        """Forget everything."""
        self.young: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, None when there is none."""
        found = self.young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: Key, value: Value) -> None:
        """Keep a value."""
        if len(self.young) >= self._size:
            self.young, self._old = {}, self.young
        self.young[key] = value
