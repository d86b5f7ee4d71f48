"""The filter of system calls: what it names, and that a machine without libseccomp starts nothing."""

from __future__ import annotations

import errno
import sys

import pytest

from mcp_guard.sandbox import needs
from mcp_guard.sandbox.confinement import ConfinementUnavailableError, Level
from mcp_guard.sandbox.seccomp import INTERNET_SOCKETS, LOCAL_SOCKETS, NO_SOCKETS, program, rules
from tests.sandbox.machine import CONFINED, confinement


def named(sockets=LOCAL_SOCKETS, *, shared=False):
    return {rule.call: rule for rule in rules(sockets, shared=shared)}


@pytest.mark.parametrize(
    "call", ["ptrace", "mount", "unshare", "setns", "bpf", "reboot", "keyctl", "process_vm_writev"]
)
def test_what_gets_out_of_boxes_is_forbidden(call):
    assert named()[call].error is None


def test_what_a_filter_cannot_see_through_is_said_to_be_absent():
    assert {call for call, rule in named().items() if rule.error == errno.ENOSYS} == {
        "clone3", "io_uring_setup", "io_uring_enter", "io_uring_register",
    }  # fmt: skip


def test_namespaces_and_typing_into_terminals_are_told_by_the_bits_that_the_kernel_looks_at():
    found = rules(LOCAL_SOCKETS, shared=False)

    assert len([rule for rule in found if rule.call == "clone"]) == 7
    assert {rule.test for rule in found if rule.call == "ioctl"} == {
        (1, "MASKED_EQ", 0xFFFFFFFF, 0x5412), (1, "MASKED_EQ", 0xFFFFFFFF, 0x541C),
    }  # fmt: skip


def test_what_troubles_other_processes_is_forbidden_where_they_can_be_seen():
    assert not {"setsid", "prlimit64", "shmget"} & named().keys()
    assert {"setsid", "prlimit64", "shmget"} <= named(shared=True).keys()


@pytest.mark.parametrize("level", CONFINED)
def test_without_the_library_there_is_no_box(level, monkeypatch):
    program.cache_clear()
    monkeypatch.setitem(sys.modules, "pyseccomp", None)

    with pytest.raises(ConfinementUnavailableError, match="install pyseccomp and libseccomp"):
        needs.filter_for(confinement(level))


def test_an_unconfined_process_has_no_filter():
    assert needs.filter_for(confinement(Level.UNCONFINED)) == b""


@pytest.mark.sandbox
@pytest.mark.parametrize("sockets", [NO_SOCKETS, LOCAL_SOCKETS, INTERNET_SOCKETS])
def test_libseccomp_makes_whole_instructions_of_it(sockets):
    made = {program(sockets, shared=shared, kill=kill) for shared in (True, False) for kill in (True, False)}

    assert len(made) == 4
    assert all(one and len(one) % 8 == 0 for one in made)


@pytest.mark.sandbox
def test_a_library_that_does_not_know_a_call_gives_no_filter(monkeypatch):
    program.cache_clear()
    monkeypatch.setattr("mcp_guard.sandbox.seccomp.FORBIDDEN", ("of_the_future",))

    with pytest.raises(ConfinementUnavailableError, match="of_the_future"):
        needs.filter_for(confinement(kill=True))
    program.cache_clear()
