"""``python -m tangle.cli`` is ``tangle``."""

from tangle.cli.main import main

main()
