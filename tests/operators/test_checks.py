"""The system checks: each id is provoked by one mistake, and a site without that mistake does not have it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from mcp_guard import changes, mounts
from mcp_guard.asgi import front_door
from mcp_guard.checks import IDS
from mcp_guard.checks.deployment import check_rows
from mcp_guard.testing import ACTOR, add_client, list_origin

ROOT = Path(__file__).parents[2]
PREFIX = "mcp_guard."

GUARDED = """
from django.http import HttpResponse
from django.urls import path
from mcp_guard.http.guarded import guarded

def view(request):
    return HttpResponse()

urlpatterns = [path("tools/mcp", guarded(endpoint="tools")(view))]
"""
UNGUARDED = "urlpatterns = []"
TRANSLATED = f"""{GUARDED}
from django.conf.urls.i18n import i18n_patterns

urlpatterns = i18n_patterns(*urlpatterns)
"""
WITH_FRONT_DOOR = """
from mcp_guard.asgi import front_door

async def django(scope, receive, send): ...

application = front_door(django)
"""
WITHOUT_FRONT_DOOR = "async def application(scope, receive, send): ..."
MOUNTED_APP = """
from mcp_guard.asgi import guard

async def app(scope, receive, send): ...

application = guard(app, endpoint="tools")
"""
BROKEN = "raise RuntimeError('half a module')"

GUARD = "mcp_guard.http.middleware.GuardMiddleware"
CORS = "corsheaders.middleware.CorsMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
ENDPOINT = {"profile": "token", "require_tls": True}

RIGHT: dict[str, Any] = {
    "DEBUG": False,
    "ALLOWED_HOSTS": ["api.example.com"],
    "ROOT_URLCONF": "checked_urls",
    "ASGI_APPLICATION": "checked_asgi.application",
    "MIDDLEWARE": [GUARD, CORS, COMMON],
    "CORS_ALLOW_ALL_ORIGINS": False,
    "CORS_URLS_REGEX": r"^/api/.*$",
    "MCP_GUARD": {"ENDPOINTS": {"tools": ENDPOINT}},
}
"""Settings of a site without a mistake."""


def ship(destination: dict[str, Any]) -> dict[str, Any]:
    return {"MCP_GUARD": {"ENDPOINTS": {"tools": ENDPOINT}, "SHIP": {"siem": destination}}}


def endpoint(**values: Any) -> dict[str, Any]:
    return {"MCP_GUARD": {"ENDPOINTS": {"tools": ENDPOINT | values}}}


@dataclass(frozen=True)
class Site:
    """A site that differs from the right one."""

    settings: dict[str, Any] = field(default_factory=dict)
    urls: str = GUARDED
    asgi: str = WITH_FRONT_DOOR


def serve(**values: Any) -> dict[str, Any]:
    servers = {"profile": "token", "require_tls": True}
    return {"MCP_GUARD": {"ENDPOINTS": {"tools": ENDPOINT}, "SERVERS": servers, **values}}


FOR_DEPLOYMENT = {"W004", "W005", "W006", "W008", "W020", "W021", "W030", "W040", "W041", "W043"}
"""What only ``check --deploy`` says of settings; what it says of rows is W007, W008, W010, W022 and W042."""

Check = Callable[..., list[checks.CheckMessage]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Return a function that runs the checks of a site, whose modules they import themselves."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(mounts, "MOUNTED", {})

    def run(site: Site, *, deploy: bool = True) -> list[checks.CheckMessage]:
        for name, text in (("checked_urls", site.urls), ("checked_asgi", site.asgi)):
            (tmp_path / f"{name}.py").write_text(text, "utf-8")
            sys.modules.pop(name, None)
        with override_settings(**(RIGHT | site.settings)):
            found = checks.run_checks(
                tags=[checks.Tags.security, checks.Tags.database],
                include_deployment_checks=deploy,
                databases=["default"],
            )
        return [message for message in found if message.id.startswith(PREFIX)]

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield run
    for name in ("checked_urls", "checked_asgi"):
        sys.modules.pop(name, None)


def ids(messages: list[checks.CheckMessage]) -> list[str]:
    return sorted(message.id.removeprefix(PREFIX) for message in messages)


WRONG = {
    "E001": Site({"MCP_GUARD": {"MAX_AGE": 1}}, urls=UNGUARDED),
    "E002": Site({"MCP_GUARD": {"ENDPOINT": {}}}, urls=UNGUARDED),
    "E003": Site(endpoint(profile="tokens"), urls=UNGUARDED),
    "E004": Site(endpoint(profile="partner", any_origin=True), urls=UNGUARDED),
    "E005": Site(endpoint(hosts=["*"]), urls=UNGUARDED),
    "E006": Site({"MIDDLEWARE": [COMMON]}),
    "E007": Site({"MIDDLEWARE": [COMMON, GUARD]}),
    "E008": Site({"CORS_ALLOW_ALL_ORIGINS": True, "CORS_URLS_REGEX": r"^/.*$"}),
    "E010": Site(asgi=BROKEN),
    "W001": Site(urls=UNGUARDED),
    "W002": Site(asgi=WITHOUT_FRONT_DOOR),
    "W003": Site(endpoint(forward_authorization=True)),
    "W004": Site({"DEBUG": True}),
    "W005": Site({"ALLOWED_HOSTS": ["api.example.com", "*"]}),
    "W006": Site(endpoint(require_tls=False)),
    "W008": Site(endpoint(report_only=(datetime.now(UTC) + timedelta(days=2)).isoformat())),
    "W009": Site(urls=TRANSLATED),
    "W020": Site(ship({"url": "syslog+udp://10.0.0.9"})),
    "W021": Site(ship({"url": "https://collector.example.com", "token_env": "MCP_GUARD_NOT_SET"})),
    "W030": Site(endpoint(profile="local")),
    "W031": Site(endpoint(profile="local", nonce_query=True)),
    "W032": Site(endpoint(ws_credentials=["header", "subprotocol"])),
    "W040": Site(serve(SERVERS_LEVEL="unconfined")),
    "W041": Site(serve(SERVERS_NEED_APPROVAL=False)),
    "W043": Site(serve() | {"BASE_DIR": Path("/usr/src/app")}),
}
"""One mistake for each id; those of rows and of what is installed have tests of their own."""

ALSO = {name: ["W001"] for name in ("E003", "E004", "E005", "W040", "W041", "W043")} | {"W031": ["W030"]}
"""A setting that cannot be used cannot be mounted either, and a nonce is a local endpoint's."""


