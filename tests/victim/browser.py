"""Chromium with the profile of a victim: cookies of third parties, an extension, a rebound name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from tests.victim.attacks import REBOUND, Attack
from tests.victim.pages import Rebound

if TYPE_CHECKING:
    from playwright.sync_api import Page

EXTENSION: Final = Path(__file__).parent / "extension"
SCRIPT: Final = (Path(__file__).parent / "attack.js").read_text("utf-8")
_PLAY: Final = (
    f"([kind, how, url, options, source]) => {{ {SCRIPT}; "
    "return kind ? framed(kind, source, how, url) : attack(how, url, options); }"
)

_PREFERENCES: Final = {"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}}
"""What Chromium's own default is outside of tests: cookies of third parties are sent."""


class Browser:
    """The victim's browser. ``pages`` is the port of the pages."""

    def __init__(self, page: Page, pages: int, rebound: Rebound, folder: Path) -> None:
        self._page = page
        self._pages = pages
        self._rebound = rebound
        self._file = folder / "page.html"
        self._file.write_text("<!doctype html><title>a page</title><body>")

    def visit(self, url: str) -> None:
        """Open a page."""
        self._page.goto(url)

    def attack(self, attack: Attack, site: int, mount: str) -> str | None:
        """Let a page attack a mount of the site at a port; return what it read."""
        self._rebound.point_to(self._pages)
        self.visit(self._place(attack.page, site))
        self._rebound.point_to(site)
        host = f"rebound.example:{site}" if attack.page == REBOUND else f"portal.localhost:{site}"
        url = f"http://{host}/{mount}"
        for name in reversed(attack.through):
            url = f"http://{name}.localhost:{self._pages}/redirect?to={quote(url, safe='')}"
        return self.play(attack.how, url, frame=attack.frame)

    def play(self, how: str, url: str, *, frame: str = "", **options: Any) -> str | None:
        """Let the page that is open do something; return what it read."""
        read = self._page.evaluate(_PLAY, [frame, how, url, options, SCRIPT])
        assert read != "nothing happened"
        return read

    def _place(self, page: str, site: int) -> str:
        return page.format(
            pages=self._pages, site=site, file=self._file.as_uri(), extension=_extension_page()
        )


@contextmanager
def victims_browser(chromium: str, folder: Path, pages: int) -> Iterator[Browser]:
    """Start Chromium with a profile in a folder of its own."""
    from playwright.sync_api import sync_playwright

    profile = folder / "profile"
    (profile / "Default").mkdir(parents=True)
    (profile / "Default" / "Preferences").write_text(json.dumps(_PREFERENCES))
    rebound = Rebound()
    arguments = [
        "--no-sandbox",
        f"--load-extension={EXTENSION}",
        f"--disable-extensions-except={EXTENSION}",
        f"--host-resolver-rules=MAP rebound.example 127.0.0.1:{rebound.port}",
    ]
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, headless=True, args=arguments
        )
        yield Browser(context.new_page(), pages, rebound, folder)
        context.close()
    rebound.close()


def _extension_page() -> str:
    """Chromium names an unpacked extension by the digest of its folder, in the letters a to p."""
    digest = hashlib.sha256(str(EXTENSION).encode()).hexdigest()[:32]
    name = "".join(chr(ord("a") + int(digit, 16)) for digit in digest)
    return f"chrome-extension://{name}/page.html"
