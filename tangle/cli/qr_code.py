"""An address as a QR code in a terminal, two rows of modules in one line of characters."""

from io import StringIO

import segno


def draw_qr(address: str) -> str:
    """The code of an address. Light parts are what is drawn, so a dark terminal shows it as printed on paper;
    cameras read the reverse of it too.

    Addresses may be written in capitals, and codes of capitals are smaller. Source: BIP-350; ISO/IEC 18004.
    """
    drawn = StringIO()
    segno.make(address.upper(), error="m", micro=False).terminal(drawn, compact=True)
    return drawn.getvalue().rstrip("\n")
