"""Processes that measure one library each, in turn."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORCED = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
)  # bind NumPy, and NumPy alone, to an older processor's kernels


def environment(**more: str) -> dict:
    """Returns the environment of a measured process: no library is held to less than the processor can."""
    return {name: value for name, value in os.environ.items() if name not in FORCED} | more


class ChildError(Exception):
    """Why a child process gave no figure."""


def child(*arguments: str) -> str:
    """Returns what `python ARGUMENTS` prints, or raises ChildError with the last line of its error."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, env=environment())
    if done.returncode:
        raise ChildError(last_line(done.stderr))
    return done.stdout


def fewer(rows: int | None) -> list[str]:
    """Returns the arguments that make a work smaller."""
    return ["--rows", str(rows)] if rows else []


def last_line(text: str) -> str:
    """Returns the last line of `text` that isn't empty."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message")


class Served:
    """A library in a process that does one round whenever it is asked.

    Args:
        library: its name.
        work: the name of the work.
        rows: fewer rows than the work's own, or None.
        variables: of the environment, set in the process.
    """

    def __init__(self, library: str, work: str, rows: int | None, variables: dict):
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers", library, work, "--serve", *fewer(rows)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env=environment(**variables),
        )

    def answer(self) -> dict:
        """Returns the next line of the process, or raises ChildError."""
        line = self._process.stdout.readline()
        self._process.send_signal(signal.SIGSTOP)
        if not line:
            self._errors.seek(0)
            raise ChildError(last_line(self._errors.read()))
        return json.loads(line)

    def round(self) -> float:
        """Returns the seconds a step of one more round."""
        with contextlib.suppress(BrokenPipeError):  # the reason is in the answer
            self._process.send_signal(signal.SIGCONT)
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return self.answer()["seconds"]

    def close(self) -> None:
        """Ends the process."""
        self._process.send_signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def best_of_rounds(work: str, variants: dict, rounds: int, rows: int | None = None) -> tuple[dict, dict]:
    """Returns name -> seconds a step, and name -> why it has none.

    Args:
        work: the name of the work.
        variants: name -> (library, environment variables).
        rounds: how many each does.
        rows: fewer rows than the work's own, or None.
    """
    best, failed, served = {}, {}, {}
    try:
        for name, (library, variables) in variants.items():  # one after the other: warming up is heavy
            served[name] = Served(library, work, rows, variables)
            attempt(served[name].answer, name, failed)
        for _ in range(rounds):
            for name, one in served.items():
                seconds = None if name in failed else attempt(one.round, name, failed)
                if seconds is not None:
                    best[name] = min(seconds, best.get(name, seconds))
    finally:
        for one in served.values():
            one.close()
    return {name: value for name, value in best.items() if name not in failed}, failed


def attempt(call, name: str, failed: dict):
    """Returns `call()`; notes the reason in `failed` and returns None where it fails."""
    try:
        return call()
    except ChildError as reason:
        failed[name] = str(reason)
        return None
