"""A login cookie under a name that some reader trims is nobody's login, and reaches no protected code."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rows.exchanges import bearer, origin, post
from tests.rows.world import ANY, APP, EVES_SESSION
from tests.transports.doors import DOORS, Door
from tests.transports.site import probe

pytestmark = pytest.mark.django_db

ODD_NAMES = [
    "\xa0sessionid",
    "\x85sessionid",
    "sessionid\xa0",
    "\xe2\x80\x80sessionid",  # U+2000 in UTF-8, which WSGI decodes and str.strip() drops
    "\xc2\xa0sessionid",
    '"sessionid"',
]
NAMES = ["sessionid", " \tsessionid", "theme=dark; csrftoken=x; sessionid", *ODD_NAMES]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_no_name_logs_anybody_in_beside_a_token(door: Door, name: str, noted: Any):
    request = post(origin(APP), bearer(ANY), ("Cookie", f"{name}={EVES_SESSION.key}; lang=en"))

    answered = door.play(request, door.path("partner", request))

    assert answered.status == 200
    (run,) = probe.RUNS
    assert (run.client, run.user) == ("acme", "")
    assert not {"sessionid", "csrftoken"} & {name.strip() for name in run.cookies}
    assert run.cookies["lang"] == "en"
    assert "'session': None" in run.everything or door.mount == "guard"


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_no_odd_name_is_a_login(door: Door, name: str, noted: Any):
    request = post(origin(APP), ("Cookie", f"{name}={EVES_SESSION.key}"))

    answered = door.play(request, door.path("partner", request))

    assert (answered.status, noted()) == (401, ["credential_missing"])
    assert probe.RUNS == []
