"""Wallets on this machine: made, brought along, listed; and every way in which that is refused."""

import json
import os
import pty
import re
import select
import signal
import sys
from pathlib import Path

import pytest

from tangle.cli.networks import resolve_account
from tangle.core.address import decode_address
from tangle.wallet.errors import KeyFileMissing
from tangle.wallet.wallet import WalletStore
from tests.cli.builders import ADDRESS_OF_WORDS, WORDS, Terminal


def import_words(terminal: Terminal, name: str, words: str = WORDS, *more: str) -> dict[str, str]:
    record: dict[str, str] = terminal.run_json(
        "wallet", "import", name, "--words-file", "-", *more, input=words
    )
    return record


def test_new_words_make_the_same_wallet_again(terminal: Terminal) -> None:
    made = terminal.run_json("wallet", "new", "alice")
    assert len(made["words"].split()) == 24
    assert Path(made["file"]).exists()
    again = import_words(terminal, "again", made["words"])
    assert (again["address"], again["public_key"]) == (made["address"], made["public_key"])
    assert "words" not in again


def test_known_words_give_the_known_address(terminal: Terminal) -> None:
    assert import_words(terminal, "alice")["address"] == ADDRESS_OF_WORDS
    assert import_words(terminal, "second", WORDS, "--account", "1")["address"] != ADDRESS_OF_WORDS
    assert terminal.run("wallet", "address", "alice").stdout == ADDRESS_OF_WORDS + "\n"


def test_each_network_has_wallets_of_its_own(terminal: Terminal) -> None:
    assert import_words(terminal, "alice", WORDS, "--network", "main")["address"].startswith("mst1")
    assert terminal.run_json("wallet", "list") == {"wallets": [], "damaged": []}
    assert "no wallets for devnet yet" in terminal.run("wallet", "list").stderr
    listed = terminal.run_json("wallet", "list", env={"TANGLE_NETWORK": "main"})
    assert [entry["name"] for entry in listed["wallets"]] == ["alice"]


def test_lists_show_damaged_files_beside_sound_ones(terminal: Terminal) -> None:
    path = Path(import_words(terminal, "alice", WORDS, "--label", "for rent")["file"])
    path.with_name("broken.json").write_text("{")
    record = terminal.run_json("wallet", "list")
    assert [entry["label"] for entry in record["wallets"]] == ["for rent"]
    assert [entry["name"] for entry in record["damaged"]] == ["broken"]
    shown = terminal.run("wallet", "list")
    assert "for rent" in shown.stdout
    assert "broken: " in shown.stderr


def test_a_keystore_file_is_copied_once_its_password_opens_it(terminal: Terminal, tmp_path: Path) -> None:
    made = terminal.run_json("wallet", "new", "alice")
    copied = terminal.run_json("wallet", "import", "copy", "--keystore", made["file"])
    assert copied["address"] == made["address"]
    wrong = tmp_path / "wrong"
    wrong.write_text("incorrect horse\n")
    status, message = terminal.fail(
        "wallet", "import", "third", "--keystore", made["file"], "--password-file", str(wrong)
    )
    assert (status, message) == (1, f"tangle: {made['file']}: wrong password")
    assert not terminal.home.joinpath("wallets/devnet/third.json").exists()


def test_a_wallet_is_never_overwritten(terminal: Terminal) -> None:
    path = Path(import_words(terminal, "alice")["file"])
    before = path.read_bytes()
    for arguments in (("new", "alice"), ("import", "alice", "--words-file", "-")):
        status, message = terminal.fail("wallet", *arguments, input=WORDS)
        assert status == 1
        assert "never overwritten" in message
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (WORDS.replace("art", "artt"), "word 24, 'artt', is not in the list; did you mean art"),
        (WORDS.removesuffix(" art"), "there are 23"),
        (WORDS.replace("art", "zoo"), "the checksum does not hold"),
        ("", "there are 0"),
    ],
)
def test_wrong_words_are_pointed_at(terminal: Terminal, words: str, message: str) -> None:
    status, told = terminal.fail("wallet", "import", "alice", "--words-file", "-", input=words)
    assert status == 1
    assert message in told
    assert not terminal.home.exists()


@pytest.mark.parametrize("name", ["", "../up", "A", "a" * 41, ".hidden", "a b"])
def test_names_that_make_no_file_are_refused(terminal: Terminal, name: str) -> None:
    status, message = terminal.fail("wallet", "new", name)
    assert status == 1
    assert "cannot name a wallet" in message


def test_nobody_is_asked_without_a_terminal(terminal: Terminal) -> None:
    for arguments, wanted in (
        (("wallet", "new", "a"), "a password for the new wallet"),
        (("wallet", "import", "a"), "the recovery words"),
    ):
        status, message = terminal.fail(*arguments, env={"TANGLE_PASSWORD_FILE": ""})
        assert status == 2
        assert f"{wanted} is needed and nobody can be asked here" in message or "are needed" in message


def test_an_empty_password_is_refused(terminal: Terminal) -> None:
    terminal.password_file.write_text("\n")
    status, message = terminal.fail("wallet", "new", "alice")
    assert status == 1
    assert "the password is empty" in message


def test_recipients_are_addresses_or_wallets(terminal: Terminal) -> None:
    import_words(terminal, "alice")
    wallets = WalletStore(terminal.home / "wallets/devnet", "dmst", os.urandom)
    key = decode_address(ADDRESS_OF_WORDS, "dmst").public_key
    assert resolve_account(wallets, ADDRESS_OF_WORDS) == resolve_account(wallets, "alice") == key
    with pytest.raises(KeyFileMissing):
        resolve_account(wallets, "bob")


