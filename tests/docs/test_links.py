"""Every relative link of every document leads somewhere, and the index leads to every document."""

from pathlib import PurePosixPath

import pytest

from tests.docs.reading import ROOT, find_links, list_anchors, list_documents, read_document


def is_relative(target: str) -> bool:
    return not target.startswith(("http://", "https://", "mailto:"))


@pytest.mark.parametrize("document", list_documents())
def test_links_lead_somewhere(document: str) -> None:
    broken = []
    for target in filter(is_relative, find_links(read_document(document))):
        place, _, anchor = target.partition("#")
        found = (ROOT / document).parent / place if place else ROOT / document
        if not found.exists() or (anchor and anchor not in list_anchors(found.read_text(encoding="utf-8"))):
            broken.append(target)
    assert not broken


def test_the_index_leads_to_every_document() -> None:
    index = "docs/README.md"
    linked = {
        (ROOT / "docs" / target.partition("#")[0]).resolve()
        for target in find_links(read_document(index))
        if is_relative(target)
    }
    documents = [name for name in list_documents() if PurePosixPath(name).parts[0] == "docs"]
    assert not [name for name in documents if name != index and (ROOT / name).resolve() not in linked]


def test_the_index_names_every_decision_by_its_title() -> None:
    index = read_document("docs/README.md")
    for name in list_documents():
        path = PurePosixPath(name)
        if path.parent.name != "adr" or path.name.startswith("0000"):
            continue
        number, _, title = read_document(name).partition("\n")[0].removeprefix("# ").partition(" ")
        assert f"| [{number}](adr/{path.name}) | {title} |" in index


def test_readme_can_be_read_at_one_sitting() -> None:
    assert len(read_document("README.md").splitlines()) < 120
