"""The web page that a node serves at ``/``: files read once, handed out by exact name, with strict headers.

Names are looked up in a table, so no spelling of a path reaches the disk. The files are plain ES modules,
styles and one document; nothing is built, and nothing is loaded from another host.
"""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from aiohttp import web
from msgspec import Struct

from tangle.api.byte_ranges import is_known_tag
from tangle.api.errors import UnknownRoute

WEB_ROOT: Final = Path(__file__).parent / "web"
"""Where the files lie in the package."""

MEDIA_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
"""Kinds of files that are handed out; others in the folder are not."""

DOCUMENT: Final = "index.html"
"""What ``/`` answers with."""

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Scripts, styles and data come from this node alone, and no text can become a script."""

PAGE_FIELDS: Final = {
    "Cache-Control": "no-cache",  # kept, and asked about each time: a node that was upgraded is seen at once
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
}
"""Header fields of every file of the page."""


class WebFile(Struct, frozen=True):
    """One file of the page."""

    content: bytes
    """Its bytes."""

    media_type: str
    """What they are."""

    tag: str
    """Its ``ETag``: a hash of the bytes."""


@cache
def load_web_files(root: Path = WEB_ROOT) -> Mapping[str, WebFile]:
    """Every file of the page by its path relative to ``root``, with slashes.

    :raises OSError: the folder cannot be read.
    """
    files = {}
    for path in sorted(root.rglob("*")):
        media_type = MEDIA_TYPES.get(path.suffix)
        if media_type is None or not path.is_file():
            continue
        content = path.read_bytes()
        tag = f'"{sha256(content).hexdigest()[:32]}"'
        files[path.relative_to(root).as_posix()] = WebFile(content, media_type, tag)
    return files


WEB_FILES: Final = load_web_files()
"""The files of this installation; read when the program starts, never while it serves."""


def make_file_response(
    request: web.Request, name: str, files: Mapping[str, WebFile] = WEB_FILES
) -> web.Response:
    """Answer with the file ``name``, or with 304 when the client has it.

    :raises UnknownRoute: there is no such file.
    """
    file = files.get(name)
    if file is None:
        raise UnknownRoute(request.path)
    headers = {**PAGE_FIELDS, "ETag": file.tag}
    if is_known_tag(request.headers.get("If-None-Match"), file.tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.content, content_type=file.media_type, charset="utf-8", headers=headers)
