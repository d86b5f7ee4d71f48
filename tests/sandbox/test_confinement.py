"""A confinement that means nothing, or opens what is never open, is refused beside its field."""

from __future__ import annotations

import pytest

from mcp_guard.sandbox.confinement import MIB, Confinement


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory_bytes", 31 * MIB), ("cpu_seconds", 0), ("cpu_percent", 0), ("processes", 3),
        ("open_files", 15), ("file_bytes", -1), ("tmp_bytes", 0), ("run_as", (0, 1000)),
        ("run_as", (1000, 0)),
        *((name, (path,)) for name in ("writable", "readable")
          for path in ("srv", "/srv/", "/srv/../etc", "/", "/etc", "/usr", "/proc/self", "/dev/sda",
                       "/sys/fs", "/a\nb")),
        ("hosts", ("example.com",)), ("hosts", ("example.com:0",)), ("hosts", ("example.com:65536",)),
        ("hosts", ("*.example.com:443",)), ("hosts", ("Example.com:443",)), ("hosts", ("http://a.com:80",)),
        ("hosts", ("a b:443",)), ("hosts", tuple(f"h{number}:443" for number in range(33))),
        ("readable", tuple(f"/srv/{number}" for number in range(33))),
    ],
)  # fmt: skip
def test_a_value_that_means_nothing_is_refused_beside_its_field(field, value):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Confinement(**{field: value})


def test_a_path_below_a_writable_one_is_refused():
    with pytest.raises(ValueError, match=r"^writable: /srv/a/b lies below /srv/a"):
        Confinement(writable=("/srv/a", "/srv/a/b"))
    with pytest.raises(ValueError, match=r"^writable: "):
        Confinement(writable=("/srv/a",), readable=("/srv/a/b",))


def test_what_can_be_registered():
    made = Confinement(
        writable=("/srv/a", "/srv/ab"),
        readable=("/opt/venv",),
        hosts=("api.example.com:443", "127.0.0.1:8080", "[::1]:443"),
        run_as=(1000, 1000),
    )

    assert made.hosts[0] == "api.example.com:443"
