"""Runs the ``tangle`` command inside the test's process, with a home of its own."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tangle.cli.main import main

WORDS = " ".join(["abandon"] * 23 + ["art"])
"""The 24 words of 32 zero bytes (BIP-39)."""

ADDRESS_OF_WORDS = "dmst1qzdkyes5hmre2f7g6qtk6pyuuukva2wtk39gpd9n0p8degvdmxe3k9hd63a"
"""Account 0 under these words, on a development network."""


class Terminal:
    """Runs commands against one home; nobody is at the keyboard."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.password_file = home.parent / "password"
        self.password_file.write_text("correct horse\n")
        self.url = "http://127.0.0.1:1"

    def run(self, *arguments: str, **settings: Any) -> Result:
        """Run ``tangle ARGUMENTS``."""
        environment = {
            "TANGLE_HOME": str(self.home),
            "TANGLE_PASSWORD_FILE": str(self.password_file),
            "TANGLE_URL": self.url,
            "NO_COLOR": "1",
        }
        environment |= settings.pop("env", {})
        return CliRunner().invoke(main, arguments, env=environment, **settings)

    def run_json(self, *arguments: str, **settings: Any) -> Any:
        """Run a command that must succeed, and read its one object."""
        result = self.run("--json", *arguments, **settings)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def fail(self, *arguments: str, **settings: Any) -> tuple[int, str]:
        """Run a command that must fail: its exit status and its one sentence."""
        result = self.run(*arguments, **settings)
        assert result.exit_code != 0, result.output
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        assert result.stderr.count("\n") == 1, result.stderr
        return result.exit_code, result.stderr.strip()
