"""The base of the screens over policy rows: every write goes through ``mcp_guard.changes``.

What ``changes`` refuses comes back to the form: the request is answered once more, this time with a form
that carries the refusal, after the transaction of the first attempt was rolled back.
"""

# ruff: noqa: ARG002, FBT001, FBT002  # Django prescribes the signatures of its hooks
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, router, transaction
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy

from mcp_guard import conf
from mcp_guard.admin.screens import Screens
from mcp_guard.changes import Actor
from mcp_guard.endpoints import endpoints_of
from mcp_guard.forms.policy import PolicyForm

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

EDITED_PAST = gettext_lazy("This row was edited past the admin and is ignored; save it to repair it.")


class PolicyAdmin(Screens):
    """A screen over one model of policy; subclasses say which changes add, set and remove a row."""

    form = PolicyForm
    empty_text: StrOrPromise = ""
    """What an empty list says."""

    shown_instead: ClassVar[dict[str, str]] = {}
    """What a reader without the permission to change sees instead of a form field: a column's name."""

    names_endpoints = False
    """Whether the rows name endpoints, and the list shows them."""

    class Media:
        css: ClassVar = {"all": ["mcp_guard/admin.css"]}

    def add_row(self, actor: Actor, values: dict[str, Any]) -> models.Model:
        """Add a row through ``changes`` and return it."""
        raise NotImplementedError

    def set_row(self, actor: Actor, row: Any, values: dict[str, Any]) -> models.Model:
        """Change fields of a row through ``changes`` and return it."""
        raise NotImplementedError

    def remove_row(self, actor: Actor, row: Any) -> None:
        """Delete a row through ``changes``."""
        raise NotImplementedError

    def notices(self, row: Any) -> Sequence[str]:
        """Return what whoever looks at a row has to know first; empty when all is well."""
        return ()

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may revoke tokens."""
        user: Any = request.user
        return bool(user.has_perm("mcp_guard.revoke_token"))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write the form's values through ``changes``; a form without changes writes nothing."""
        actor = Actor.of_user(request.user)
        if not change:
            adopt(obj, self.add_row(actor, form.values()))
        elif form.changed_values():
            adopt(obj, self.set_row(actor, obj, form.changed_values()))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Write nothing: ``changes`` has written many-to-many fields together with the row."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete a row through ``changes``."""
        self.remove_row(Actor.of_user(request.user), obj)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Delete rows through ``changes``, one after the other: all of them or none."""
        with transaction.atomic(using=router.db_for_write(self.model)):
            for row in queryset:
                self.delete_model(request, row)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form, with what ``changes`` refused of this very request."""
        form = super().get_form(request, obj, change=change, **kwargs)
        refusal = getattr(request, "mcp_guard_refusal", None)
        return type(form.__name__, (form,), {"refusal": refusal}) if refusal else form

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list, with the endpoints that there are on each row, asked for once."""
        found = super().get_changelist_instance(request)
        if self.names_endpoints:
            known = endpoints_of(conf.parse())
            for row in found.result_list:
                row.known_endpoints = known
        return found

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fieldsets; a reader sees readable columns where others have inputs."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [
            (
                title,
                {
                    **options,
                    "fields": [self.shown_instead.get(str(name), name) for name in options["fields"]],
                },
            )
            for title, options in fieldsets
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Answer the form; what ``changes`` refuses stands beside its fields."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ValidationError as error:
            request.mcp_guard_refusal = error  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Render the form below what has to be known about its row."""
        row = context.get("original")
        context["notices"] = self.notices(row) if row is not None else ()
        return super().render_change_form(request, context, *args, **kwargs)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Delete a row, or say why ``changes`` refused to."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except ValidationError as error:
            return self._refused(request, error)

    def response_action(
        self, request: HttpRequest, queryset: models.QuerySet[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Run an action on the selected rows: all of it or, when ``changes`` refuses, nothing."""
        try:
            with transaction.atomic(using=router.db_for_write(self.model)):
                return super().response_action(request, queryset, *args, **kwargs)
        except ValidationError as error:
            return self._refused(request, error)

    def found(self, request: HttpRequest, object_id: str, *, permitted: bool) -> Any:
        """Return a row for a view of its own.

        Raises:
            PermissionDenied: first, so that who may not look learns nothing about what is there.
            Http404: when there is no such row.
        """
        if not permitted:
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
        """Return a page of the admin that is neither a list nor a form of a row."""
        common = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        request.current_app = self.admin_site.name
        return TemplateResponse(request, f"admin/mcp_guard/{template}", {**common, **context})

    def url_of(self, view: str, *args: Any) -> str:
        """Return the path of one of this model's views."""
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{view}"
        return reverse(name, args=[quote(arg) for arg in args])

    def back(self, request: HttpRequest, row: models.Model | None = None) -> HttpResponseRedirect:
        """Redirect to the row, or to the list, or to the index for who may see neither."""
        if not self.has_view_or_change_permission(request):
            return HttpResponseRedirect(reverse(f"{self.admin_site.name}:index"))
        return HttpResponseRedirect(self.url_of("change", row.pk) if row else self.url_of("changelist"))

    def _refused(self, request: HttpRequest, error: ValidationError) -> HttpResponseBase:
        for text in error.messages:
            self.message_user(request, text, messages.ERROR)
        return self.back(request)


def adopt(obj: models.Model, row: models.Model) -> None:
    """Make the form's instance the row that ``changes`` wrote."""
    obj.pk = row.pk
    obj.refresh_from_db()


def listed(rows: Iterable[object], limit: int = 100) -> tuple[list[str], int]:
    """Return how the first rows read, and how many more there are."""
    texts = [str(row) for row in rows]
    return texts[:limit], max(0, len(texts) - limit)
