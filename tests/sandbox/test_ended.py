"""What an exit status means, together with what the cgroups counted."""

from __future__ import annotations

import pytest

from mcp_guard.sandbox.ended import Usage, Violation, classify

NOTHING = Usage()


@pytest.mark.parametrize(
    ("code", "usage", "violation"),
    [
        (0, NOTHING, None),
        (1, NOTHING, None),
        (159, NOTHING, Violation.SYSCALL),
        (-31, NOTHING, Violation.SYSCALL),
        (160, NOTHING, Violation.WRITE),
        (152, NOTHING, Violation.CPU),
        (153, NOTHING, Violation.FILE_SIZE),
        (137, NOTHING, None),
        (137, Usage(memory_kills=1), Violation.MEMORY),
        (0, Usage(memory_kills=2), Violation.MEMORY),
        (137, Usage(cpu_seconds=61), Violation.CPU),
        (137, Usage(cpu_seconds=59), None),
        (0, Usage(cpu_seconds=61), None),
        (0, Usage(refused_forks=3), Violation.PROCESSES),
        (159, Usage(refused_forks=3), Violation.SYSCALL),
    ],
)
def test_a_status_and_what_was_counted_give_the_violation(code, usage, violation):
    ended = classify(code, usage, cpu_seconds=60, stopped=False)

    assert ended.violation is violation
    assert ended.code == (159 if code == -31 else code)
    assert ended.detail


def test_what_the_portal_killed_broke_no_bound():
    ended = classify(-9, Usage(cpu_seconds=100), cpu_seconds=60, stopped=True)

    assert (ended.code, ended.violation, ended.detail) == (137, None, "it was stopped")
