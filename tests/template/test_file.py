"""The file of a template: regular, bounded, strict JSON, and nothing that one could wait for."""

from __future__ import annotations

import os

import pytest

from mcp_guard.template.file import MAX_BYTES, TemplateFileError, read


def why(path):
    with pytest.raises(TemplateFileError) as caught:
        read(str(path))
    return str(caught.value)


def test_a_file_is_read(tmp_path):
    path = tmp_path / "t.json"
    path.write_text('{"a": "ä"}', "utf-8")
    assert read(str(path)) == {"a": "ä"}


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "is not JSON"),
        (b"{'a': 1}", "is not JSON"),
        (b"\xff", "is not UTF-8"),
        (b'{"a": 1, "a": 2}', "a member twice"),
        (b'{"a": NaN}', "not finite"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not finite or too long"),
        (b'"\\ud800"', "half a surrogate pair"),
        (b"[" * 1000 + b"]" * 1000, "nested too deeply"),
        (b"[" * 100_000, "nested too deeply"),
        (b'"' + b"x" * MAX_BYTES + b'"', "has more than"),
    ],
)
def test_what_is_no_strict_json_is_refused(tmp_path, raw, text):
    path = tmp_path / "t.json"
    path.write_bytes(raw)
    assert text in why(path)


def test_a_symbolic_link_is_not_followed(tmp_path):
    path, link = tmp_path / "t.json", tmp_path / "link.json"
    path.write_text("{}", "utf-8")
    link.symlink_to(path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    assert "symbolic link" in why(link)
    assert "symbolic link" in why(tmp_path / "dangling")


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert why(tmp_path / "pipe") == "is not a regular file"


def test_what_is_no_file_is_refused(tmp_path):
    assert "No such file" in why(tmp_path / "nothing")
    assert "regular file" in why("/dev/zero")
    assert "regular file" in why(tmp_path)
    assert "cannot be read" in why("a\0b")
