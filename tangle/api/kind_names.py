"""Stable names of kinds in answers: what a record is, in the words of its class."""


def compute_kind_name(record: object) -> str:
    """``job-opened`` for a ``JobOpened``, and so on."""
    name = type(record).__name__
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
