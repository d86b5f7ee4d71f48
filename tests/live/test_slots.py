"""Slots: as many as the limit says, each given back once, and nothing kept for those who have none."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from mcp_guard.live.calls import Call
from mcp_guard.live.slots import Slots, party, streams
from mcp_guard.passage import Passage
from mcp_guard.policy.decision import Admitted, Principal
from mcp_guard.policy.endpoint import Endpoint, HostRules, Profile
from mcp_guard.policy.facts import Exchange, RequestHead

ENDPOINT = Endpoint("notes", Profile.TOKEN, HostRules())


def head(peer: str) -> RequestHead:
    return RequestHead(Exchange.REQUEST, "POST", "/", b"", "http", peer, "", {}, None)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans())), st.integers(1, 4))
def test_never_more_than_the_limit_and_never_a_count_of_nothing(steps, limit):
    slots, taken = Slots(), {"a": 0, "b": 0}
    for key, takes in steps:
        if takes:
            assert slots.take(key, limit) is (taken[key] < limit)
            taken[key] = min(limit, taken[key] + 1)
        elif taken[key]:
            slots.release(key)
            taken[key] -= 1
    assert slots.all() == {key: count for key, count in taken.items() if count}


def test_what_is_nobodys_is_not_counted():
    slots = Slots()

    assert all(slots.take(None, 1) for _ in range(3))
    slots.release(None)
    assert slots.all() == {}


def test_a_call_that_goes_through_two_doors_takes_one_slot():
    call, passage = Call(), Passage("notes", head("192.0.2.1")._replace(method="GET"), Admitted(Principal()))

    assert [call.begin(ENDPOINT, passage, None), call.begin(ENDPOINT, passage, None)] == [None, None]
    assert streams.all() == {("notes", "192.0.2.1"): 1}
    call.leave()
    call.leave()
    assert streams.all() == {}


def test_threads_take_no_more_than_there_are():
    slots, taken = Slots(), []
    threads = [
        threading.Thread(target=lambda: taken.extend(slots.take("a", 500) for _ in range(300)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (taken.count(True), slots.all()) == (500, {"a": 500})


def test_a_principal_has_its_own_slots_and_nobody_those_of_its_address():
    assert party(ENDPOINT, head("1.2.3.4"), Principal(1, "acme", 2, 7)) == ("notes", 1, 2)
    assert party(ENDPOINT, head("1.2.3.4"), Principal(1, "acme", 2, 8)) == ("notes", 1, 2)
    assert party(ENDPOINT, head("1.2.3.4"), Principal()) == ("notes", "1.2.3.4")
    assert party(ENDPOINT, head("2001:db8::1"), Principal()) == ("notes", "2001:db8::")
    assert party(ENDPOINT, head(""), Principal()) is None


def test_one_slot_of_each_party_or_none_at_all():
    slots = Slots()
    parties = [((), 3), ("net", 2), (None, 0), ("who", 1)]

    assert slots.take_each(parties) is None
    assert slots.all() == {(): 1, "net": 1, "who": 1}
    assert slots.take_each(parties) == 3
    assert slots.all() == {(): 1, "net": 1, "who": 1}
    slots.release_each(parties)
    assert slots.all() == {}