@pytest.mark.parametrize(
    ("recipient", "message"),
    [
        (ADDRESS_OF_WORDS[:-1] + ("q" if ADDRESS_OF_WORDS[-1] != "q" else "p"), "look at character"),
        ("mst1" + ADDRESS_OF_WORDS[5:], "checksum does not hold"),
        ("nobody", "there is no such key file"),
    ],
)
def test_a_wrong_recipient_is_refused_before_anything_is_asked(
    terminal: Terminal, recipient: str, message: str
) -> None:
    import_words(terminal, "alice")
    status, told = terminal.fail("wallet", "send", "alice", recipient, "1", env={"TANGLE_PASSWORD_FILE": ""})
    assert status == 1
    assert message in told


@pytest.mark.parametrize("amount", ["0", "1.0000000001", "many", "1e9"])
def test_a_wrong_amount_is_refused(terminal: Terminal, amount: str) -> None:
    import_words(terminal, "alice")
    status, message = terminal.fail("wallet", "send", "alice", ADDRESS_OF_WORDS, amount)
    assert status == 1
    assert "is no amount" in message


def test_a_wrong_password_sends_nothing(terminal: Terminal) -> None:
    import_words(terminal, "alice")
    terminal.password_file.write_text("incorrect horse\n")
    status, message = terminal.fail("wallet", "send", "alice", ADDRESS_OF_WORDS, "1")
    assert status == 1
    assert message.endswith("wrong password")


INTERRUPTS_MAX = 5
"""Times that a person presses ^C."""

PATIENCE_S = 3.0
"""Seconds without a word after which it is pressed again."""


class Typist:
    """A person at a pseudo-terminal, who reads what is printed and answers it."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.seen = ""
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            environment = {**os.environ, "TANGLE_HOME": str(home), "TERM": "dumb"}
            environment.pop("TANGLE_PASSWORD_FILE", None)
            command = [sys.executable, "-m", "tangle.cli", *arguments]
            # What a shell runs in the background inherits an ignored interrupt; what a person runs does not.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.execve(sys.executable, command, environment)  # noqa: S606 -- the child of a pseudo-terminal

    def wait(self, pattern: str) -> re.Match[str]:
        """Read until ``pattern`` has come since the last answer."""
        while (found := re.search(pattern, self.seen, re.DOTALL)) is None:
            self._read()
        return found

    def type(self, text: str) -> None:
        """Answer, and forget what came before."""
        self.seen = ""
        os.write(self._descriptor, f"{text}\n".encode())

    def leave(self) -> int:
        """Read to the end; the exit status."""
        try:
            while True:
                self._read()
        except EOFError:
            return self._finish()

    def interrupt(self) -> int:
        """Press ^C as a person does, again if nothing comes of it (a line editor that is just setting the
        terminal up may miss one); the exit status.
        """
        for _ in range(INTERRUPTS_MAX):
            os.write(self._descriptor, b"\x03")
            try:
                while select.select([self._descriptor], [], [], PATIENCE_S)[0]:
                    self._read()
            except EOFError:
                return self._finish()
        raise AssertionError(f"it goes on after {INTERRUPTS_MAX} interrupts; the last words: {self.seen!r}")

    def _finish(self) -> int:
        os.close(self._descriptor)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> None:
        ready, _, _ = select.select([self._descriptor], [], [], 15)
        assert ready, f"nothing more came after {self.seen!r}"
        try:
            data = os.read(self._descriptor, 65_536)
        except OSError:  # Linux tells so that the other side is gone
            data = b""
        if not data:
            raise EOFError
        self.seen += data.decode()


def read_words(typist: Typist) -> list[str]:
    shown = typist.wait(r"24\. \w+.*Word \d+: ?$").string
    return re.findall(r"\d+\. ([a-z]+)", shown)


def test_at_a_terminal_two_words_are_asked_back(tmp_path: Path) -> None:
    typist = Typist(tmp_path / "home", "wallet", "new", "alice")
    words = read_words(typist)
    assert len(words) == 24
    for prompt in (r"Word (\d+): ?$", r"Word (\d+): ?$"):
        typist.type(words[int(typist.wait(prompt)[1]) - 1])
    for prompt in ("New password: ?$", "The same again: ?$"):
        typist.wait(prompt)
        typist.type("correct horse")
    assert typist.leave() == 0
    keystore = json.loads((tmp_path / "home/wallets/devnet/alice.json").read_text())
    assert keystore["address"] in typist.seen
    assert words[0] + " " + words[1] not in typist.seen


def test_who_did_not_write_the_words_down_gets_no_wallet(tmp_path: Path) -> None:
    typist = Typist(tmp_path / "home", "wallet", "new", "alice")
    read_words(typist)
    for _ in range(3):
        typist.wait(r"Word \d+: ?$")
        typist.type("wrong")
    typist.wait("nothing was written, start again")
    assert typist.leave() == 1
    assert not (tmp_path / "home").exists()


def test_interrupting_leaves_nothing_behind(tmp_path: Path) -> None:
    typist = Typist(tmp_path / "home", "wallet", "new", "alice")
    read_words(typist)
    assert typist.interrupt() == 130
    assert "tangle: stopped" in typist.seen
    assert not (tmp_path / "home").exists()
