"""Play an attack on the control and on the gate, and say what came of it."""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.victim.attacks import ATTACKS, Attack
from tests.victim.browser import Browser
from tests.victim.site.tools import SECRET
from tests.victim.site_process import Happened, Site

CONTROL: Final = "control"


class Outcome(NamedTuple):
    """What came of an attack on one mount: whether the page read the secret, and what happened there."""

    read: bool
    happened: Happened

    def __str__(self) -> str:
        """Return it as the table says it."""
        runs, refused = self.happened.runs, self.happened.refused
        if runs:
            users = sorted({user or "nobody" for _, user in runs})
            return f"ran for {', '.join(users)}" + (", page read it" if self.read else "")
        return f"refused: {', '.join(sorted(set(refused)))}" if refused else "nothing happened"


def play(browser: Browser, site: Site, attack: Attack, mount: str) -> Outcome:
    """Let a page attack a mount, with the victim logged in."""
    before = site.happened()
    read = browser.attack(attack, site.port, mount)
    return Outcome(SECRET in (read or ""), site.happened(before))


def table(browser: Browser, site: Site) -> list[tuple[str, str, str]]:
    """Play everything; return the name of each attack, what the control lost by it and what the gate did."""
    browser.visit(site.url("login"))
    return [
        (
            attack.name,
            str(play(browser, site, attack, CONTROL)),
            str(play(browser, site, attack, attack.guard)),
        )
        for attack in ATTACKS
    ]
