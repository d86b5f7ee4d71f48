"""The rows of registered servers: MCP servers that this portal runs for its users, each as approved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mcp_guard.models.base import PolicyModel
from mcp_guard.models.server_values import (
    MOST_CHARACTERS,
    clean_arguments,
    clean_hosts,
    clean_path,
    clean_readable,
    clean_references,
    clean_server_name,
    clean_writable,
)
from mcp_guard.policy.registration import Level

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise


def _number(name: StrPromise, low: int, high: int, default: int, about: StrPromise) -> Any:
    bounds = [MinValueValidator(low), MaxValueValidator(high)]
    return models.PositiveIntegerField(name, default=default, validators=bounds, help_text=about)


def _texts(name: StrPromise, clean: Callable[[Any], None], about: StrPromise) -> Any:
    return models.JSONField(name, default=list, blank=True, validators=[clean], help_text=about)


def _path(name: StrPromise, about: StrPromise, **options: Any) -> Any:
    return models.CharField(
        name, max_length=MOST_CHARACTERS, validators=[clean_path], help_text=about, **options
    )


class RegisteredServer(PolicyModel):
    """An MCP server that runs as a process of its own; its endpoint is ``servers.`` and its name."""

    name = models.CharField(
        _("name"),
        max_length=40,
        unique=True,
        validators=[clean_server_name],
        help_text=_("Its endpoint is “servers.” and this name, which stays as it is."),
    )
    description = models.CharField(_("description"), max_length=200, blank=True)
    enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Off refuses everyone and stops its processes at once.")
    )
    executable = _path(_("executable"), _("Absolute path; only root or the portal's user may write to it."))
    arguments = _texts(_("arguments"), clean_arguments, _("Fixed; nothing of a request is ever added."))
    folder = _path(_("working folder"), _("Absolute path of a folder that exists."), default="/")
    environment = _texts(
        _("environment"),
        clean_references,
        _("Where each value is, never the value: NAME=env:VARIABLE of the portal, or NAME=file:/path."),
    )
    level = models.CharField(
        _("confinement"),
        max_length=20,
        choices=[(level.value, level.value) for level in Level],
        default=Level.REQUIRED.value,
        help_text=_(
            "required: namespaces, a filter of system calls, and Landlock where there is; landlock: without "
            "namespaces; unconfined: nothing. The setting SERVERS_LEVEL says how loose it may be."
        ),
    )
    memory_mb = _number(_("memory"), 32, 65_536, 256, _("In MiB."))
    cpu_percent = _number(_("share of a processor"), 1, 6_400, 50, _("In percent; 100 is one processor."))
    cpu_seconds = _number(
        _("processor time"), 1, 604_800, 3_600, _("In seconds, of one process in its life.")
    )
    processes = _number(_("processes"), 4, 1_000, 32, _("How many it may be, threads included."))
    open_files = _number(_("open files"), 16, 65_536, 256, _("In each of its processes."))
    file_mb = _number(_("size of a file"), 1, 65_536, 64, _("In MiB, of each file that it writes."))
    tmp_mb = _number(_("size of /tmp"), 1, 16_384, 64, _("In MiB, of a /tmp of its own."))
    writable = _texts(_("writable paths"), clean_writable, _("Where it may write besides its own /tmp."))
    readable = _texts(_("readable paths"), clean_readable, _("What it may read besides the system."))
    hosts = _texts(_("hosts"), clean_hosts, _("Where it may connect: api.example.com:443. Empty is nowhere."))
    kill = models.BooleanField(
        _("kill mode"), default=False, help_text=_("A forbidden system call ends it, instead of failing.")
    )
    run_as = models.CharField(
        _("run as user"),
        max_length=80,
        blank=True,
        help_text=_("A user of the machine; empty is the portal's."),
    )
    shared = models.BooleanField(
        _("shared"), default=False, help_text=_("One process for all; else each principal has its own.")
    )
    idle_seconds = _number(_("idle stop"), 5, 86_400, 300, _("In seconds without use, then it ends."))
    approval = models.JSONField(_("approval"), default=dict, blank=True, editable=False)
    approval_seal = models.CharField(max_length=64, blank=True, editable=False)
    changed_by = models.JSONField(_("changed by"), default=list, blank=True, editable=False)
    changed_seal = models.CharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("registered server")
        verbose_name_plural = _("registered servers")
        ordering = ("name",)
        permissions: ClassVar = [("approve_registeredserver", "Can approve what a registered server runs")]

    def __str__(self) -> str:
        return self.name
