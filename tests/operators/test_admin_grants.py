"""The form of a scope: what the mounted servers have is ticked, everything else is typed."""

from __future__ import annotations

import asyncio
import re

import pytest
from django.urls import reverse
from mcp.server.mcpserver import MCPServer

from mcp_guard import mounts, offers, testing
from mcp_guard.mcp import catalogue, mount
from mcp_guard.mcp.server import lowlevel
from mcp_guard.models import Scope

pytestmark = pytest.mark.django_db
ADD = "admin:mcp_guard_scope_add"
BOX = re.compile(r'<input type="checkbox" name="grants-offered" value="([^"]*)" id="[^"]+"( checked)?>')
TICKED = ["tools/call:read_note", "prompts/get:summary"]


@pytest.fixture
def server(monkeypatch) -> MCPServer:
    """Return the only server object that is mounted in this process."""
    monkeypatch.setattr(mounts, "CATALOGUES", {})
    server = MCPServer("notes", log_level="WARNING")

    @server.tool()
    async def read_note(note_id: int) -> str:
        """Return the text of a note.

        At length.
        """
        return ""

    @server.tool(name='odd "name" <b>')
    async def odd() -> str:
        return ""

    @server.resource("note://public/hours")
    async def hours() -> str:
        return ""

    @server.resource("note://public/{name}")
    async def public(name: str) -> str:
        return name

    @server.resource("note://{space}/{name}")
    async def anywhere(space: str, name: str) -> str:
        return name

    @server.prompt(title="Sum it up")
    async def summary() -> str:
        return ""

    return server


@pytest.fixture
def mounted(server):
    mount(server, endpoint="notes")
    mount(server, endpoint="notes")
    return server


def boxes(page) -> dict[str, bool]:
    """Return the checkboxes of a page by the grant they stand for, and whether they are ticked."""
    found = re.findall(
        r'<input type="checkbox" name="grants-offered" value="([^"]*)" id="[^"]+"( checked)?>', page
    )
    return {value: bool(ticked) for value, ticked in found}


def typed(page) -> str:
    return re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.DOTALL)[1].strip()


def get(admin_client, *pk) -> str:
    name = "admin:mcp_guard_scope_change" if pk else ADD
    return admin_client.get(reverse(name, args=pk)).content.decode()


def test_what_a_mounted_server_has_is_offered_once(admin_client, mounted):
    page = get(admin_client)

    assert boxes(page) == {
        "tools/call:read_note": False,
        "tools/call:odd &quot;name&quot; &lt;b&gt;": False,
        "resources/read:note://public/hours": False,
        "resources/read:note://public/*": False,
        "prompts/get:summary": False,
        "subscriptions/listen": False,
    }
    assert "Return the text of a note." in page
    assert "At length" not in page
    assert "<legend>Tools " in page


def test_a_grant_that_two_endpoints_offer_has_one_box_that_names_both(admin_client, mounted):
    mount(MCPServer("notes too", tools=mounted._tool_manager.list_tools()), endpoint="tools")
    page = get(admin_client)

    assert page.count('value="tools/call:read_note"') == 1
    assert '<legend>Tools <span class="mcp-guard-endpoint">notes, tools</span></legend>' in page


def test_ticked_and_typed_grants_are_written(admin_client, mounted):
    data = {
        "name": "read",
        "grants": "logging/setLevel",
        "grants-offered": ["tools/call:read_note", "prompts/get:summary"],
    }
    assert admin_client.post(reverse(ADD), data).status_code == 302

    scope = Scope.objects.get()
    assert set(scope.grants) == {"logging/setLevel", "tools/call:read_note", "prompts/get:summary"}
    page = get(admin_client, scope.pk)
    assert typed(page) == "logging/setLevel"
    assert {grant for grant, ticked in boxes(page).items() if ticked} == {
        "tools/call:read_note",
        "prompts/get:summary",
    }


