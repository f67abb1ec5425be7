"""Examples: one task a file, each run by `python examples/NAME.py` or `python -m examples.NAME`."""
