"""Play the cases that fill in the real forms of the admin."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from tests.corpus.answer import Answer
from tests.corpus.case import Case
from tests.corpus.errors import CaseSkipped, ContractBroken
from tests.corpus.good import good_request_problem

if TYPE_CHECKING:
    from tests.corpus.play import Player

ADD_ORIGIN: Final = "AllowedOrigin.add"
REVOKE_TOKEN: Final = "Token.revoke_action"

_URL_KEY: Final = {ADD_ORIGIN: "url", "Token.add": "token_add_url", REVOKE_TOKEN: "token_revoke_url"}
_CSRF_FIELD: Final = re.compile(rb"name=\"csrfmiddlewaretoken\" value=\"([^\"]+)\"")


class AdminForms:
    """The admin of one site, as one of its staff users sees it."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.site = player.site
        self.host = player.file.policies[player.site.policy]["hosts"][0]

    def play(self, case: Case) -> Answer:
        """Get the form of a case and, for a new origin, post it with the token it came with.

        Raises:
            CaseSkipped: when the ready line does not say where the form is.
            ContractBroken: when there is no form.
        """
        form, cookie = case.given["admin_form"], self._cookie(case)
        path = self._path(form)
        page = self._browse("GET", path, cookie)
        if form == REVOKE_TOKEN and good_request_problem(self.player) is not None:
            page.problems.append("the token no longer works after a GET")
        if form != ADD_ORIGIN:
            return page
        return self._post_origin(case, path, cookie, page)

    def _post_origin(self, case: Case, path: str, cookie: str, page: Answer) -> Answer:
        given, admin = case.given, self.site.admin
        token = _CSRF_FIELD.search(page.raw)
        if page.status != 200 or not token:
            raise ContractBroken(f"no add form at the admin url (status {page.status})")
        fields: dict[str, Any] = dict(admin.get("fields", {}))
        fields[admin.get("field", given["field"])] = self.player.file.text(given["value"])
        if given.get("csrf", True):
            fields["csrfmiddlewaretoken"] = token[1].decode()
        cookies = [cookie, *(value.partition(";")[0] for value in page.all("set-cookie"))]
        body = urlencode(fields).encode()
        return self._browse("POST", path, "; ".join(cookies), body, given.get("headers", []))

    def _cookie(self, case: Case) -> str:
        return self._entry("cookie" if case.given["as"] == "staff" else "cookie_limited")

    def _path(self, form: str) -> str:
        url = urlsplit(self._entry(_URL_KEY[form]))
        return url.path + ("?" + url.query if url.query else "")

    def _entry(self, name: str) -> str:
        if not self.site.admin:
            raise CaseSkipped("the site printed no 'admin' entry")
        if not self.site.admin.get(name):
            raise CaseSkipped(f"the site's 'admin' entry has no '{name}'")
        return str(self.site.admin[name])

    def _browse(
        self, method: str, path: str, cookie: str, body: bytes = b"", extra: Iterable[list[str]] = ()
    ) -> Answer:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", f"Cookie: {cookie}"]
        lines += [f"{name}: {value}" for name, value in extra]
        if method == "POST":
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        return self.player.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
