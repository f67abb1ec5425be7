"""Runs every example in its short form, each in a process of its own; fails where one fails.

python -m examples.smoke
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("__init__", "smoke"))
# Two run side by side, so each gets one thread; a display is neither needed nor opened.
SETTINGS = {"OPENBLAS_NUM_THREADS": "1", "KERASETTE_THREADS": "1", "MPLBACKEND": "Agg"}


def run(name, out):
    """Runs one example with figures in `out`; returns (whether all went well, seconds, what to say)."""
    command = [sys.executable, str(HERE / f"{name}.py"), "--quick", "--out", str(out)]
    began = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, **SETTINGS}, capture_output=True, text=True, timeout=300, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        return False, seconds, done.stderr.strip()
    if done.stdout.startswith("Skipped:"):  # it needs what isn't part of the extras
        return True, seconds, done.stdout.strip()
    figures = sorted(path.name for path in out.glob("*.png"))
    return bool(figures), seconds, ", ".join(figures) or "wrote no figure"


def main(argv=None):
    """Runs all examples; returns how many failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=None, help="directory to keep the figures in")
    args = parser.parse_args(argv)

    failed = 0
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as pool:
        folders = [(args.out or Path(scratch)) / name for name in EXAMPLES]
        for name, (well, seconds, text) in zip(EXAMPLES, pool.map(run, EXAMPLES, folders), strict=True):
            failed += not well
            print(f"{'ok' if well else 'FAILED'}  {name:17} {seconds:5.1f} s  {text}", flush=True)
    print(f"{len(EXAMPLES) - failed} of {len(EXAMPLES)} examples ran")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
