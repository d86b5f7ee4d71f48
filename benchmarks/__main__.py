"""Run the benchmarks: ``python -m benchmarks [--quick] [--json FILE] [--only PART ...]``."""

from __future__ import annotations

from benchmarks import environment

environment.enter()

from benchmarks.run import main  # noqa: E402 (what follows is installed in the environment alone)

main()
