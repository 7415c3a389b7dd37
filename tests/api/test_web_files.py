"""The files of the web page: what they are, what browsers may do with them, and nothing beside them."""

import re
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder
from yarl import URL

from tangle.api.web_files import CONTENT_POLICY, MEDIA_TYPES, WEB_FILES, WEB_ROOT, load_web_files
from tests.api.serving import Http

SOURCES = {name: file.content.decode() for name, file in WEB_FILES.items()}


async def test_the_page_lies_at_the_root(http: Http) -> None:
    status, content, response = await http.ask("GET", "/")
    assert status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert content == (WEB_ROOT / "index.html").read_bytes()
    assert response.headers["Content-Security-Policy"] == CONTENT_POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-cache"


async def test_every_file_has_its_type_and_the_strict_headers(http: Http) -> None:
    for name, file in WEB_FILES.items():
        status, content, response = await http.ask("GET", f"/web/{name}")
        assert (status, content) == (200, file.content)
        assert response.content_type == MEDIA_TYPES[Path(name).suffix]
        assert response.headers["Content-Security-Policy"] == CONTENT_POLICY


async def test_nothing_is_sent_twice_to_who_has_it(http: Http) -> None:
    _, _, first = await http.ask("GET", "/")
    tag = first.headers["ETag"]
    for stated in (tag, f'"other", W/{tag}', "*"):
        status, content, again = await http.ask("GET", "/", headers={"If-None-Match": stated})
        assert (status, content, again.headers["ETag"]) == (304, b"", tag)
    status, _, _ = await http.ask("GET", "/", headers={"If-None-Match": '"other"'})
    assert status == 200


async def test_a_head_has_the_fields_and_no_body(http: Http) -> None:
    status, content, response = await http.ask("HEAD", "/web/app.js")
    assert (status, content) == (200, b"")
    assert int(response.headers["Content-Length"]) == len(WEB_FILES["app.js"].content)


@pytest.mark.parametrize(
    "path",
    [
        "/web/",
        "/web/none.js",
        "/web/../web_files.py",
        "/web/%2e%2e/web_files.py",
        "/web/..%2fweb_files.py",
        "/web/..%5cweb_files.py",
        "/web/%2fetc%2fpasswd",
        "/web//etc/passwd",
        "/web/app.js%00.css",
        "/web/app.js/",
        "/web/./app.js/../../web_files.py",
        "/index.html",
    ],
)
async def test_nothing_else_is_handed_out(http: Http, path: str) -> None:
    options: dict[str, Any] = {}
    async with http.session.get(URL(http.base_url + path, encoded=True), **options) as response:
        content = await response.json(content_type="application/problem+json")
    assert (response.status, content["code"]) == (404, "route-unknown")


async def test_it_is_only_read(http: Http) -> None:
    assert await http.refuse("POST", "/") == (405, "method-not-allowed")
    assert await http.refuse("PUT", "/web/app.js", data=b"x") == (405, "method-not-allowed")


def test_other_kinds_of_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "page.html").write_text("<p>")
    (tmp_path / "secret.pem").write_text("secret")
    assert list(load_web_files(tmp_path)) == ["deep/page.html"]


def test_no_file_names_another_host_or_makes_code_of_text() -> None:
    outside = re.compile(r"https?://(?!www\.w3\.org/|127\.0\.0\.1|localhost)")
    inside = re.compile(r"\binnerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    for name, source in SOURCES.items():
        assert not outside.search(source), name
        assert not inside.search(source), name


def test_no_inline_script_or_style_needs_an_exception_from_the_policy() -> None:
    page = SOURCES["index.html"]
    assert "unsafe" not in CONTENT_POLICY
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)


def test_every_import_leads_to_a_file() -> None:
    for name, source in SOURCES.items():
        for target in re.findall(r"""(?:from|import)\s*\(?\s*["'](\.[^"']+)["']""", source):
            found = (WEB_ROOT / name).parent / target
            assert found.resolve().relative_to(WEB_ROOT.resolve()).as_posix() in WEB_FILES, (name, target)
    for target in re.findall(r'(?:src|href)="/web/([^"]+)"', SOURCES["index.html"]):
        assert target in WEB_FILES, target


def test_the_wheel_ships_every_file() -> None:
    root = WEB_ROOT.parent.parent.parent
    shipped = {file.distribution_path for file in WheelBuilder(str(root)).recurse_included_files()}
    assert {f"tangle/api/web/{name}" for name in WEB_FILES} <= shipped


def test_every_name_that_a_script_imports_is_exported() -> None:
    """The browser would notice only when somebody opens the page; there is no build step that could."""
    exported = re.compile(r"^export (?:async )?(?:const|let|function\*?|class) (\w+)", re.MULTILINE)
    imported = re.compile(r'^import \{([^}]*)\} from "([^"]+)"', re.MULTILINE)
    checked = 0
    for script in sorted(WEB_ROOT.rglob("*.js")):
        for names, place in imported.findall(script.read_text(encoding="utf-8")):
            source = (script.parent / place).resolve()
            known = set(exported.findall(source.read_text(encoding="utf-8")))
            wanted = {name.split(" as ")[0].strip() for name in names.split(",") if name.strip()}
            assert wanted <= known, f"{script.name} wants {wanted - known} of {source.name}"
            checked += len(wanted)
    assert checked > 50
