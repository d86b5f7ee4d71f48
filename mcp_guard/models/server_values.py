"""Checks of what an operator typed for a registered server: paths, arguments, references, hosts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from mcp_guard.conf.servers import SERVER_NAME
from mcp_guard.policy.registration import is_within

MOST_PLACES: Final = 32
"""How many paths of a kind, or hosts, one server has at most."""

MOST_ITEMS: Final = 64
"""How many arguments, or references, one server has at most."""

MOST_CHARACTERS: Final = 1_000
"""How long each of them is at most."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_HOST = re.compile(
    r"(?=.{1,253}:)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,62}:([1-9][0-9]{0,4})"
)
_LOADER = re.compile(r"(?:LD|DYLD|GLIBC|MALLOC)_.*|GCONV_PATH|BASH_ENV|SHELLOPTS")
_SYSTEM: Final = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr",
)  # fmt: skip
_SHARED: Final = ("/var/lib", "/var/log", "/var/run", "/var/cache", "/var/spool")
_SECRET = re.compile(
    r"(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}|gh[opsu]_\w{16,}|github_pat_\w+|glpat-[\w-]+|xox[abprs]-[\w-]+"
    r"|A(?:KIA|SIA)[A-Z0-9]{12,}|AIza[\w-]{20,}|mcpg_\w+|eyJ[\w-]+\.[\w.-]+|.*-----BEGIN .*"
    r"|[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@.*",
    re.DOTALL,
)
_SECRET_OPTION = re.compile(
    r"--?[\w-]*(?:password|passwd|passphrase|secret|token|credential|api[-_]?key|private[-_]?key)(?:=(.*))?",
    re.IGNORECASE | re.DOTALL,
)
_RANDOM = re.compile(r"[0-9a-fA-F]{32,}|(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9+_=-]{32,}")


def clean_server_name(text: str) -> None:
    """Refuse what cannot be one segment of a path and the rest of an endpoint's name."""
    if not SERVER_NAME.fullmatch(text):
        raise ValidationError(_("at most 40 of a-z, 0-9, - and _, the first a letter"))


def clean_path(text: str) -> None:
    """Refuse what is not one absolute path in its plain form."""
    _raise(_path_errors(text))


def clean_arguments(value: object) -> None:
    """Refuse a list that is none of arguments, or that has a secret in it, which is not repeated."""
    _raise(_listed(value, _argument_errors, most=MOST_ITEMS, distinct=False) or _option_errors(value))


def clean_references(value: object) -> None:
    """Refuse a list with anything but references to where values are; no value is repeated."""
    errors = _listed(value, _reference_errors, most=MOST_ITEMS)
    if not errors and isinstance(value, list):
        names = [text.partition("=")[0] for text in value]
        errors = [_("%(name)s is there twice") % {"name": n} for n in sorted({*names}) if names.count(n) > 1]
    _raise(errors)


def clean_readable(value: object) -> None:
    """Refuse a list with anything but absolute paths."""
    _raise(_listed(value, _path_errors))


def clean_writable(value: object) -> None:
    """Refuse a list with anything but absolute paths, and with those of the system."""
    _raise(_listed(value, _writable_errors))


def clean_hosts(value: object) -> None:
    """Refuse a list with anything but names of hosts, each with its port."""
    _raise(_listed(value, _host_errors))


def _raise(errors: Iterable[str]) -> None:
    found = list(errors)
    if found:
        raise ValidationError(found)


def _listed(
    value: object, errors: Callable[[str], Iterable[str]], *, most: int = MOST_PLACES, distinct: bool = True
) -> list[str]:
    """Return what is wrong with a list of texts, each mistake with its place."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        return [_("this is not a list of texts")]
    if len(value) > most:
        return [_("these are more than %(most)d") % {"most": most}]
    if distinct and len({*value}) != len(value):
        return [_("one of them is there twice")]
    return [f"{number}: {error}" for number, text in enumerate(value, start=1) for error in errors(text)]


def _text_errors(text: str) -> list[str]:
    if len(text) > MOST_CHARACTERS:
        return [_("this is longer than %(most)d characters") % {"most": MOST_CHARACTERS}]
    return [] if text.isprintable() else [_("there is an invisible character in it")]


def _path_errors(text: str) -> list[str]:
    errors = _text_errors(text)
    if errors:
        return errors
    if not text.startswith("/"):
        return [_("a path is absolute: it begins with /")]
    if posixpath.normpath(text) != text or text.startswith("//"):
        return [_("write the path in its plain form: without //, /./, /../ and a slash at its end")]
    return []


def _writable_errors(text: str) -> list[str]:
    errors = _path_errors(text)
    if errors:
        return errors
    if text.count("/") < 2 or text in _SHARED or any(is_within(text, root) for root in _SYSTEM):
        return [_("%(path)s is not for one server alone; use a folder of its own") % {"path": text}]
    return []


def _argument_errors(text: str) -> list[str]:
    return _text_errors(text) or ([_looks_secret()] if looks_secret(text) else [])


def _option_errors(value: object) -> Iterator[str]:
    """Return the arguments that follow an option for a secret."""
    texts = [str(text) for text in value] if isinstance(value, list) else []
    for number, (option, text) in enumerate(pairwise(texts), start=2):
        found = _SECRET_OPTION.fullmatch(option)
        if found and found[1] is None and not text.startswith(("-", "/")):
            yield f"{number}: {_looks_secret()}"


def _looks_secret() -> str:
    return _(
        "this looks like a secret, and every process of the machine can read arguments; "
        "give it by the environment: NAME=file:/path or NAME=env:VARIABLE"
    )


def looks_secret(text: str) -> bool:
    """Return whether a text looks like a token, a key or a password."""
    option = _SECRET_OPTION.fullmatch(text)
    if option and option[1] and not option[1].startswith("/"):
        return True
    value = text.partition("=")[2] if text.startswith("-") else text
    return any(_SECRET.fullmatch(part) or _RANDOM.fullmatch(part) for part in (text, value) if part)


def _reference_errors(text: str) -> list[str]:
    name, _equals, reference = text.partition("=")
    if not _VARIABLE.fullmatch(name):
        return [_("this does not begin with the name of a variable and =")]
    if _LOADER.fullmatch(name):
        return [_("%(name)s would make another program of it") % {"name": name}]
    kind, _colon, target = reference.partition(":")
    match kind:
        case "env" if _VARIABLE.fullmatch(target):
            return []
        case "file":
            return [f"{name}: {error}" for error in _path_errors(target)]
        case _:
            return [_(
                "%(name)s has a value, and no value is stored here: "
                "write %(name)s=env:VARIABLE of the portal or %(name)s=file:/path"
            ) % {"name": name}]  # fmt: skip


def _host_errors(text: str) -> list[str]:
    found = _HOST.fullmatch(text)
    if found and int(found[1]) <= 65_535:
        return []
    return [_("%(host)s is not a host's full name with its port, such as api.example.com:443") % {
        "host": text[:80]
    }]  # fmt: skip
