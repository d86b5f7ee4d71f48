"""The nonce of this start of a local server: what a program presents that can read the file of its user.

It is published when the server starts, as far as the guard is told of that: by the front door, by the
lifespan protocol, at the latest with the first request. It is removed with the last process of the server;
only one that was killed leaves a file behind, whose nonce nobody takes any more.
"""

from __future__ import annotations

import atexit
import hashlib
import hmac
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any, Final

from mcp_guard.conf import parse
from mcp_guard.nonce_file import NonceFile
from mcp_guard.policy.endpoint import Profile

log = logging.getLogger("mcp_guard.gate")


def has_local_endpoint() -> bool:
    """Return whether the settings declare an endpoint with the profile local."""
    return any(endpoint.profile is Profile.LOCAL for endpoint in parse().endpoints.values())


class Nonce:
    """The nonce of one process, of which only the SHA-256 is compared."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._file: NonceFile | None = None
        self._text = ""
        self._digest: bytes | None = None
        self._is_settled = False

    def publish(self) -> str | None:
        """Return the nonce, written to its file; None when it cannot be, in which case none is taken.

        The second time it returns what the first one came to.
        """
        with self._lock:
            if not self._is_settled:
                self._is_settled = True
                self._publish()
        return self._text or None

    def publish_if_needed(self) -> None:
        """Publish the nonce if an endpoint is local."""
        if not self._is_settled and has_local_endpoint():
            self.publish()

    def remove(self) -> None:
        """Take no nonce any more, and remove the file if this was the last process of its server."""
        with self._lock:
            file, text = self._file, self._text
            self._file, self._text, self._digest, self._is_settled = None, "", None, True
            if file is None:
                return
            try:
                file.remove(text)
            except OSError as error:
                log.warning("the nonce file could not be removed: %s", error)

    def keep(self, text: str) -> None:
        """Take this nonce without a file, for tests; empty takes none."""
        self._text, self._is_settled = text, True
        self._digest = _digest(text.encode()) if text else None

    def digest(self) -> bytes | None:
        """Return the SHA-256 of the nonce, None without one."""
        return self._digest

    def matches(self, value: bytes) -> bool:
        """Return whether this is the nonce; how long that takes says nothing about it."""
        return self._digest is not None and hmac.compare_digest(_digest(value), self._digest)

    def _publish(self) -> None:
        file = NonceFile(Path(parse().nonce_file).expanduser())
        try:
            text = file.publish()
        except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
            log.error("no nonce is taken: %s", error)  # noqa: TRY400 (its message is for the operator)
            return
        self._file, self._text, self._digest = file, text, _digest(text.encode())
        _remove_at_the_end()

    def _let_go(self) -> None:
        """Leave the file to the parent, and go on taking the nonce."""
        self._lock = threading.RLock()
        if self._file is not None:
            self._file.let_go()
            self._file = None


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


nonce: Final = Nonce()
"""The nonce of this process."""

publish = nonce.publish
publish_if_needed = nonce.publish_if_needed
remove = nonce.remove
keep = nonce.keep
digest = nonce.digest
matches = nonce.matches


def _remove_at_the_end() -> None:
    """Remove the file when the process ends, also by the signal that would end it without a word.

    A handler that somebody else has set stays: a server ends in an orderly way by it.
    """
    atexit.register(nonce.remove)
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)


def _end(number: int, _frame: Any) -> None:
    nonce.remove()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


os.register_at_fork(after_in_child=nonce._let_go)  # noqa: SLF001 (the parent removes it)
