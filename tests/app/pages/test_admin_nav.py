"""The top of the admin's pages."""

import pytest

from app.pages.admin_nav import admin_nav

PAGES = ("/admin/overview/", "/admin/quality/", "/admin/people/", "/admin/guidelines/")


@pytest.mark.parametrize("current", PAGES)
def test_the_page_one_stands_on_is_marked(current: str):
    nav = admin_nav(current)
    assert all(f'href="{page}"' in nav for page in PAGES)
    assert nav.count("aria-current") == 1
    assert f'href="{current}" aria-current="page"' in nav


def test_a_page_that_is_none_of_the_admins_is_named():
    with pytest.raises(ValueError, match="/account is none"):
        admin_nav("/account")
