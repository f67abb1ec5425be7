"""`python -m kerasette`: looks into files of models, converts them, checks them. See kerasette.commands."""

import sys

from kerasette.commands import main

if __name__ == "__main__":
    sys.exit(main())
