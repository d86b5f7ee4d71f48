"""The table at every door: views, includes, guarded applications, sockets and real servers."""

import pytest

pytest.register_assert_rewrite("tests.transports.answer", "tests.transports.sockets")
