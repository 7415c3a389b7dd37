"""docs/cli.md is what the commands say of themselves."""

from tools.make_cli_docs import PATH, make_document


def test_the_reference_is_current() -> None:
    assert PATH.read_text(encoding="utf-8") == make_document(), "run: python tools/make_cli_docs.py"
