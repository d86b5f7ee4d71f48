"""Ask with one credential again and again, and note every answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults.client import WAIT_SECONDS, Answer, HttpClient


class Prober:
    """Asks one worker with one set of headers, once in every ``pause`` seconds."""

    def __init__(
        self,
        port: int,
        headers: dict[str, str],
        pause: float,
        path: str = "/call",
        wait: float = WAIT_SECONDS,
    ) -> None:
        self.port = port
        self.answers: list[Answer] = []
        self._headers = headers
        self._pause = pause
        self._path = path
        self._wait = wait
        self._client = HttpClient(port)
        self._task = asyncio.create_task(self._run())

    def first(self, holds: Callable[[Answer], bool]) -> Answer | None:
        """Return the first answer of which something holds."""
        return next(filter(holds, self.answers), None)

    @property
    def statuses(self) -> set[int]:
        """The statuses that were answered."""
        return {answer.status for answer in self.answers}

    def admitted_after(self, moment: float) -> list[Answer]:
        """Return the admitted requests that were sent after a moment."""
        return [answer for answer in self.answers if answer.is_admitted and answer.sent > moment]

    async def until(self, holds: Callable[[Answer], bool], wait: float) -> Answer | None:
        """Wait for the first answer of which something holds; None when none comes in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while self.first(holds) is None:  # noqa: ASYNC110 (each answer is a new chance)
                    await asyncio.sleep(self._pause / 2)
        return self.first(holds)

    async def more(self, count: int, wait: float = WAIT_SECONDS) -> None:
        """Wait for some more answers."""
        target = len(self.answers) + count
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while len(self.answers) < target:  # noqa: ASYNC110 (it counts what another task does)
                    await asyncio.sleep(self._pause / 2)

    def stop(self) -> None:
        self._task.cancel()
        self._client.close()

    async def _run(self) -> None:
        while True:
            self.answers.append(await self._client.get(self._path, self._headers, self._wait))
            await asyncio.sleep(self._pause)


@contextmanager
def probing(
    ports: list[int],
    headers: dict[str, str],
    pause: float = 0.02,
    path: str = "/call",
    wait: float = WAIT_SECONDS,
) -> Iterator[list[Prober]]:
    """Probe some workers with the same credential while the block runs."""
    probers = [Prober(port, headers, pause, path, wait) for port in ports]
    try:
        yield probers
    finally:
        for prober in probers:
            prober.stop()
