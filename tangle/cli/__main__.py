"""``python -m tangle.cli`` is ``tangle``."""

from tangle.cli.main import main

if __name__ == "__main__":  # worker processes of a node import this module under another name
    main()
