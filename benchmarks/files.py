"""Saving and loading large models, kerasette against Keras: `python -m benchmarks.files --rounds 5`.

Each library saves and loads the same 100 MB of weights in a process of its own, in turn with the other.
Times are the best of the rounds, with everything that kerasette does besides: checksums, reading back,
fsync. Memory is what a process that saves (or loads) once needs above what it had before, the model
itself included; both have h5py in memory then, which Keras imports at once and kerasette with the first
file. Linux only.
"""

import argparse
import json
import os
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.run import ChildError, child, last_line, megabytes, table

OWN, PEER = "kerasette", "keras"
WORKS = {  # name -> ending of the file; what is loaded has been saved by the work before
    "save_weights": ".weights.h5",
    "load_weights": ".weights.h5",
    "save model": ".keras",
    "load model": ".keras",
}
UNITS = (1000, 4000, 4000, 1000, 500, 800, 10)  # 25 million parameters
LIMITS = {"time": 1.0, "memory": 2.2}


# ---------------------------------------------------------------- in a process of its own


def measure(library: str, work: str, folder: str, rounds: int) -> dict:
    """Returns the best seconds of some rounds, the peak of the first one, and the bytes of the file."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    if library == OWN:
        import kerasette as k
        from kerasette.saving import hdf5

        hdf5.library()
    else:
        import keras as k
    ending = WORKS[work]
    path = str(Path(folder) / f"{library}{ending}")
    before = _memory("VmRSS")
    _reset_peak()
    call = _call(k, work, path)
    seconds, peak = [], 0
    for number in range(rounds):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
        if not number:
            peak = _memory("VmHWM") - before
    return {"seconds": min(seconds), "peak": peak, "size": os.path.getsize(path)}


def _call(k, work, path):
    """Returns the function that is measured; the file to load is there already."""
    if work == "load model":
        return lambda: k.models.load_model(path)
    model = make(k)
    return {
        "save_weights": lambda: model.save_weights(path),
        "load_weights": lambda: model.load_weights(path),
        "save model": lambda: model.save(path),
    }[work]


def make(k):
    """Returns the model: a chain of Dense layers with 25 million parameters."""
    return k.Sequential([k.Input((UNITS[0],)), *(k.layers.Dense(n) for n in UNITS[1:])])


def _memory(what):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(what))


def _reset_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


# ---------------------------------------------------------------- the tables


def compare(rounds: int) -> str:
    """Returns the table of all works."""
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as folder:
        for work in WORKS:
            best = {}
            for _ in range(rounds):
                for library in (OWN, PEER):
                    try:
                        got = json.loads(
                            last_line(child("-m", "benchmarks.files", "--child", library, work, folder))
                        )
                    except ChildError as reason:
                        notes.append(f"- {work}, {library}: {reason}")
                        continue
                    old = best.get(library, got)
                    best[library] = {**got, "seconds": min(got["seconds"], old["seconds"])}
            if len(best) == 2:
                rows.append(_row(work, best))
    header = ["100 MB of weights", OWN, PEER, "ratio", "target", "peak / file", "Keras's", "target", "met"]
    return table(header, rows) + ("\nNot measured:\n" + "\n".join(notes) + "\n" if notes else "")


def _row(work, best):
    ratio = best[OWN]["seconds"] / best[PEER]["seconds"]
    times = [f"{best[library]['seconds'] * 1e3:,.0f} ms" for library in (OWN, PEER)]
    needs = [best[library]["peak"] / best[library]["size"] for library in (OWN, PEER)]
    met = ratio <= LIMITS["time"] and needs[0] <= LIMITS["memory"]
    limits = [f"<= {LIMITS[name]:g}" for name in ("time", "memory")]
    cells = [f"{ratio:.2f}", limits[0], f"{needs[0]:.2f}", f"{needs[1]:.2f}", limits[1]]
    return [work, *times, *cells, "yes" if met else "no"]


def main(arguments=None) -> None:
    """Prints the table, or as a child process the figures of one work."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.files", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=3, metavar=("LIBRARY", "WORK", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        print(json.dumps(measure(*options.child, rounds=3)))
        return
    size = sum(a * b + b for a, b in pairwise(UNITS)) * 4
    print(f"{os.cpu_count()} cores, {megabytes(size)}, best of {options.rounds} x 3 rounds\n")
    print(compare(options.rounds))


if __name__ == "__main__":
    main()
