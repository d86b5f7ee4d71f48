"""What this machine says of a server: beside its field when it is saved."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from mcp_guard import changes, machine
from mcp_guard.live.server_rows import registration_of
from mcp_guard.models import RegisteredServer
from tests.registry.registering import ADA, add, approve


@pytest.fixture
def program(tmp_path) -> Path:
    path = tmp_path / "server"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def refused(**values) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        add(**values)
    return caught.value.message_dict


def test_a_program_of_this_user_is_taken(policy, program):
    assert machine.refusals(registration_of(add(executable=str(program)))) == {}


@pytest.mark.parametrize(
    ("mode", "said"),
    [(0o775, "others may write"), (0o757, "others may write"), (0o644, "cannot be executed")],
)
def test_a_program_that_others_may_write_is_refused(policy, program, mode, said):
    program.chmod(mode)

    assert said in refused(executable=str(program))["executable"][0]


def test_a_folder_that_others_may_write_is_refused(policy, program):
    program.parent.chmod(0o777)

    assert f"others may write to {program.parent}" in refused(executable=str(program))["executable"][0]


def test_a_program_that_is_not_there_is_refused(policy):
    assert refused(executable="/usr/bin/not-there") == {
        "executable": ["/usr/bin/not-there: No such file or directory"]
    }


def test_a_working_folder_that_is_a_link_or_not_there_is_refused(policy, tmp_path):
    link = tmp_path / "link"
    link.symlink_to("/usr")

    assert "reached by a link" in refused(folder=str(link))["folder"][0]
    assert "is not a folder" in refused(folder="/not/there")["folder"][0]


def test_a_user_that_is_unknown_or_root_is_refused(policy):
    assert refused(run_as="no-such-user") == {"run_as": ["this machine has no user 'no-such-user'"]}
    assert refused(run_as="root") == {"run_as": ["root is root, or has root's group"]}


def test_paths_that_lie_in_each_other_are_refused(policy):
    assert "lies below" in refused(writable=["/srv/a", "/srv/a/b"])["writable"][0]


def test_a_program_that_changed_hands_meanwhile_is_not_approved(policy, program):
    row = add(executable=str(program))
    program.chmod(0o777)

    with pytest.raises(ValidationError, match="others may write"):
        approve(row)


def test_a_program_that_is_gone_can_still_be_disabled_and_removed(policy, program):
    """Stopping must never depend on what the machine says."""
    row = add(executable=str(program))
    program.unlink()

    row = changes.set_server(ADA, row, enabled=False)
    changes.remove_server(ADA, row)

    assert not os.path.lexists(program)
    assert not RegisteredServer.objects.exists()
