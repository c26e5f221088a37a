"""The top of the admin's pages, the same on each. Knows their addresses and nothing else of them."""

from app.pages.layout import static


def admin_nav(current: str) -> str:
    """The links between the admin's pages as HTML; needs nav.css and ask.js beside it.

    current: the address of the page that has it, which the link to itself says. Raises ValueError for any other.
    """
    nav, link = static("admin/shared/nav.html"), f'href="{current}"'
    if link not in nav:
        raise ValueError(f"{current} is none of the admin's pages; add it to nav.html")
    return nav.replace(link, f'{link} aria-current="page"')