@pytest.mark.django_db
def test_a_right_site_has_no_message(check):
    assert check(Site()) == []


@pytest.mark.django_db
@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_has_its_id_and_no_other(check, name):
    messages = check(WRONG[name])

    assert ids(messages) == sorted([name, *ALSO.get(name, [])])
    assert all(message.is_serious() == message.id.startswith("mcp_guard.E") for message in messages)


def test_every_id_is_provoked():
    elsewhere = {"E009", "E020", "E030", "W007", "W010", "W022", "W042"}

    assert {name.removeprefix(PREFIX) for name in IDS} == set(WRONG) | elsewhere


@pytest.mark.django_db
@pytest.mark.parametrize("name", WRONG)
def test_what_is_right_while_developing_is_said_only_for_deployment(check, name):
    assert (name in ids(check(WRONG[name], deploy=False))) == (name not in FOR_DEPLOYMENT)


@pytest.mark.django_db
def test_every_problem_of_the_settings_is_listed_with_its_place(check):
    messages = check(Site({"MCP_GUARD": {"MAX_AGE": 1, "MAX_AGES": 1}}, urls=UNGUARDED))

    assert [message.msg for message in messages] == [
        "MCP_GUARD['MAX_AGES'] is not a setting.",
        "MCP_GUARD['MAX_AGE'] is 1, not a number from 3 to 300.",
    ]


