"""Keep token texts and terminal tricks out of log lines, whoever writes them.

A server's access log repeats the query string of a request, and a client that puts its token there
writes it into the log before any application is asked. Installed as a filter on that logger, this masks
the token and escapes what would forge a line.
"""

from __future__ import annotations

import logging
import re
from typing import Any

_SECRETS = (
    (re.compile(r"mcpg(?:_|%5[fF])[A-Za-z0-9%]+"), "mcpg_[redacted]"),
    (re.compile(r"mcpt(?:_|%5[fF])[A-Za-z0-9%_-]+"), "mcpt_[redacted]"),
    (re.compile(r"(?i)(mcp(?:\.|%2e)auth(?:\.|%2e))[A-Za-z0-9%_=-]+"), r"\1[redacted]"),
    (re.compile(r"(?i)\b(nonce(?:=|%3d|[\"']?: *[\"']?))[0-9a-f]{16,}"), r"\1[redacted]"),
)
_HINT = re.compile("mcp|nonce", re.IGNORECASE)  # in each of them, and in little else
UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class RedactTokens(logging.Filter):
    """Masks token texts and escapes control and bidirectional characters in every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; nothing is ever dropped."""
        if isinstance(record.msg, str):
            record.msg = redacted(record.msg, keep_newlines=True)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_redacted_value, record.args))
        elif isinstance(record.args, dict):
            record.args = {key: _redacted_value(value) for key, value in record.args.items()}
        return True


def redacted(text: str, *, keep_newlines: bool = False) -> str:
    """Return the text with token texts masked and what could forge a line escaped."""
    return UNSAFE.sub(
        lambda m: m[0] if keep_newlines and m[0] == "\n" else _escaped(m[0]), without_tokens(text)
    )


def without_tokens(text: str) -> str:
    """Return the text with tokens, tickets and nonces masked and everything else as it is."""
    if _HINT.search(text) is None:
        return text
    for secret, masked in _SECRETS:
        text = secret.sub(masked, text)
    return text


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _redacted_value(value: Any) -> Any:
    return redacted(value) if isinstance(value, str) else value
