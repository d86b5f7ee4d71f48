"""Processes of registered servers: started when they are needed, for whom, how many, and their end."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from mcp.shared.exceptions import MCPError

from mcp_guard.audit.events import recorder
from mcp_guard.mcp.offered import offered
from mcp_guard.policy.decision import Principal
from mcp_guard.sandbox.ended import Violation
from mcp_guard.servers import pools
from mcp_guard.servers.ends import End, UnavailableError, Why
from tests.servers.local import ANN, BOB, QUICK, ROW, Site, is_alive, row, serving


async def test_the_first_use_starts_a_process_and_the_next_ones_find_it():
    async with serving() as site:
        assert site.started == []
        first = await asyncio.gather(*(site.call("pid") for _ in range(10)))

        assert len({*first, await site.call("pid", BOB)}) == 1
        assert len(site.started) == 1


async def test_an_unknown_name_starts_nothing():
    async with serving() as site:
        with pytest.raises(UnavailableError) as refused:
            await site.call("pid", server="../../bin/sh")

        assert refused.value.why is Why.UNKNOWN
        assert site.started == []


async def test_what_runs_is_the_row_and_nothing_of_a_request():
    async with serving(row("fixed")) as site:
        seen = await site.call("where", Principal(client_id=5, client="$(id)"))

        assert (seen["argv"], seen["cwd"]) == (["fixed"], "/")
        assert not {name for name in seen["environment"] if name not in ("PATH", "LC_CTYPE")}


async def test_processes_of_principals_never_mix():
    anonymous, with_user = Principal(), Principal(client_id=1, client="ann", user_id=7)
    parties = (ANN, BOB, anonymous, with_user)
    async with serving(row(shared=False)) as site:
        pids = [await site.call("pid", who) for who in parties]
        for who in parties:
            await site.call("remember", who, text=f"{who.identity}")
        kept = [await site.call("remember", who, text="again") for who in parties]

        assert len({*pids}) == len(parties)
        assert kept == [[f"{who.identity}"] for who in parties]
        rotated = ANN._replace(token_id=99, client="renamed")
        assert await site.call("pid", rotated) == pids[0]


async def test_a_call_of_a_process_that_ends_fails_at_once_and_the_next_one_finds_a_new_process():
    async with serving() as site:
        pid = await site.call("pid")
        waiting = asyncio.create_task(site.call("sleep", BOB, seconds=60))
        await asyncio.sleep(0)
        with pytest.raises(MCPError, match="The server ended before it answered"):
            await site.call("crash")
        with pytest.raises(MCPError, match="The server ended before it answered"):
            await asyncio.wait_for(waiting, 5)

        ending = await site.ended()
        assert ending.end is End.EXITED
        assert "ended with status 3" in ending.detail
        assert "about to crash" in site.slot().tail.text()
        site.slot().backoff.failures = 0
        assert await site.call("pid") != pid


async def test_a_crash_loop_backs_off():
    async with serving(row("--crash"), times=replace(QUICK, patience=0)) as site:
        with pytest.raises(UnavailableError) as refused:
            await site.call("pid")
        assert refused.value.why is Why.NOT_STARTED
        for _ in range(50):
            with pytest.raises(UnavailableError) as refused:
                await site.call("pid")

        assert refused.value.why is Why.BACKING_OFF
        assert 0 < refused.value.retry_after <= 0.5
        assert len(site.started) == 1
        assert "cannot start" in site.slot().tail.text()


async def test_a_process_that_does_not_speak_is_given_up():
    async with serving(row("--silent"), times=replace(QUICK, start=0.3)) as site:
        with pytest.raises(UnavailableError):
            await site.call("pid")

        assert (await site.ended()).end is End.NOT_STARTED


async def test_a_process_that_repeats_its_secret_where_it_refuses_the_handshake_has_it_hidden():
    async with serving(row("--refuse", "bad key hunter2-hunter2")) as site:
        site.secrets = ["hunter2-hunter2"]
        with pytest.raises(UnavailableError):
            await site.call("pid")

        ending = await site.ended()
        assert ending.end is End.NOT_STARTED
        assert "bad key [redacted]" in ending.detail


async def test_a_process_that_hangs_is_found_out_when_nobody_calls():
    async with serving() as site:
        pid = await site.call("pid")
        call = asyncio.create_task(site.call("hang"))
        await asyncio.sleep(0.05)
        call.cancel()

        assert (await site.ended()).end is End.HUNG
        assert not is_alive(pid)


async def test_a_process_that_says_nothing_while_calls_run_is_given_up_in_the_end():
    async with serving(times=replace(QUICK, silent=0.3)) as site:
        await site.call("pid")
        with pytest.raises(MCPError, match="ended"):
            await site.call("hang")

        ending = await site.ended()
        assert (ending.end, ending.detail) == (End.HUNG, "said nothing for 0.3 s while calls ran")


async def test_a_process_that_nobody_uses_is_stopped_and_started_again_when_needed():
    async with serving(row(idle_seconds=0)) as site:
        first = await site.call("pid")
        assert (await site.ended()).end is End.IDLE
        assert not is_alive(first)

        assert await site.call("pid") != first
        assert len(site.started) == 2


async def test_a_row_that_changes_or_goes_stops_what_runs_by_it():
    async with serving() as site:
        first = await site.call("pid")
        call = asyncio.create_task(site.call("sleep", seconds=60))
        await asyncio.sleep(0.05)
        site.rows["small"] = row("changed")
        site.pool.review()
        with pytest.raises(MCPError, match="ended"):
            await call
        assert (await site.ended()).end is End.CHANGED
        assert (await site.call("where"))["argv"] == ["changed"]

        del site.rows["small"]
        site.pool.review()
        assert (await site.ended()).end is End.CHANGED
        with pytest.raises(UnavailableError):
            await site.call("pid")
        assert not is_alive(first)
        assert len(site.started) == 2


async def test_a_call_after_a_change_never_reaches_the_old_process():
    async with serving() as site:
        await site.call("pid")
        site.rows["small"] = row("changed")

        assert (await site.call("where"))["argv"] == ["changed"]


@pytest.mark.parametrize("becomes", [None, row("changed"), row(shared=False)])
async def test_a_row_that_changes_while_a_caller_waits_is_not_started_as_it_was(becomes):
    async with serving(row("--crash"), times=replace(QUICK, patience=5)) as site:
        with pytest.raises(UnavailableError):
            await site.call("pid")
        waiting = asyncio.create_task(site.call("where"))
        await asyncio.sleep(0)  # it is left alone for half a second
        site.rows.update(small=becomes) if becomes else site.rows.clear()
        site.pool.review()
        if becomes == row("changed"):
            assert (await waiting)["argv"] == ["changed"]
        else:
            with pytest.raises(UnavailableError):
                await waiting

        assert site.started == [row("--crash"), *([becomes] if becomes == row("changed") else [])]


async def test_a_server_that_never_speaks_keeps_no_other_from_starting():
    silent = row("--silent", name="silent", shared=False)
    async with serving(row(), silent, times=replace(QUICK, start=5)) as site:
        many = [Principal(client_id=number, client=f"c{number}") for number in range(1, 7)]
        waiting = [asyncio.create_task(site.call("pid", who, server="silent")) for who in many]
        await asyncio.sleep(0)

        assert await asyncio.wait_for(site.call("pid"), 4)
        assert not any(each.done() for each in waiting)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_process_that_is_stopped_before_its_turn_is_never_started():
    async with serving(row(), row(name="other"), times=replace(QUICK, at_once=1)) as site:
        await site.pool._turns.all.acquire()
        waiting = asyncio.create_task(site.call("pid"))
        await asyncio.sleep(0)
        assert site.slot().run is not None
        site.rows.clear()
        site.pool.review()
        site.pool._turns.all.release()
        with pytest.raises(UnavailableError):
            await waiting

        assert site.started == []


async def test_there_are_no_more_processes_than_allowed_and_the_one_unused_for_longest_makes_room():
    async with serving(row(shared=False), limit=2) as site:
        ann, bob = await site.call("pid", ANN), await site.call("pid", BOB)
        await site.call("pid", ANN)
        third = Principal(client_id=3, client="third")
        await site.call("pid", third)

        assert (is_alive(ann), is_alive(bob)) == (True, False)
        assert site.slot(BOB).last.end is End.MADE_ROOM
        busy = [asyncio.create_task(site.call("sleep", who, seconds=60)) for who in (ANN, third)]
        await asyncio.sleep(0.05)
        with pytest.raises(UnavailableError) as refused:
            await site.call("pid", BOB)
        assert refused.value.why is Why.TOO_MANY
        for each in busy:
            each.cancel()


async def test_the_end_of_the_service_lets_calls_end_and_takes_no_more():
    site = Site(ROW)
    pid = await site.call("pid")
    call = asyncio.create_task(site.call("sleep", seconds=0.3))
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(site.pool.aclose())
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError) as refused:
        await site.call("pid")

    assert refused.value.why is Why.STOPPING
    assert await call == "slept"
    await closing
    assert site.slot().last.end is End.SHUTDOWN
    assert not is_alive(pid)


@pytest.mark.parametrize(("tool", "end"), [("long_line", End.LINE_TOO_LONG), ("junk", End.NOT_MESSAGES)])
async def test_a_process_that_writes_what_nobody_can_read_is_ended(tool, end):
    async with serving() as site:
        with pytest.raises(MCPError, match="ended"):
            await site.call(tool)

        assert (await site.ended()).end is end


async def test_an_answer_that_cannot_be_read_fails_its_call_at_once():
    async with serving() as site:
        with pytest.raises(MCPError, match="malformed"):
            await site.call("surrogate")

        assert await site.call("add", a=1, b=1) == 2


async def test_what_a_process_has_to_grant_is_asked_of_one_that_runs(monkeypatch):
    async with serving() as site:
        monkeypatch.setattr(pools, "slots_of_running_loop", lambda: list(site.pool.slots.values()))
        assert await offered("small") == []
        assert site.started == []
        await site.call("pid")

        grants = {each.grant for each in await offered("small")}
        assert {"tools/call:add", "resources/read:fruit://apple", "prompts/get:praise"} <= grants
        assert await offered("other") == []


async def test_a_violation_is_recorded_and_told_from_a_mere_end():
    async with serving() as site:
        recorder.forget()
        site.violation = Violation.MEMORY
        with pytest.raises(MCPError):
            await site.call("crash")

        ending = await site.ended()
        assert (ending.end, ending.violation) == (End.VIOLATION, "memory")
        tags = [(event.tag, event.outcome, event.subject) for event in recorder._waiting]
        assert tags == [
            ("server:started", "", "small"),
            ("server:ended", "violation", "small"),
            ("server:violation", "memory", "small"),
        ]
    recorder.forget()


async def test_an_event_loop_beside_the_main_thread_is_refused():
    refused: list[BaseException] = []

    def elsewhere() -> None:
        site = Site(ROW)
        try:
            asyncio.run(site.call("pid"))
        except UnavailableError as error:
            refused.append(error)
        assert site.started == []

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)

    assert [error.why for error in refused] == [Why.WRONG_THREAD]


async def test_principals_that_come_and_go_fill_no_memory(monkeypatch):
    monkeypatch.setattr("mcp_guard.servers.pool.MOST_EMPTY", 5)
    async with serving(row("--crash", shared=False), times=replace(QUICK, patience=0)) as site:
        for number in range(12):
            with pytest.raises(UnavailableError):
                await site.call("pid", Principal(client_id=number + 1, client="x"))

        assert len(site.pool.slots) <= 6
