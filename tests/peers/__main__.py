"""Write docs/peers.md: ``python -m tests.peers``."""

from __future__ import annotations

from tests.peers import page

if __name__ == "__main__":
    page.PAGE.write_text(page.text(), "utf-8")
    print(f"{page.PAGE} is written")
