"""Counters: exact however many threads count and look, and at zero again in a child."""

from __future__ import annotations

import threading

from mcp_guard.audit.counts import ADMITTED, Counts, Key

KEY: Key = ("notes", "request", ADMITTED)
THREADS, TIMES = 4, 20_000


def test_threads_that_count_while_others_look_lose_nothing():
    counts = Counts()
    begin, seen = threading.Barrier(THREADS + 1), []

    def count() -> None:
        begin.wait()
        add = counts.of(KEY).add
        for _ in range(TIMES):
            add()
            counts.count(*KEY)

    threads = [threading.Thread(target=count) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    begin.wait()
    while any(thread.is_alive() for thread in threads):
        seen.append(counts.all().get(KEY, 0))
    for thread in threads:
        thread.join()

    assert counts.all() == {KEY: 2 * THREADS * TIMES}
    assert seen == sorted(seen)


def test_what_was_never_counted_is_not_told():
    counts = Counts()
    counts.of(KEY)
    assert counts.all() == {}


def test_who_keeps_a_counter_counts_on_in_a_child():
    counts = Counts()
    add = counts.of(KEY).add
    add()
    assert [counts.all(), counts.all()] == [{KEY: 1}] * 2
    counts._reset()  # done in a child
    assert counts.all() == {}
    add()
    assert counts.all() == {KEY: 1}
