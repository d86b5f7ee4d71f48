"""Groups of both versions: where they are made, what is written into them, what they counted."""

from __future__ import annotations

import os
import subprocess

import pytest

from mcp_guard.sandbox import cgroup, hierarchy
from mcp_guard.sandbox.confinement import MIB, Confinement
from mcp_guard.sandbox.ended import Usage

BOUNDS = Confinement(memory_bytes=64 * MIB, cpu_percent=50, processes=20)


@pytest.fixture
def own(tmp_path):
    return tmp_path / "own"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


def write(folder, **files):
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103 (one test has a mkdir of its own)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_version_1_has_a_tree_for_each_controller(own, root):
    own.write_text("9:name=systemd:/\n8:pids:/\n4:memory:/portal\n2:cpu,cpuacct:/\n0::/\n")
    for name in ("memory/portal", "pids", "cpu", "cpuacct", "unified"):
        (root / name).mkdir(parents=True)

    made = cgroup.create(BOUNDS, own, root)

    assert set(made.folders) == {"memory", "pids", "cpu", "cpuacct"}
    memory, cpu = made.folders["memory"], made.folders["cpu"]
    assert memory.parent == root / "memory/portal"
    assert (memory / "memory.limit_in_bytes").read_text() == str(64 * MIB)
    assert (made.folders["pids"] / "pids.max").read_text() == "24"
    assert (cpu / "cpu.cfs_quota_us").read_text() == "50000"
    assert len(made.entrances) == 4


def test_version_2_makes_a_group_beside_the_one_that_the_portal_is_alone_in(own, root, monkeypatch):
    own.write_text("0::/portal.service/main\n")
    write(root / "portal.service/main", cgroup__subtree_control="")
    write(root / "portal.service", cgroup__subtree_control="cpu memory pids\n")

    def with_its_files(folder, **_options):
        if not folder.exists():
            write(folder, memory__max="max", memory__swap__max="max", cpu__max="max 100000", pids__max="max")

    monkeypatch.setattr(cgroup.Path, "mkdir", with_its_files)
    monkeypatch.setattr(
        hierarchy, "_enabled", lambda folder: (folder / "cgroup.subtree_control").read_text().split()
    )
    monkeypatch.setattr(hierarchy, "_delegated", lambda folder: folder == root / "portal.service")
    made = cgroup.create(BOUNDS, own, root)

    [folder] = set(made.folders.values())
    assert set(made.folders) == {"memory", "pids", "cpu"}
    assert folder.parent == root / "portal.service"
    assert (folder / "memory.max").read_text() == str(64 * MIB)
    assert (folder / "memory.swap.max").read_text() == "0"
    assert (folder / "cpu.max").read_text() == "50000 100000"
    assert made.entrances == [str(folder / "cgroup.procs")]


def test_where_no_controller_was_handed_down_there_are_no_groups(own, root, monkeypatch):
    own.write_text("0::/user.slice/session-1.scope\n")
    write(root / "user.slice/session-1.scope", cgroup__subtree_control="")
    write(root / "user.slice", cgroup__subtree_control="cpu memory pids")
    monkeypatch.setattr(hierarchy, "_enabled", lambda folder: [])

    made = cgroup.create(BOUNDS, own, root)

    assert made.folders == {}
    assert made.usage() == Usage()


def test_groups_of_a_portal_that_is_gone_are_removed_and_others_are_left(own, root):
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    own.write_text("8:pids:/\n")
    for owner in (gone.pid, os.getpid()):
        (root / "pids" / f"mcp_guard-{owner}-0").mkdir(parents=True)

    cgroup.create(BOUNDS, own, root)

    left = {folder.name.split("-")[1] for folder in (root / "pids").iterdir()}
    assert left == {str(os.getpid())}


@pytest.mark.parametrize(
    "files",
    [
        {
            "memory__oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            "cpuacct__usage": "1500000000\n",
        },
        {"memory__events": "low 0\noom 3\noom_kill 2\n", "cpu__stat": "usage_usec 1500000\nuser_usec 1\n"},
    ],
)
def test_what_either_version_counted(root, files):
    write(root, pids__events="max 7\n", **files)
    names = ("memory", "pids", "cpu", "cpuacct") if "cpuacct__usage" in files else ("memory", "pids", "cpu")

    assert cgroup.Cgroups(dict.fromkeys(names, root)).usage() == Usage(2, 7, 1.5)


def test_a_process_that_cannot_be_seen_has_nobody_else_killed(root, monkeypatch):
    killed = []
    monkeypatch.setattr(cgroup.os, "kill", lambda process, _: killed.append(process))
    write(root, cgroup__procs="0\n4000000\n0\n")
    cgroup.Cgroups({"pids": root}).kill()

    assert killed == [4000000]
