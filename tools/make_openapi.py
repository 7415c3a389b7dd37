"""Writes docs/openapi.json from the declared routes: run it after adding or changing a route."""

import sys
from pathlib import Path
from typing import Final

import msgspec

from tangle.api.openapi import make_openapi
from tangle.api.server import ROUTES

PATH: Final = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"
"""The committed document."""

COMMAND: Final = "python tools/make_openapi.py"
"""How to write it again."""

API_VERSION: Final = "1"
"""Version in the committed document: the API's. A node puts the program's there."""


def make_document() -> str:
    """The whole file."""
    document = msgspec.json.encode(make_openapi(ROUTES, API_VERSION))
    return msgspec.json.format(document, indent=1).decode() + "\n"


if __name__ == "__main__":
    PATH.write_text(make_document(), encoding="utf-8")
    sys.stdout.write(f"{PATH.name}: {len(ROUTES)} routes\n")
