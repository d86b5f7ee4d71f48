"""The page of a client says all that is known of it, and its check what the gate would say."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.utils import timezone

from mcp_guard import changes, gate, testing
from mcp_guard.audit.counts import decisions
from mcp_guard.audit.uses import uses
from mcp_guard.models import GrantUse, ProcessState, Refusal, TokenUse
from tests.operators.admin_pages import browser_of, nothing_changes, staff, url
from tests.operators.used import used

pytestmark = pytest.mark.django_db

APP = "https://app.example"


@pytest.fixture
def other(partner):
    return testing.add_client("other")


def page_of(browser, client) -> str:
    response = browser.get(url("client_change", client.pk))
    assert response.status_code == 200
    return response.content.decode()


class TestThePage:
    def test_tokens_with_their_state_and_last_use(self, browser, partner, other, token):
        used(token.pk, "203.0.113.9", "importer")
        revoked = testing.issue_token(partner, "notes", name="gone").token
        changes.revoke_token(testing.ACTOR, revoked)
        testing.issue_token(other, "notes", name="not its own")
        page = page_of(browser, partner)
        assert "203.0.113.9 on notes" in page
        assert url("token_change", token.pk) in page
        assert url("token_change", revoked.pk) in page
        assert "not its own" not in page
        assert "read</bdi>" in page

    def test_origins_and_scopes(self, browser, partner, scope, token):
        testing.list_origin(APP, partner, "notes")
        page = page_of(browser, partner)
        assert APP in page
        assert "tools/call:read_note" in page

    def test_connections_over_all_processes_that_speak(self, browser, partner):
        for seconds, count in ((0, 2), (1, 3), (3600, 50)):
            seen = timezone.now() - timedelta(seconds=seconds)
            ProcessState.objects.create(
                id=uuid4(), host="web", pid=count, started_at=seen, seen_at=seen, revision=1, age=0.1,
                connections={"partner": count, "other": 7},
            )  # fmt: skip
        page = page_of(browser, partner)
        assert "5 sockets and event streams are open" in page
        assert "web:50" not in page

    def test_recent_refusals_of_its_origins_and_its_tokens(self, browser, partner):
        testing.list_origin(APP, partner, "notes")
        for number, (origin, client) in enumerate(
            [(APP, ""), ("", "partner"), ("https://x.example", "other")]
        ):
            Refusal.objects.create(
                key=str(number), endpoint="notes", exchange="request", reason=f"reason_{number}",
                origin=origin, client=client, count=1,
            )  # fmt: skip
        page = page_of(browser, partner)
        assert ("reason_0" in page, "reason_1" in page, "reason_2" in page) == (True, True, False)
        assert "let in by report-only" not in page
        Refusal.objects.filter(key="0").update(outcome=Refusal.Outcome.WOULD_REFUSE)
        assert "let in by report-only" in page_of(browser, partner)

    def test_each_part_needs_the_permission_for_its_rows(self, partner, token):
        testing.list_origin(APP, partner, "notes")
        page = page_of(browser_of(staff("view_client")), partner)
        for part in ("mcp-guard-tokens", "mcp-guard-origins-of", "mcp-guard-sockets", "mcp-guard-refused"):
            assert part not in page
        assert str(token) not in page
        assert "Check now" not in page

    def test_a_client_that_is_being_added_has_nothing_yet(self, browser):
        page = browser.get(url("client_add")).content.decode()
        assert "mcp-guard-known" not in page

    def test_it_asks_a_fixed_number_of_queries(self, browser, partner, scope, django_assert_max_num_queries):
        for number in range(5):
            token = testing.issue_token(partner, "notes", scopes=[scope], name=str(number)).token
            used(token.pk, "203.0.113.9", "importer")
            testing.list_origin(f"https://{number}.example", partner, "notes")
        with django_assert_max_num_queries(26):
            page_of(browser, partner)


class TestTheCheck:
    @pytest.fixture
    def ask(self, browser, partner):
        def ask(**values):
            data = {"endpoint": "notes", "door": "request", "origin": "", "token": "", "grant": ""} | values
            response = browser.post(url("client_check", partner.pk), data)
            assert response.status_code == 200
            return response

        return ask

    @staticmethod
    def results(response) -> dict[str, str]:
        return {each.step.value: each.result.value for each in response.context["found"].steps}

    def test_every_rule_stands_in_its_order_with_its_result(self, ask, token):
        response = ask(token=token.secrets.get().pk, grant="tools/call:write_note")
        found = response.context["found"]
        assert [*self.results(response)] == [
            "policy", "head", "host", "tls", "origin", "credential", "content", "grant",
        ]  # fmt: skip
        assert found.verdict.reason.value == "scope_insufficient"
        assert self.results(response)["grant"] == "refused"
        page = unescape(response.content.decode())
        assert "None of its scopes grants this" in page
        assert all(each.rule in page for each in found.steps)

    @pytest.mark.parametrize(
        ("values", "outcome", "ended_at"),
        [
            ({"grant": "tools/call:read_note"}, "admitted", None),
            ({"origin": "https://evil.example"}, "refused", "origin"),
            ({"origin": APP}, "refused", "credential"),
            ({"origin": APP, "door": "preflight"}, "granted", None),
            ({"door": "handshake"}, "refused", "origin"),
            ({"origin": APP, "door": "message"}, "refused", "credential"),
            ({"endpoint": "tools"}, "refused", "credential"),
        ],
    )
    def test_the_gate_answers_at_each_door(self, ask, partner, token, values, outcome, ended_at):
        testing.list_origin(APP, partner, "notes")
        response = ask(token=token.secrets.get().pk, **values)
        verdict = response.context["found"].verdict
        assert (verdict.outcome, verdict.step and verdict.step.value) == (outcome, ended_at)
        reached = [*self.results(response).values()]
        if ended_at:
            at = [*self.results(response)].index(ended_at)
            assert set(reached[at + 1 :]) <= {"not reached"}

    def test_nothing_presented_is_nothing_presented(self, ask):
        assert ask().context["found"].verdict.reason.value == "credential_missing"

    def test_it_says_what_the_command_says(self, ask, token, monkeypatch):
        from mcp_guard.management.cli import check
        from mcp_guard.management.cli.call import Answer

        found = ask(token=token.secrets.get().pk, grant="tools/call:x").context["found"]
        answer = check._answer(found)
        assert isinstance(answer, Answer)
        assert answer.data["outcome"] == "refused"
        assert [step["result"] for step in answer.data["steps"]] == [
            each.result.value for each in found.steps
        ]

    @pytest.mark.parametrize(("state", "reason"), [("revoke", "token_revoked"), ("rotate", "token_expired")])
    def test_a_secret_that_works_no_more_can_be_asked_about(self, ask, token, state, reason):
        old = token.secrets.get().pk
        if state == "revoke":
            changes.revoke_token(testing.ACTOR, token)
        else:
            changes.rotate_token(testing.ACTOR, token, overlap=timedelta(0))
        assert ask(token=old).context["found"].verdict.reason.value == reason

    def test_it_changes_nothing_counts_nothing_and_notes_nothing(self, ask, token, caplog):
        before = decisions.all()
        with nothing_changes():
            ask(token=token.secrets.get().pk, grant="tools/call:read_note")
            ask(origin="https://evil.example")
            uses.write()
        assert decisions.all() == before
        assert not TokenUse.objects.exists()
        assert not GrantUse.objects.exists()
        assert not caplog.records

    def test_the_same_code_answers(self, ask, token, monkeypatch):
        asked = []
        explain = gate.explain
        monkeypatch.setattr(gate, "explain", lambda *a: asked.append(a) or explain(*a))
        ask(token=token.secrets.get().pk)
        assert len(asked) == 1

    def test_a_get_asks_nothing(self, browser, partner, monkeypatch):
        monkeypatch.setattr(gate, "explain", None)
        response = browser.get(url("client_check", partner.pk), {"endpoint": "notes", "door": "request"})
        assert response.status_code == 200
        assert response.context["found"] is None

    def test_a_token_of_another_client_is_not_offered(self, ask, other):
        foreign = testing.issue_token(other, "notes", name="foreign").token.secrets.get()
        response = ask(token=foreign.pk)
        assert response.context["found"] is None
        assert "token" in response.context["form"].errors
        assert foreign.mask not in response.content.decode()

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"endpoint": "nope"}, "endpoint"),
            ({"door": "nope"}, "door"),
            ({"door": "preflight"}, "origin"),
            ({"grant": "*"}, "grant"),
            ({"grant": "resources/read:note://public/*"}, "grant"),
            ({"grant": "http:POST"}, "grant"),
        ],
    )
    def test_mistakes_stand_beside_their_fields(self, ask, values, field):
        response = ask(**values)
        assert [*response.context["form"].errors] == [field]
        assert response.context["found"] is None

    def test_http_messages_ask_for_their_method(self, ask, settings, partner):
        settings.MCP_GUARD = {"ENDPOINTS": {"api": {"profile": "token", "messages": "http"}}}
        scope = testing.grant_scope("get", "http:GET")
        secret = testing.issue_token(partner, "api", scopes=[scope]).token.secrets.get()
        assert ask(endpoint="api", token=secret.pk, grant="http:GET").context["found"].is_refused is False
        assert (
            ask(endpoint="api", token=secret.pk).context["found"].verdict.reason.value == "scope_insufficient"
        )

    def test_it_needs_its_permission(self, partner):
        page = url("client_check", partner.pk)
        assert browser_of(staff("view_client", "change_client")).post(page, {}).status_code == 403
        assert browser_of(staff("check_client", name="checker")).get(page).status_code == 200

    def test_hostile_values_are_text(self, ask):
        response = ask(origin='"><script>alert(1)</script>')
        assert b"<script>alert(1)" not in response.content
        assert response.context["found"].verdict.reason.value == "origin_malformed"
