"""The screens under a theme that has templates of its own, with the buttons of a form below the page."""

from __future__ import annotations

import copy

import pytest

from tests.operators.admin_pages import url

pytestmark = pytest.mark.django_db

FORM = """{% extends "admin/base_site.html" %}{% load admin_modify %}
{% block content %}<form method="post">{% csrf_token %}{% block form_top %}{% endblock %}</form>{% endblock %}
{% block footer %}{% block submit_buttons_bottom %}{% submit_row %}{% endblock %}{% endblock %}"""


@pytest.fixture
def theme(settings):
    """Put the theme's form before Django's."""
    templates = copy.deepcopy(settings.TEMPLATES)
    del templates[0]["APP_DIRS"]
    own = ("django.template.loaders.locmem.Loader", {"admin/change_form.html": FORM})
    templates[0]["OPTIONS"]["loaders"] = [own, "django.template.loaders.app_directories.Loader"]
    settings.TEMPLATES = templates


@pytest.mark.parametrize("view", ["endpointstate_changelist", "dashboard", "status"])
def test_pages_that_are_no_forms_need_nothing_of_a_form(theme, browser, view):
    page = browser.get(url(view))
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()


def test_the_page_of_an_endpoint_has_its_own_buttons_alone(theme, browser):
    page = browser.get(url("endpointstate_change", "notes"))
    assert "Report only until then" in page.content.decode()
    assert 'name="_save"' not in page.content.decode()


def test_a_form_has_its_buttons_where_the_theme_puts_them(theme, browser, partner):
    page = browser.get(url("client_change", partner.pk)).content.decode()
    assert page.count('name="_save"') == 1
    assert "Recent refusals" in page
