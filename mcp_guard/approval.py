"""Approvals of registered servers: what was granted, by whom, and the seal that no other hand can write.

A seal is an HMAC under SECRET_KEY, so whoever can write rows but does not have that key, through a hole
in some SQL of the project for instance, can neither approve a command nor change one that is approved, nor
have one approved as if somebody else had asked for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from mcp_guard.policy.registration import Registration, beyond

_SALT: Final = "mcp_guard.approval"


class Approval(NamedTuple):
    """What somebody granted a server: ``granted`` is the most that may run, by field.

    ``asked_by`` and ``by`` are persons as ``Actor.person`` has them; ``at`` is an ISO 8601 moment.
    """

    granted: dict[str, Any]
    asked_by: list[list[str]]
    by: list[str]
    at: str

    @classmethod
    def of_row(cls, stored: object) -> Approval | None:
        """Return what a row holds; None when it holds none, or nothing that could be one."""
        match stored:
            case {
                "granted": dict(asked),
                "asked_by": list(others),
                "by": [str(key), str(name)],
                "at": str(at),
            }:
                return cls(asked, others, [key, name], at)
            case _:
                return None

    @property
    def is_of_two(self) -> bool:
        """Whether who approved is none of those who asked."""
        return not is_among(self.by, self.asked_by)


def digest(asked: dict[str, Any]) -> str:
    """Return the SHA-256 of what an approval is asked for, in hexadecimal: it names exactly that."""
    return hashlib.sha256(_text(asked)).hexdigest()


def seal(name: str, approval: Approval) -> str:
    """Return the seal of an approval of the server of that name."""
    return _sealed(_approved(name, approval), settings.SECRET_KEY)


def is_sealed(name: str, approval: Approval, sealed: str) -> bool:
    """Return whether the seal of an approval holds."""
    return _holds(_approved(name, approval), sealed)


def seal_asking(name: str, asked: dict[str, Any], by: list[list[str]]) -> str:
    """Return the seal of who asked for what is not approved yet."""
    return _sealed(_asked(name, asked, by), settings.SECRET_KEY)


def is_asked(name: str, asked: dict[str, Any], by: object, sealed: str) -> bool:
    """Return whether those persons, and no others, asked for exactly that."""
    return isinstance(by, list) and _holds(_asked(name, asked, by), sealed)


def granted(registration: Registration, approval: Approval | None, sealed: str, *, of_two: bool) -> bool:
    """Return whether all that is registered is covered by an approval whose seal holds.

    ``of_two`` asks for one by somebody else than those who asked for it.
    """
    if approval is None or (of_two and not approval.is_of_two):
        return False
    if not is_sealed(registration.name, approval, sealed):
        return False
    return not beyond(registration.asked(), approval.granted)


def is_among(person: Sequence[str], persons: Sequence[Sequence[str]]) -> bool:
    """Return whether somebody is one of some persons: the same account, or another of the same name."""
    key, name = person[0], person[1].casefold()
    return any(key == other[0] or name == other[1].casefold() for other in persons)


def names_of(stored: object) -> list[str]:
    """Return the names of the persons that a row holds, as far as it holds some."""
    found = stored if isinstance(stored, list) else []
    return [str(each[1]) for each in found if isinstance(each, list) and len(each) == 2]


def _approved(name: str, approval: Approval) -> dict[str, Any]:
    return {"approved": name, **approval._asdict()}


def _asked(name: str, asked: dict[str, Any], by: list[Any]) -> dict[str, Any]:
    return {"asked": name, "for": asked, "by": by}


def _holds(value: dict[str, Any], sealed: str) -> bool:
    """Return whether a seal holds, under the key in use or one that SECRET_KEY_FALLBACKS keeps."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(constant_time_compare(_sealed(value, key), sealed) for key in keys)


def _sealed(value: dict[str, Any], key: str | bytes) -> str:
    return salted_hmac(_SALT, _text(value), secret=key, algorithm="sha256").hexdigest()


def _text(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
