"""Passwords and recovery words: from a file, standard input or a person. Never from arguments."""

import secrets
import sys
from pathlib import Path
from typing import Final

import click

from tangle.cli.context import CommandContext
from tangle.cli.errors import MissingInput, WordsNotConfirmed

SECRET_SIZE_MAX: Final = 4_096
"""Longest file with a password or words in bytes: the longest password has 1,024."""

WORDS_ASKED: Final = 2
"""Words asked back of the 24 shown: enough to tell who wrote them down."""

ATTEMPTS_MAX: Final = 3
"""Tries at each word asked back."""

STANDARD_INPUT: Final = Path("-")
"""Stands for standard input where a file is expected."""

REMEDY: Final = "name a file with --password-file or TANGLE_PASSWORD_FILE"
"""What to do where nobody can be asked for a password."""

password_file_option = click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    envvar="TANGLE_PASSWORD_FILE",
    show_envvar=True,
    help="File whose first line is the password; - reads standard input.",
)
"""Where a command gets its password."""


def read_secret_line(path: Path) -> str:
    """The first line of a file or of standard input.

    :raises OSError: the file cannot be read.
    """
    if path == STANDARD_INPUT:
        return sys.stdin.readline(SECRET_SIZE_MAX).rstrip("\r\n")
    with path.open(encoding="utf-8") as file:
        return file.readline(SECRET_SIZE_MAX).rstrip("\r\n")


def get_password(context: CommandContext, path: Path | None) -> str:
    """The password of a wallet that exists.

    :raises MissingInput: no file is named and nobody can be asked.
    """
    if path is not None:
        return read_secret_line(path)
    if not context.is_interactive:
        raise MissingInput("the wallet's password", REMEDY)
    return str(click.prompt("Password", hide_input=True, err=True))


def get_new_password(context: CommandContext, path: Path | None) -> str:
    """A password for a new wallet, asked twice.

    :raises MissingInput: no file is named and nobody can be asked.
    """
    if path is not None:
        return read_secret_line(path)
    if not context.is_interactive:
        raise MissingInput("a password for the new wallet", REMEDY)
    return str(click.prompt("New password", hide_input=True, confirmation_prompt="The same again", err=True))


def get_words(context: CommandContext, path: Path | None) -> str:
    """Recovery words that a person brings along.

    :raises MissingInput: no file is named and nobody can be asked.
    """
    if path is not None:
        if path == STANDARD_INPUT:
            return sys.stdin.read(SECRET_SIZE_MAX)
        with path.open(encoding="utf-8") as file:
            return file.read(SECRET_SIZE_MAX)
    if not context.is_interactive:
        raise MissingInput("the recovery words", "name a file with --words-file, or - for standard input")
    return str(click.prompt("Recovery words", hide_input=True, err=True))


def show_words(words: str) -> None:
    """Print new words on standard error, numbered, six to a line."""
    numbered = [f"{place:2}. {word:<9}" for place, word in enumerate(words.split(), 1)]
    click.echo("\nThese words are the wallet. Write them down: they are shown this once.\n", err=True)
    for start in range(0, len(numbered), 6):
        click.echo("  " + " ".join(numbered[start : start + 6]), err=True)
    click.echo("", err=True)


def confirm_words(words: str) -> None:
    """Ask two of the words back.

    :raises WordsNotConfirmed: one of them was answered wrongly too often.
    """
    listed = words.split()
    places = sorted(secrets.SystemRandom().sample(range(len(listed)), WORDS_ASKED))
    for place in places:
        for _ in range(ATTEMPTS_MAX):
            answer = click.prompt(f"Word {place + 1}", err=True)
            if answer.strip().lower() == listed[place]:
                break
            click.echo("That is another word.", err=True)
        else:
            raise WordsNotConfirmed
