"""Write what a template does to rows, in one transaction or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import assert_never

from django.core.exceptions import ValidationError
from django.db import router, transaction

from mcp_guard import changes
from mcp_guard.changes import Actor, IssuedSecret
from mcp_guard.models import AllowedOrigin, Client, RegisteredServer, Revision, Scope
from mcp_guard.template.report import Problem
from mcp_guard.template.rows import Target
from mcp_guard.template.steps import AddClient, IssueToken, Keep, ListOrigin, SetServer, Step, WriteScope


class StepRefusedError(Exception):
    """A step cannot be done; nothing was written. ``problems`` say why, beside the field that it is for."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{path}: {text}" for path, text in problems))
        self.problems = problems


@contextmanager
def only_writer() -> Iterator[str]:
    """Open the transaction of a template and hold off other changes of policy; return the database's alias.

    What is read, planned and written inside of it belongs together, and an exception undoes all of it.
    """
    alias = router.db_for_write(Revision)
    with transaction.atomic(using=alias):
        list(Revision.objects.using(alias).select_for_update().filter(pk=1))
        yield alias


def apply(actor: Actor, steps: Sequence[Step], target: Target) -> list[IssuedSecret]:
    """Do all steps, and return the tokens that were issued, in the order of the template.

    Raises:
        StepRefusedError: when a step cannot be done.
    """
    return [issued for step in steps for issued in _done(actor, step, target)]


def _done(actor: Actor, step: Step, target: Target) -> list[IssuedSecret]:
    try:
        return _do(actor, step, target)
    except ValidationError as error:
        texts = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        found = [f"{name}: {text}" if name else text for name, named in texts.items() for text in named]
        raise StepRefusedError([Problem(step.path, text) for text in found]) from None


def _do(actor: Actor, step: Step, target: Target) -> list[IssuedSecret]:
    match step:
        case AddClient():
            changes.add_client(actor, name=target.client)
        case ListOrigin():
            _list(actor, step, target)
        case WriteScope():
            _write_scope(actor, step, target)
        case IssueToken():
            return [_issue(actor, step, target)]
        case SetServer(_, name, values, _):
            changes.set_server(actor, RegisteredServer.objects.get(name=name), **values)
        case Keep():
            pass
        case _:
            assert_never(step)
    return []


def _list(actor: Actor, step: ListOrigin, target: Target) -> None:
    if step.opened:
        row = AllowedOrigin.objects.get(origin=step.origin, client__name=target.client)
        changes.set_origin(actor, row, endpoints=[*step.opened, target.endpoint])
        return
    client = Client.objects.get(name=target.client)
    values = {"endpoints": [target.endpoint], "note": "from a template"}
    changes.list_origin(actor, origin=step.origin, client=client, **values)


def _write_scope(actor: Actor, step: WriteScope, target: Target) -> None:
    if step.replaced is None:
        changes.add_scope(actor, name=step.name, grants=step.grants, description=target.mark)
        return
    changes.set_scope(actor, Scope.objects.get(name=step.name), grants=list(step.grants))


def _issue(actor: Actor, step: IssueToken, target: Target) -> IssuedSecret:
    return changes.issue_token(
        actor,
        client=Client.objects.get(name=target.client),
        name=step.name,
        scopes=[Scope.objects.get(name=step.scope)],
        expires_at=step.expires_at,
        kind=step.kind.value,
        endpoints=[target.endpoint],
    )
