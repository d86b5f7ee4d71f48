"""What this machine says of a registered server: whether its program is there and safe, its user known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mcp_guard.policy.registration import Registration
from mcp_guard.sandbox import needs
from mcp_guard.sandbox.command import CommandRefusedError, check_folder, resolve
from mcp_guard.sandbox.confinement import MIB, Confinement, ConfinementUnavailableError, Level

_SIZES: Final = {"memory_bytes": "memory_mb", "file_bytes": "file_mb", "tmp_bytes": "tmp_mb"}
"""Fields of a confinement that are registered in MiB, and the field that holds them."""


def refusals(registration: Registration) -> dict[str, list[str]]:
    """Return why this machine would not start it as it is registered, by field; empty when it would.

    It is asked again before each start: what held when a row was saved need not hold then.
    """
    asked: list[tuple[str, Callable[[], Any]]] = [
        ("executable", lambda: resolve(registration.executable)),
        ("folder", lambda: check_folder(registration.folder)),
        ("run_as", lambda: user_of(registration)),
    ]
    found: dict[str, list[str]] = {}
    for field, ask in asked:
        try:
            ask()
        except CommandRefusedError as error:
            found[field] = [str(error)]
    try:
        confinement_of(registration, None)
    except ValueError as error:
        field, _, text = str(error).partition(": ")
        found.setdefault(_SIZES.get(field, field), []).append(text)
    return found


def obstacle(registration: Registration) -> str:
    """Return what keeps this process from starting it, as far as that is known without a start; else empty.

    Besides what ``refusals`` has it is what the machine lacks for the confinement, and this process for
    the user that it is to run as.
    """
    found = [f"{field}: {text}" for field, texts in refusals(registration).items() for text in texts]
    if found:
        return found[0]
    try:
        needs.check(confinement_of(registration, user_of(registration)))
    except ConfinementUnavailableError as error:
        return str(error)
    return ""


def confinement_of(registration: Registration, run_as: tuple[int, int] | None) -> Confinement:
    """Return what the process of a registered server may do, as a user and group by number.

    Raises:
        ValueError: beginning with the field of the confinement that means nothing.
    """
    return Confinement(
        level=Level(registration.level.value),
        memory_bytes=registration.memory_mb * MIB,
        cpu_seconds=registration.cpu_seconds,
        cpu_percent=registration.cpu_percent,
        processes=registration.processes,
        open_files=registration.open_files,
        file_bytes=registration.file_mb * MIB,
        tmp_bytes=registration.tmp_mb * MIB,
        writable=registration.writable,
        readable=registration.readable,
        hosts=registration.hosts,
        kill=registration.kill,
        run_as=run_as,
    )


def user_of(registration: Registration) -> tuple[int, int] | None:
    """Return user and group, by number, that the process runs as; None for those of the portal.

    Raises:
        CommandRefusedError: when the machine has no such user, or it is root, or has root's group.
    """
    return account(registration.run_as) if registration.run_as else None


def account(name: str) -> tuple[int, int]:
    """Return user and group, by number, of an account of this machine.

    Raises:
        CommandRefusedError: when there is no such user, or it is root, or has root's group.
    """
    import pwd  # noqa: PLC0415 (absent outside of POSIX)

    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise CommandRefusedError(f"this machine has no user {name!r}") from None
    if not (found.pw_uid and found.pw_gid):
        raise CommandRefusedError(f"{name} is root, or has root's group")
    return found.pw_uid, found.pw_gid
