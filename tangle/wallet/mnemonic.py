"""Recovery words: 24 English words that stand for 256 bits of randomness (BIP-39).

The word list, the checksum and the stretching to a seed come from the ``mnemonic`` package; here are the
checks that tell a person which word is wrong. The words make the seed together with an optional passphrase:
another passphrase opens other accounts, without an error, so a mistyped passphrase shows as an unknown
address.
"""

import difflib
import unicodedata
from typing import Final

from mnemonic import Mnemonic

from tangle.wallet.errors import InvalidMnemonic, UnknownWord

ENTROPY_SIZE: Final = 32
"""Bytes of randomness behind new words: 24 words."""

WORD_COUNTS: Final = (12, 15, 18, 21, 24)
"""Numbers of words that BIP-39 knows; new wallets have 24, others can be brought along."""

TEXT_LENGTH_MAX: Final = 1_000
"""Longest text taken for words: 24 words of 8 letters fit four times over. Bounds the reading."""

SUGGESTIONS_MAX: Final = 3
"""Close words named in an error: enough to recognise the right one."""

_CODEC: Final = Mnemonic("english")
_INDEX_BY_WORD: Final = {word: index for index, word in enumerate(_CODEC.wordlist)}


def generate_mnemonic(entropy: bytes) -> str:
    """The 24 words of 32 random bytes, handed in by the caller.

    :raises ValueError: ``entropy`` has another length; that is this program's mistake.
    """
    if len(entropy) != ENTROPY_SIZE:
        raise ValueError(f"24 words need {ENTROPY_SIZE} bytes of randomness, not {len(entropy)}")
    return _CODEC.to_mnemonic(entropy)


def normalize_mnemonic(text: str) -> str:
    """Check the words, and write them in lower case with single spaces.

    :raises UnknownWord: a word is not in the list; with its place and the closest words.
    :raises InvalidMnemonic: wrong number of words, or the checksum does not hold.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise InvalidMnemonic(f"{len(text)} characters are too many for {WORD_COUNTS[-1]} words")
    words = unicodedata.normalize("NFKD", text).lower().split()
    for position, word in enumerate(words):
        if word not in _INDEX_BY_WORD:
            raise UnknownWord(word, position, _suggest(word))
    if len(words) not in WORD_COUNTS:
        raise InvalidMnemonic(
            f"there are {len(words)}; a phrase has {', '.join(map(str, WORD_COUNTS))} words"
        )
    if not _CODEC.check(" ".join(words)):
        raise InvalidMnemonic("the checksum does not hold; a word is wrong or out of order")
    return " ".join(words)


def derive_seed(text: str, passphrase: str = "") -> bytes:
    """The 64-byte seed of checked words and a passphrase (PBKDF2-HMAC-SHA512, 2048 rounds).

    :raises InvalidMnemonic: as ``normalize_mnemonic``.
    """
    return _CODEC.to_seed(normalize_mnemonic(text), passphrase)


def _suggest(word: str) -> tuple[str, ...]:
    # Four letters identify a word of the list (BIP-39), so words with the same beginning come first.
    same_start = [known for known in _CODEC.wordlist if len(word) >= 4 and known[:4] == word[:4]]
    close = difflib.get_close_matches(word, _CODEC.wordlist, n=SUGGESTIONS_MAX)
    return tuple(dict.fromkeys(same_start + close))[:SUGGESTIONS_MAX]
