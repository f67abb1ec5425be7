"""Kerasette against other libraries, as Markdown tables: `python -m benchmarks.run --rounds 5`.

Every library runs in a process of its own. All processes of a work stay alive and take their rounds in
turn, so that a busy moment of the machine meets them alike; the best round of each counts. A process
that has no turn is stopped, since some libraries' idle threads go on spinning for a while.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.works import LIBRARIES, WORKS, Work

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("h5py", "pandas", "sklearn", "matplotlib", "numba", "cupy", "scipy", "tensorflow", "torch", "jax")
DEPTHS = (10, 100, 1_000, 10_000)
STEPS = [name for name in WORKS if name != "memory"]
OWN, PEERS = LIBRARIES[0], LIBRARIES[1:]


class ChildError(Exception):
    """Why a child process gave no figure."""


# ---------------------------------------------------------------- child processes


def child(*arguments: str) -> str:
    """Returns what `python ARGUMENTS` prints, or raises ChildError with the last line of its error."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise ChildError(last_line(done.stderr))
    return done.stdout


def last_line(text: str) -> str:
    """Returns the last line of `text` that isn't empty."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message")


class Served:
    """A library in a process that does one round whenever it is asked."""

    def __init__(self, library: str, work: str):
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the process)
        command = [sys.executable, "-m", "benchmarks.peers", library, work, "--serve"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, cwd=ROOT
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


def best_of_rounds(work: str, libraries: list[str], rounds: int) -> tuple[dict, dict]:
    """Returns library -> seconds a step, and library -> why it has none."""
    best, failed, served = {}, {}, {}
    try:
        for library in libraries:  # one after the other: warming up is heavy
            served[library] = Served(library, work)
            attempt(lambda one=served[library]: one.answer(), library, failed)
        for _ in range(rounds):
            for library, one in served.items():
                seconds = None if library in failed else attempt(one.round, library, failed)
                if seconds is not None:
                    best[library] = min(seconds, best.get(library, seconds))
    finally:
        for one in served.values():
            one.close()
    return {library: value for library, value in best.items() if library not in failed}, failed


def attempt(call, library: str, failed: dict):
    """Returns `call()`; notes the reason in `failed` and returns None where it fails."""
    try:
        return call()
    except ChildError as reason:
        failed[library] = str(reason)
        return None


# ---------------------------------------------------------------- tables


def table(header: list[str], rows: list[list[str]]) -> str:
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def verdict(work: Work, figures: dict, rival: str) -> list[str]:
    """Returns three cells: the ratios that have a target, the targets, and whether all are met."""
    ratios, wanted, met = [], [], []
    for peer, limit in work.targets.items():
        other = rival if peer in ("fastest", "leanest") else peer
        ratio = figures[OWN] / figures[other] if OWN in figures and other in figures else None
        ratios.append("-" if ratio is None else f"{ratio:.3g} of {other}")
        wanted.append(f"<= {limit:g} of {peer}")
        met.append(ratio is not None and ratio <= limit)
    unknown = any(ratio == "-" for ratio in ratios)
    return [", ".join(ratios), ", ".join(wanted), "not measured" if unknown else "yes" if all(met) else "no"]


def cell(figures: dict, library: str, write) -> str:
    """Returns a library's figure, and in brackets kerasette's as a multiple of it."""
    if library not in figures:
        return "-"
    ratio = f" ({figures[OWN] / figures[library]:.3g})" if OWN in figures and library != OWN else ""
    return write(figures[library]) + ratio


def microseconds(seconds: float) -> str:
    """Returns "1,234 us"."""
    return f"{seconds * 1e6:,.1f} us" if seconds < 1e-3 else f"{seconds * 1e6:,.0f} us"


def comparison(names: list[str], measure, write, best_name: str) -> str:
    """Returns the table of several works; `measure(name)` gives figures and failures by library."""
    rows, notes = [], []
    for name in names:
        figures, failed = measure(name)
        peers = {library: figures[library] for library in PEERS if library in figures}
        rival = min(peers, key=peers.get) if peers else "-"
        cells = [cell(figures, library, write) for library in LIBRARIES]
        rows.append([WORKS[name].title, *cells, rival, *verdict(WORKS[name], figures, rival)])
        notes += [f"- {name}, {library}: {reason}" for library, reason in failed.items()]
    header = ["work", *LIBRARIES, best_name, "ratio", "target", "met"]
    return table(header, rows) + ("\nNot measured:\n" + "\n".join(notes) + "\n" if notes else "")


def steps(names: list[str], rounds: int) -> str:
    """Returns the table of times a step; in brackets kerasette's time over that library's."""

    def measure(name):
        return best_of_rounds(name, [one for one in LIBRARIES if one not in WORKS[name].without], rounds)

    return comparison(names, measure, microseconds, "fastest peer")


def memory() -> str:
    """Returns the table of peak resident memory, and the same without the share of the training data."""
    floor = peak_of("data", "memory")
    figures, failed = {}, {}
    for library in LIBRARIES:
        peak = attempt(lambda one=library: peak_of(one, "memory"), library, failed)
        if peak is not None:
            figures[library] = peak
    text = comparison(["memory"], lambda _: (figures, failed), megabytes, "leanest peer")
    above = {library: max(peak - floor, 1) for library, peak in figures.items()}
    return (
        f"{text}\nOf each figure, {megabytes(floor)} are Python, NumPy and the training data. Above that:\n\n"
        + table(list(LIBRARIES), [[cell(above, library, megabytes) for library in LIBRARIES]])
    )


def peak_of(library: str, work: str) -> int:
    """Returns the peak resident bytes of a process that trains one round of `work`."""
    printed = child("-m", "benchmarks.peers", library, work, "--rounds", "0")
    return json.loads(last_line(printed))["peak_bytes"]


def megabytes(count: float) -> str:
    """Returns "1,234 MB"."""
    return f"{count / 1e6:,.0f} MB"


# ---------------------------------------------------------------- works of kerasette alone


def import_time(rounds: int) -> str:
    """Returns the table of import times, and which heavy modules an import loads."""
    code = "import time; begin = time.perf_counter(); import {}; print(time.perf_counter() - begin)"
    best = {}
    for _ in range(max(rounds, 10)):
        for name in ("numpy", "kerasette"):
            seconds = float(child("-c", code.format(name)))
            best[name] = min(seconds, best.get(name, seconds))
    loaded = child("-c", f"import sys, kerasette; print(*(set({HEAVY}) & set(sys.modules)))").split()
    ratio = best["kerasette"] / best["numpy"]
    row = [f"{best['numpy'] * 1e3:.1f} ms", f"{best['kerasette'] * 1e3:.1f} ms", f"{ratio:.2f}", "<= 1.5"]
    met = "yes" if ratio <= 1.5 and not loaded else "no"
    header = ["import numpy", "import kerasette", "ratio", "target", "heavy modules loaded", "met"]
    return table(header, [[*row, ", ".join(sorted(loaded)) or "none", met]])


def graph_scaling() -> str:
    """Returns the table of costs a node at several depths: they should not grow."""
    rows = []
    for depth in DEPTHS:
        got = json.loads(last_line(child("-m", "benchmarks.scaling", str(depth))))
        per_node = [got[part] / depth for part in ("build", "compile", "step")]
        rows.append([f"{depth:,}", *map(microseconds, per_node), f"{got['peak_bytes'] / 1e6:,.0f} MB"])
    return table(["Dense(4) layers", "build a node", "compile a node", "step a node", "peak memory"], rows)


# ---------------------------------------------------------------- command line


def main(arguments=None) -> None:
    """Prints the tables of the works asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.splitlines()[0])
    choices = [*STEPS, "memory", "import_time", "graph_scaling"]
    parser.add_argument("--only", action="append", choices=choices, help="may be given several times")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    wanted = options.only or choices
    parts = {
        "Time a step (in brackets: kerasette's as a multiple of it)": lambda: steps(
            [name for name in STEPS if name in wanted], options.rounds
        ),
        "Peak memory": memory,
        "Import": lambda: import_time(options.rounds),
        "Cost a node by depth": graph_scaling,
    }
    needs = [set(STEPS), {"memory"}, {"import_time"}, {"graph_scaling"}]
    print(f"{os.cpu_count()} cores, best of {options.rounds} rounds\n")
    for (title, part), names in zip(parts.items(), needs, strict=True):
        if names & set(wanted):
            try:
                text = part()
            except ChildError as reason:
                text = f"Not measured: {reason}\n"
            print(f"## {title}\n\n{text}", flush=True)


if __name__ == "__main__":
    main()
