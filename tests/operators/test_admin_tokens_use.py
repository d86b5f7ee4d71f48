"""The screens of tokens say who uses which secret, and find those that want to be looked at."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from mcp_guard import changes, testing
from mcp_guard.models import TokenUse
from tests.operators.admin_pages import browser_of, staff, url
from tests.operators.used import aged, used, used_grant

pytestmark = pytest.mark.django_db

AGENT = "importer/2 <script>"
ALL = {"never", "idle", "busy"}


def listed(response) -> set[str]:
    return {token.name for token in response.context["cl"].result_list}


class TestOnePage:
    def test_each_live_secret_says_when_it_was_used(self, browser, token):
        used(token.pk, "203.0.113.9", AGENT, days=3)
        changes.rotate_token(testing.ACTOR, token)
        new, old = token.secrets.all()
        for view in ("token_change", "token_rotate"):
            page = browser.get(url(view, token.pk)).content.decode()
            rows = {mask: page.partition(mask)[2].partition("</tr>")[0] for mask in (new.mask, old.mask)}
            assert "203.0.113.9" in rows[old.mask], view
            assert "never" in rows[new.mask], view
            assert "203.0.113.9" not in rows[new.mask], view

    def test_it_names_who_uses_it_and_which_grants(self, browser, token):
        used(token.pk, "203.0.113.9", AGENT)
        used_grant(token.pk, "tools/call:read_note")
        page = browser.get(url("token_change", token.pk)).content.decode()
        assert "203.0.113.9" in page
        assert "importer/2 &lt;script&gt;" in page
        assert "importer/2 <script>" not in page
        assert "not in 30 days" not in page

    def test_a_grant_that_lies_idle_is_warned_about(self, browser, token):
        aged(token.pk, 31)
        page = browser.get(url("token_change", token.pk)).content.decode()
        assert "never: not in 30 days" in page

    def test_a_reader_sees_it_too(self, token):
        used(token.pk, "203.0.113.9", AGENT)
        page = browser_of(staff("view_token")).get(url("token_change", token.pk)).content.decode()
        assert "203.0.113.9" in page


class TestTheList:
    @pytest.fixture
    def tokens(self, partner, scope):
        found = {name: testing.issue_token(partner, "notes", scopes=[scope], name=name).token for name in ALL}
        for token in found.values():
            aged(token.pk, 40)
        used(found["idle"].pk, "203.0.113.8", "", days=31)
        used(found["busy"].pk, "203.0.113.9", "")
        used_grant(found["busy"].pk, "tools/call:read_note")
        return found

    @pytest.mark.parametrize(
        ("use", "names"),
        [("never", {"never"}), ("idle", {"idle"}), ("over-scoped", {"never", "idle"})],
    )
    def test_it_filters_by_use(self, browser, tokens, use, names):
        assert listed(browser.get(url("token_changelist"), {"use": use})) == names

    def test_it_shows_and_sorts_by_last_use(self, browser, tokens):
        for order, first in (("4", "203.0.113.8"), ("-4", "203.0.113.9")):
            page = browser.get(url("token_changelist"), {"o": order}).content.decode()
            found = [page.index(address) for address in ("203.0.113.8", "203.0.113.9")]
            assert page.index(first) == min(found), order

    def test_soon_is_what_the_setting_says(self, browser, partner, settings):
        testing.issue_token(partner, name="soon", expires_at=timezone.now() + timedelta(days=20))
        expiring = {"state": "expiring"}
        assert listed(browser.get(url("token_changelist"), expiring)) == {"soon"}
        settings.MCP_GUARD = settings.MCP_GUARD | {"TOKEN_WARN_DAYS": 10}
        assert listed(browser.get(url("token_changelist"), expiring)) == set()

    def test_many_uses_cost_no_more_queries(self, browser, tokens, django_assert_max_num_queries):
        secret = tokens["busy"].secrets.get()
        for number in range(20):
            TokenUse.objects.create(
                token=tokens["busy"], secret=secret, endpoint="notes", address=str(number)
            )
        with django_assert_max_num_queries(12):
            browser.get(url("token_changelist"))


class TestTheReview:
    def test_each_list_has_its_tokens(self, browser, partner, scope):
        soon = timezone.now() + timedelta(days=3)
        ending = testing.issue_token(partner, "notes", name="ending", expires_at=soon).token
        used(ending.pk, "203.0.113.9", AGENT)
        testing.issue_token(partner, "notes", name="everywhere", kind="any")
        wide = testing.issue_token(partner, "notes", scopes=[scope], name="wide").token
        aged(wide.pk, 31)
        used(wide.pk, "203.0.113.7", "", days=31)
        revoked = testing.issue_token(partner, "notes", name="revoked", kind="any", expires_at=soon).token
        changes.revoke_token(testing.ACTOR, revoked)
        response = browser.get(url("token_review"))
        review = response.context["review"]
        names = {
            field: [row.token.name for row in getattr(review, field).rows]
            for field in ("expiring", "never_used", "idle", "over_scoped", "anywhere")
        }
        assert names == {
            "expiring": ["ending"], "never_used": ["everywhere"], "idle": ["wide"],
            "over_scoped": ["wide"], "anywhere": ["everywhere"],
        }  # fmt: skip
        page = response.content.decode()
        assert "203.0.113.9" in page
        assert "importer/2 &lt;script&gt;" in page
        assert "tools/call:read_note" in page

    def test_nothing_to_look_at_is_said(self, browser):
        assert browser.get(url("token_review")).content.decode().count("None.") == 5

    def test_many_are_counted(self, browser, partner, monkeypatch):
        from mcp_guard.admin import token_review

        monkeypatch.setattr(token_review, "MOST", 2)
        for number in range(5):
            testing.issue_token(partner, "notes", name=str(number), kind="any")
        review = browser.get(url("token_review")).context["review"]
        assert (len(review.anywhere.rows), review.anywhere.more) == (2, 3)

    def test_it_is_linked_and_needs_the_permission_to_see_tokens(self, browser, token):
        assert url("token_review") in browser.get(url("token_changelist")).content.decode()
        assert browser_of(staff("view_client")).get(url("token_review")).status_code == 403
