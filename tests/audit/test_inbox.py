"""The inbox in memory: exact, bounded, and nothing is lost when it could not be written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcp_guard.audit import inbox as inboxes
from mcp_guard.audit.inbox import HOUR, HOURS, MAX_GROUPS, RECENT, Glimpse, Group, Inbox, Key

REST = Key("notes", "request", "origin_not_listed", "refused", is_rest=True)


def key(number: int, reason: str = "origin_not_listed") -> Key:
    return Key("notes", "request", reason, "refused", f"https://{number}.example", "testserver")


def glimpse(at: float = 0.0, correlation_id: str = "5f0c3a1b9d2e4f60") -> Glimpse:
    return Glimpse(at, correlation_id, "203.0.113.9", "Probe/1", "https://1.example", "testserver")


def counted(groups: dict[Key, Group]) -> int:
    return sum(group.count for group in groups.values())


def test_refusals_that_are_alike_are_one_group_with_the_latest_of_them():
    box = Inbox()
    for number in range(RECENT + 3):
        box.note(key(1), glimpse(100.0 + number, str(number)))

    [group] = box.take().values()

    assert (group.count, group.first, group.last) == (RECENT + 3, 100.0, 102.0 + RECENT)
    assert [one.correlation_id for one in group.latest] == [str(3 + n) for n in range(RECENT)]
    assert not len(box)


def test_what_has_no_room_is_counted_in_the_rest_of_its_kind():
    box = Inbox()
    for number in range(MAX_GROUPS):
        box.note(key(number), glimpse())
    for number in range(MAX_GROUPS, MAX_GROUPS + 50):
        box.note(key(number), glimpse())
        box.note(key(number, "origin_malformed"), glimpse())
    box.note(key(0), glimpse())

    groups = box.take()

    assert len(groups) == MAX_GROUPS + 2
    assert groups[REST].count == 50
    assert groups[REST._replace(reason="origin_malformed")].count == 50
    assert groups[key(0)].count == 2
    assert counted(groups) == MAX_GROUPS + 101


def test_what_was_put_back_is_older_than_what_came_meanwhile():
    box = Inbox()
    box.note(key(1), glimpse(1.0, "before"))
    taken = box.take()
    box.note(key(1), glimpse(2.0, "meanwhile"))

    box.put_back(taken)

    [group] = box.take().values()
    assert [one.correlation_id for one in group.latest] == ["before", "meanwhile"]
    assert (group.count, group.first, group.last) == (2, 1.0, 2.0)


def test_memory_stays_bounded_however_often_it_is_put_back():
    box = Inbox()
    for turn in range(10):
        for number in range(MAX_GROUPS):
            box.note(key(turn * MAX_GROUPS + number), glimpse())
        box.put_back(box.take())

    assert len(box) == MAX_GROUPS + 1
    assert counted(box.take()) == 10 * MAX_GROUPS


def test_the_hours_of_a_group_are_bounded_and_the_latest_stay():
    group = Group()
    for hour in range(HOURS + 10):
        later = Group()
        later.see(glimpse(hour * HOUR))
        group.add(later)

    assert group.count == HOURS + 10
    assert sorted(group.hours) == list(range(10, HOURS + 10))


@given(st.lists(st.one_of(st.none(), st.booleans(), st.integers(0, 9)), max_size=60))
def test_no_refusal_is_lost_or_counted_twice(steps):
    """A number is a refusal, True takes the groups away for good, False or None puts them back."""
    box, noted, written = Inbox(), 0, 0
    for step in steps:
        if step is True:
            written += counted(box.take())
        elif step is None or step is False:
            box.put_back(box.take())
        else:
            box.note(key(step), glimpse())
            noted += 1
    assert written + counted(box.take()) == noted


def test_a_fork_leaves_what_was_seen_to_the_parent():
    box = Inbox()
    box.note(key(1), glimpse())

    box.forget()

    assert box.take() == {}
    assert inboxes.inbox is not box
