"""Which refusals become lines is counted by each process for itself."""

from __future__ import annotations

import os

import pytest

from mcp_guard.audit.refusals import LINES_PER_SECOND, refusal_log


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_counts_anew_whatever_its_parent_was_doing():
    for _ in range(LINES_PER_SECOND + 1):
        refusal_log.take(1)
    reader, writer = os.pipe()
    with refusal_log._lock:  # as another thread of the parent would
        child = os.fork()
        if child == 0:
            try:
                is_free = refusal_log._lock.acquire(timeout=5)
                refusal_log._lock.release()
                os.write(writer, f"{is_free} {refusal_log.take(1)}".encode())
            finally:
                os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as told:
        assert told.read() == "True 0"
    refusal_log.forget()
