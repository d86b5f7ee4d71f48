"""Chromium as the victim: what takes from the control takes nothing from the gate; listed pages get in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.victim.attacks import ATTACKS, Attack
from tests.victim.browser import Browser, victims_browser
from tests.victim.pages import serve_pages
from tests.victim.play import CONTROL, play
from tests.victim.site.tools import SECRET
from tests.victim.site_process import SERVERS, Happened, Site, serve_site

pytestmark = pytest.mark.browser

OF_VICTIM = ("partner", "victim")
OF_TOKEN = ("partner", "")


@pytest.fixture(scope="module")
def pages() -> Iterator[int]:
    with serve_pages() as port:
        yield port


@pytest.fixture(scope="module")
def browser(chromium: str, pages: int, tmp_path_factory: Any) -> Iterator[Browser]:
    with victims_browser(chromium, tmp_path_factory.mktemp("victim"), pages) as browser:
        yield browser


@pytest.fixture(scope="module", params=SERVERS)
def site(request: Any, browser: Browser, pages: int, tmp_path_factory: Any) -> Iterator[Site]:
    """Serve the site; the victim is logged in."""
    folder: Path = tmp_path_factory.mktemp("site")
    with serve_site(request.param, folder, pages) as site:
        browser.visit(site.url("login"))
        yield site


@pytest.fixture
def listed(browser: Browser, site: Site, pages: int) -> Any:
    """Return what lets a listed page do something at the guarded mount: what it read, and what happened."""

    def act(page: str, how: str, **options: Any) -> tuple[bool, Happened]:
        before = site.happened()
        browser.visit(f"http://{page}.localhost:{pages}/")
        read = browser.play(how, site.url("partner"), **options)
        return SECRET in (read or ""), site.happened(before)

    return act


def methods(happened: Happened) -> list[str]:
    return [exchange["method"] for exchange in happened.arrived]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_takes_from_the_control_and_not_from_the_gate(browser: Browser, site: Site, attack: Attack):
    control = play(browser, site, attack, CONTROL)
    guarded = play(browser, site, attack, attack.guard)

    assert control.happened.runs == [(CONTROL, attack.user)]
    assert control.read is attack.reads
    assert (guarded.happened.runs, guarded.read) == ([], False)
    assert {*guarded.happened.refused} == {attack.reason}  # after a 421 Chromium asks once more
    for arrived in (control.happened.arrived, guarded.happened.arrived):
        assert {exchange["cookie"] for exchange in arrived if exchange["method"] != "OPTIONS"} <= {
            bool(attack.user)
        }


@pytest.mark.parametrize("how", ["json", "get", "events", "socket"])
def test_a_page_whose_row_allows_cookies_acts_for_the_victim(listed: Any, how: str):
    read, happened = listed("app", how)

    assert (read, happened.runs, happened.refused) == (True, [OF_VICTIM], [])


@pytest.mark.parametrize("how", ["json", "get", "blind", "form", "socket"])
def test_a_page_whose_row_does_not_gets_nothing_by_the_cookie(listed: Any, how: str):
    read, happened = listed("plain", how)

    assert (read, happened.runs) == (False, [])
    assert happened.refused == ([] if how == "json" else ["credential_missing"])
    assert methods(happened) == {"json": ["OPTIONS"], "get": ["GET"], "socket": ["WEBSOCKET"]}.get(
        how, ["POST"]
    )


@pytest.mark.parametrize("page", ["app", "plain"])
def test_a_listed_page_acts_by_its_token(listed: Any, site: Site, page: str):
    headers = {"Authorization": f"Bearer {site.token}"}
    read, happened = listed(page, "json", headers=headers, init={"credentials": "omit"})

    assert (read, happened.runs, happened.refused) == (True, [OF_TOKEN], [])


def test_a_listed_page_presents_its_token_in_the_first_message(listed: Any, site: Site):
    read, happened = listed("plain", "socket", message={"auth": {"bearer": site.token}})

    assert (read, happened.runs, happened.refused) == (True, [OF_TOKEN], [])


def test_beside_a_token_the_cookie_does_not_count(listed: Any, site: Site):
    read, happened = listed("app", "json", headers={"Authorization": f"Bearer {site.token}"})

    assert (read, happened.runs) == (True, [OF_TOKEN])


def test_a_cached_preflight_does_not_outlive_its_origin(listed: Any, site: Site, pages: int):
    first = listed("former", "json")
    second = listed("former", "json")
    site.manage("origin", "remove", f"http://former.localhost:{pages}")
    third = listed("former", "json")

    assert (first[0], methods(first[1])) == (True, ["OPTIONS", "POST"])
    assert (second[0], methods(second[1])) == (True, ["POST"])
    assert (third[0], methods(third[1])) == (False, ["POST"])
    assert (third[1].runs, third[1].refused) == ([], ["origin_not_listed"])