def test_saving_what_is_shown_changes_nothing(admin_client, mounted):
    scope = testing.grant_scope("read", "tools/call:read_note", "logging/setLevel", "prompts/get:summary")
    data = {
        "name": "read",
        "grants": "logging/setLevel",
        "grants-offered": ["prompts/get:summary", "tools/call:read_note"],
    }

    admin_client.post(reverse("admin:mcp_guard_scope_change", args=[scope.pk]), data)

    scope = Scope.objects.get()
    assert scope.grants == ["tools/call:read_note", "logging/setLevel", "prompts/get:summary"]


def test_unticking_takes_a_grant_away(admin_client, mounted):
    scope = testing.grant_scope("read", "tools/call:read_note", "logging/setLevel")

    admin_client.post(
        reverse("admin:mcp_guard_scope_change", args=[scope.pk]),
        {"name": "read", "grants": "logging/setLevel"},
    )

    assert Scope.objects.get().grants == ["logging/setLevel"]


def test_what_is_ticked_is_checked_like_what_is_typed(admin_client, mounted):
    data = {"name": "all", "grants": "", "grants-offered": ["*", "tools/call:read_note"]}
    page = admin_client.post(reverse(ADD), data)

    assert page.status_code == 200
    assert "would open everything" in page.content.decode()
    assert not Scope.objects.exists()


def test_a_bare_star_is_refused_and_told_why(admin_client, mounted):
    page = admin_client.post(reverse(ADD), {"name": "all", "grants": "*"}).content.decode()

    assert "would open everything, also what the server gains later" in page
    assert not Scope.objects.exists()


def test_without_a_server_in_this_process_everything_is_typed(admin_client, monkeypatch):
    monkeypatch.setattr(mounts, "CATALOGUES", {})
    scope = testing.grant_scope("read", "tools/call:read_note")

    page = get(admin_client, scope.pk)

    assert boxes(page) == {}
    assert typed(page) == "tools/call:read_note"


async def _never():
    await asyncio.sleep(60)


async def _fails():
    raise RuntimeError("no database")


@pytest.mark.parametrize("catalogue_of", [_never, _fails])
def test_a_server_that_does_not_answer_holds_nobody_up(admin_client, mounted, monkeypatch, catalogue_of):
    monkeypatch.setattr(offers, "ASK_SECONDS", 0.05)
    mounts.serve("slow", object(), catalogue_of)
    monkeypatch.setattr(offers, "ASK_SECONDS", 5 if catalogue_of is _fails else 0.5)

    page = get(admin_client)

    assert "The server behind slow did not say what it has" in page
    assert "tools/call:read_note" in boxes(page) or catalogue_of is _never


def test_a_server_that_has_no_end_of_tools_holds_nobody_up(server, monkeypatch, caplog):
    async def endless():
        return [
            mounts.Offered("tools", f"tools/call:t{number // 2}", "x" * 5000) for number in range(200_000)
        ]

    monkeypatch.setattr(mounts, "CATALOGUES", {"api": {server: endless}})
    found = offers.ask().by_endpoint["api"]

    assert [each.grant for each in found] == [f"tools/call:t{n}" for n in range(offers.MOST_OFFERED)]
    assert {len(each.title) for each in found} == {offers.MOST_TITLE}
    assert "api has more than 1000 grants" in caplog.text


def test_nobody_is_asked_for_one_who_may_only_look(client, mounted, django_user_model, monkeypatch):
    from django.contrib.auth.models import Permission

    user = django_user_model.objects.create(username="reader", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_scope"))
    client.force_login(user)
    scope = testing.grant_scope("read", "tools/call:read_note")
    monkeypatch.setattr(offers, "ask", lambda: pytest.fail("asked"))

    assert "tools/call:read_note" in get(client, scope.pk)


async def test_long_lists_are_asked_page_by_page():
    from mcp import types
    from mcp.server.lowlevel import Server

    async def tools(ctx, params):
        page = int(params.cursor or "0") if params is not None else 0
        names = [f"tool_{page}_{number}" for number in range(3)]
        listed = [types.Tool(name=name, input_schema={"type": "object"}) for name in names]
        return types.ListToolsResult(tools=listed, next_cursor=str(page + 1))

    offered = await catalogue.catalogue(lowlevel(Server("many", on_list_tools=tools)))
    assert len(offered) == 3 * catalogue.PAGES
    assert offered[0] == mounts.Offered("tools", "tools/call:tool_0_0", "")
