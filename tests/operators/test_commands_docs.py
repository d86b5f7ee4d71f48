"""docs/commands.md: every subcommand and option is there, and nothing that does not exist."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_guard.management.commands.mcp_guard import Command

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^#{2,3} `?([a-z -]+)`?\n(.*?)(?=^#{2,3} |\Z)", re.MULTILINE | re.DOTALL)
SECTIONS = {name.strip(): text for name, text in SECTION.findall(PAGE)}


def subcommands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield from leaves((), Command().create_parser("manage.py", "mcp_guard"))


def leaves(
    path: tuple[str, ...], parser: argparse.ArgumentParser
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not nested:
        yield " ".join(path), parser
    for name, child in nested[0].choices.items() if nested else ():
        yield from leaves((*path, name), child)


def shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [
        a for a in parser._actions if a.help != argparse.SUPPRESS and not isinstance(a, argparse._HelpAction)
    ]


LEAVES = dict(subcommands())


def test_the_tree_is_read():
    assert {"client add", "token issue", "origin import-cors", "check", "status"} <= set(LEAVES)


@pytest.mark.parametrize("name", LEAVES)
def test_a_subcommand_has_a_section(name):
    assert name in SECTIONS


@pytest.mark.parametrize("name", LEAVES)
def test_an_option_stands_in_the_table_of_its_subcommand(name):
    documented = re.findall(r"^\| ((?:`--[a-z-]+`(?:, )?)+) \|", SECTIONS[name], re.MULTILINE)
    options = [option for cell in documented for option in re.findall(r"--[a-z-]+", cell)]
    expected = [option for action in shown(LEAVES[name]) for option in action.option_strings]
    assert sorted(options) == sorted(expected)


@pytest.mark.parametrize("name", LEAVES)
def test_what_is_required_stands_in_the_text(name):
    for action in shown(LEAVES[name]):
        if not action.option_strings:
            placeholder = re.escape((action.metavar or action.dest).upper())
            assert re.search(rf"`{name} [^`]*\b{placeholder[0]}", SECTIONS[name])
        elif action.required:
            assert f"`{action.option_strings[0]}` | Required." in SECTIONS[name]


@pytest.mark.parametrize("name", LEAVES)
def test_help_says_what_a_subcommand_and_its_arguments_are_for(name):
    assert LEAVES[name].description
    assert all(action.help for action in shown(LEAVES[name]))


def test_no_section_is_left_over():
    nouns = {name.split()[0] for name in LEAVES}
    verbs = {name for name in SECTIONS if name.split()[0] in nouns and " " in name}
    assert verbs <= set(LEAVES)
