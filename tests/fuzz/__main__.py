"""Run the properties under atheris, which looks for inputs that reach new code: ``python -m tests.fuzz``.

It is no requirement of the project: make an environment for it (``python -m venv``, ``pip install atheris``)
and run it from the root of the project. ``-atheris_runs=N`` says how often, one million times without it;
further arguments are libFuzzer's. A crash is printed with the input that caused it.
"""

from __future__ import annotations

import sys
import time

import atheris

with atheris.instrument_imports(include=["mcp_guard", "json"]):
    from tests.fuzz import properties
    from tests.fuzz.seeds import SEEDS

RUNS = 1_000_000
started = time.monotonic()
done = 0


def run_one(data: bytes) -> None:
    """Check one input; a seed with its bytes changed, or anything at all."""
    global done  # noqa: PLW0603 (libFuzzer calls back and ends the process by itself)
    done += 1
    provider = atheris.FuzzedDataProvider(data)
    if provider.ConsumeBool():
        seed = SEEDS[provider.ConsumeIntInRange(0, len(SEEDS) - 1)]
        at = provider.ConsumeIntInRange(0, len(seed))
        cut = provider.ConsumeIntInRange(0, 8)
        raw = seed[:at] + provider.ConsumeBytes(sys.maxsize) + seed[at + cut :]
    else:
        raw = provider.ConsumeBytes(sys.maxsize)
    properties.check(raw)
    if done % 100_000 == 0:
        print(f"{done} executions, {time.monotonic() - started:.0f} s, no crash", flush=True)


if not any(argument.startswith("-atheris_runs") for argument in sys.argv):
    sys.argv.append(f"-atheris_runs={RUNS}")
atheris.Setup(sys.argv, run_one)
atheris.Fuzz()