@pytest.mark.django_db
class TestMiddleware:
    def test_a_subclass_of_the_middleware_counts(self, check, monkeypatch):
        from mcp_guard.http import middleware

        monkeypatch.setattr(
            middleware, "Ours", type("Ours", (middleware.GuardMiddleware,), {}), raising=False
        )

        assert check(Site({"MIDDLEWARE": ["mcp_guard.http.middleware.Ours", COMMON]})) == []

    def test_without_guarded_views_there_is_no_need_of_it(self, check):
        assert check(Site({"MIDDLEWARE": [COMMON]}, urls=UNGUARDED, asgi=MOUNTED_APP)) == []

    def test_it_is_named_with_the_guarded_view(self, check):
        [message] = check(WRONG["E006"])

        assert message.msg.startswith("tools/mcp is guarded, but ")

    def test_one_that_cannot_be_imported_is_left_to_django(self, check):
        assert check(Site({"MIDDLEWARE": [GUARD, "nowhere.Middleware"]})) == []

    def test_one_whose_import_raises_anything_is_left_to_django(self, check, tmp_path):
        (tmp_path / "checked_half.py").write_text(BROKEN, "utf-8")

        assert check(Site({"MIDDLEWARE": [GUARD, "checked_half.Middleware"]})) == []


@pytest.mark.django_db
class TestCors:
    ABOVE = (CORS, GUARD)

    def test_above_the_guard_it_answers_preflights_of_guarded_paths(self, check):
        messages = check(Site({"MIDDLEWARE": self.ABOVE, "CORS_URLS_REGEX": r"^/tools/.*$"}))

        assert ids(messages) == ["E007", "E008"]

    def test_above_the_guard_with_other_paths_only_the_order_is_wrong(self, check):
        assert ids(check(Site({"MIDDLEWARE": self.ABOVE}))) == ["E007"]

    def test_below_the_guard_it_may_match_guarded_paths(self, check):
        assert check(Site({"CORS_URLS_REGEX": r"^/.*$"})) == []

    def test_for_everybody_it_may_answer_other_paths(self, check):
        assert check(Site({"CORS_ALLOW_ALL_ORIGINS": True})) == []

    @pytest.mark.parametrize("pattern", ["(", None])
    def test_a_pattern_that_is_none_is_left_to_its_own_checks(self, check, pattern):
        assert check(Site({"CORS_ALLOW_ALL_ORIGINS": True, "CORS_URLS_REGEX": pattern})) == []


@pytest.mark.django_db
class TestMounts:
    def test_what_only_the_asgi_application_mounts_is_mounted(self, check):
        assert check(Site(urls=UNGUARDED, asgi=MOUNTED_APP)) == []

    def test_without_asgi_application_the_hint_says_what_the_check_cannot_see(self, check):
        [message] = check(Site({"ASGI_APPLICATION": None}, urls=UNGUARDED))

        assert message.id == "mcp_guard.W001"
        assert "once ASGI_APPLICATION names it" in message.hint

    def test_without_asgi_application_no_front_door_is_missed(self, check):
        assert check(Site({"ASGI_APPLICATION": None})) == []

    def test_without_guarded_views_no_front_door_is_missed(self, check):
        asgi = f"{MOUNTED_APP}\nguarded = application\nasync def application(scope, receive, send): ..."

        assert check(Site(urls=UNGUARDED, asgi=asgi)) == []

    @pytest.mark.parametrize(
        ("site", "text"),
        [
            (Site(urls=BROKEN), "ROOT_URLCONF cannot be imported: RuntimeError: half a module"),
            (Site(asgi=BROKEN), "ASGI_APPLICATION cannot be imported: RuntimeError: half a module"),
            (
                Site({"ASGI_APPLICATION": "nowhere.application"}),
                "ASGI_APPLICATION cannot be imported: ModuleNotFoundError: No module named 'nowhere'",
            ),
            (
                Site({"ASGI_APPLICATION": "application"}),
                "ASGI_APPLICATION cannot be imported: ValueError: Empty module name",
            ),
            (
                Site(urls=GUARDED.replace('endpoint="tools"', 'endpoint="x"')),
                "ROOT_URLCONF cannot be imported: ImproperlyConfigured: MCP_GUARD declares no endpoint 'x'.",
            ),
        ],
    )
    def test_a_module_that_cannot_be_imported_is_named_and_stops_no_other_check(self, check, site, text):
        messages = check(Site({"DEBUG": True} | site.settings, site.urls, site.asgi))

        assert ids(messages) == ["E010", "W004"]
        [message] = [m.msg for m in messages if m.id == "mcp_guard.E010"]
        assert message.startswith(text)

    def test_both_modules_are_named(self, check):
        assert ids(check(Site(urls=BROKEN, asgi=BROKEN))) == ["E010", "E010"]

    def test_a_site_without_urls_has_none_that_are_guarded(self, check):
        assert ids(check(Site({"ROOT_URLCONF": None}))) == ["W001"]


@pytest.mark.django_db
class TestDaphne:
    @pytest.mark.parametrize("installed", ["4.2.1", "4.2", "3.0.2", "4.1.2.dev1"])
    def test_an_old_one_is_refused(self, check, monkeypatch, installed):
        monkeypatch.setattr("mcp_guard.checks.installation.version", lambda name: installed)

        assert [(m.id, m.msg) for m in check(Site())] == [
            ("mcp_guard.E009", f"Daphne {installed} is installed.")
        ]

    @pytest.mark.parametrize("installed", ["4.2.2", "4.2.10", "4.3", "5.0.0a1"])
    def test_a_new_one_is_not(self, check, monkeypatch, installed):
        monkeypatch.setattr("mcp_guard.checks.installation.version", lambda name: installed)

        assert check(Site()) == []

    def test_none_is_needed(self, check, monkeypatch):
        def missing(name):
            raise PackageNotFoundError(name)

        monkeypatch.setattr("mcp_guard.checks.installation.version", missing)

        assert check(Site()) == []


@pytest.mark.django_db
class TestRows:
    @pytest.mark.parametrize(
        "origin",
        [
            "http://localhost",
            "https://localhost:3000",
            "http://app.localhost:5173",
            "http://127.0.0.1:8080",
            "http://127.1.2.3",
            "http://0.0.0.0:8000",
            "http://[::1]:5173",
        ],
    )
    def test_a_local_origin_is_warned_about(self, check, origin):
        list_origin(origin, add_client(), "tools")

        assert [(m.id, m.msg) for m in check(Site())] == [
            ("mcp_guard.W007", f"The origin {origin} is listed.")
        ]
        assert check(Site(), deploy=False) == []

    @pytest.mark.parametrize(
        "origin", ["https://localhost.example", "https://notlocalhost", "app://localhost"]
    )
    def test_another_origin_is_not(self, check, origin):
        list_origin(origin, add_client(), "tools")

        assert check(Site()) == []

    def test_a_local_origin_that_counts_no_more_is_not(self, check, monkeypatch):
        client = add_client()
        list_origin("http://localhost:1", client, "tools", active=False)
        row = list_origin(
            "http://localhost:2", client, "tools", expires_at=datetime.now(UTC) + timedelta(days=1)
        )
        later = row.expires_at + timedelta(seconds=1)
        monkeypatch.setattr("mcp_guard.checks.deployment.timezone.now", lambda: later)

        assert check(Site()) == []

    def test_an_endpoint_that_an_operator_switched_to_report_only_is_warned_about(self, check):
        with override_settings(MCP_GUARD=RIGHT["MCP_GUARD"]):
            changes.report_only(ACTOR, "tools")

        [message] = check(Site())
        assert message.id == "mcp_guard.W008"
        assert "'tools' is in report-only until 2" in message.msg

        with override_settings(MCP_GUARD=RIGHT["MCP_GUARD"]):
            changes.enforce(ACTOR, "tools")
        assert check(Site()) == []

    def test_a_report_only_date_that_has_passed_is_not(self, check):
        assert check(Site(endpoint(report_only="2001-01-01"))) == []


@pytest.mark.parametrize("databases", [None, [], ["another"]])
def test_rows_are_read_only_where_their_database_is_asked_about(databases):
    """There is no ``django_db`` mark here: a query would fail."""
    assert check_rows(databases=databases) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [((), []), (("--deploy",), []), (("--deploy", "--database", "default"), ["mcp_guard.W010"])],
)
def test_before_the_first_migration_the_checks_answer(tmp_path, options, expected):
    done = subprocess.run(
        [sys.executable, "-m", "django", "check", *options],
        cwd=ROOT,
        env={
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}",
            "PATH": os.environ["PATH"],
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert [name for name in ("mcp_guard.W010",) if name in done.stderr] == expected


LOCAL = endpoint(profile="local")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ("manage.py runserver 0.0.0.0:8000", "0.0.0.0:8000"),
        ("manage.py runserver --noreload [::]:8000", "[::]:8000"),
        ("manage.py runserver 192.168.1.7:8000", "192.168.1.7:8000"),
        ("/venv/bin/daphne -b 0.0.0.0 site.asgi:application", "0.0.0.0"),
        ("/venv/bin/uvicorn --host=example.com site.asgi:application", "example.com"),
        ("/site-packages/uvicorn/__main__.py --host 10.0.0.1 site.asgi:application", "10.0.0.1"),
        ("/venv/bin/gunicorn --bind 127.0.0.1:8000 --bind 10.0.0.1:8000 site.wsgi", "10.0.0.1:8000"),
        ("/venv/bin/gunicorn -b :8000 site.wsgi", ":8000"),
        ("/venv/bin/gunicorn -b10.0.0.1:8000 site.wsgi", "10.0.0.1:8000"),
    ],
)
def test_a_local_endpoint_is_for_a_server_of_this_machine(check, monkeypatch, arguments, address):
    monkeypatch.setattr(sys, "argv", arguments.split())

    [message] = [one for one in check(Site(LOCAL)) if one.id == "mcp_guard.E030"]

    assert (
        message.msg == f"Endpoint 'tools' has the profile 'local', but the server is to listen on {address}."
    )
    assert "E030" not in ids(check(Site()))
    if "runserver" not in arguments:  # a command may load the front door and serve nothing
        with override_settings(**LOCAL), pytest.raises(ImproperlyConfigured, match=re.escape(address)):
            front_door(None)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [
        "manage.py runserver",
        "manage.py runserver 8000",
        "manage.py runserver localhost:8000",
        "manage.py runserver 127.0.0.1:8000",
        "manage.py runserver [::1]:8000",
        "manage.py migrate 0.0.0.0:8000",
        "/venv/bin/daphne site.asgi:application",
        "/venv/bin/daphne -b ::1 -p 8000 site.asgi:application",
        "/venv/bin/uvicorn --host 127.0.0.1 --uds /run/site.sock site.asgi:application",
        "/venv/bin/gunicorn -b unix:/run/site.sock site.wsgi",
        "/venv/bin/pytest --host 0.0.0.0",
    ],
)
def test_a_server_of_this_machine_is_left_alone(check, monkeypatch, arguments):
    monkeypatch.setattr(sys, "argv", arguments.split())

    assert "E030" not in ids(check(Site(LOCAL)))


@pytest.mark.django_db
@pytest.mark.parametrize(("endpoints", "said"), [(["tools"], []), (["tools", "other"], ["W007"])])
def test_a_page_of_this_machine_is_right_for_a_local_endpoint(check, endpoints, said):
    origins = {"MCP_GUARD": {"ENDPOINTS": {"tools": {"profile": "local"}, "other": ENDPOINT}}}
    with override_settings(**origins):
        client = add_client()
        list_origin("http://localhost:3000", client, *endpoints)

    assert [name for name in ids(check(Site(origins))) if name == "W007"] == said
