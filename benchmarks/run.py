"""Kerasette against other libraries, as Markdown tables: `python -m benchmarks.run --rounds 5`.

Every library runs in a process of its own. All processes of a work stay alive and take their rounds in
turn, so that a busy moment of the machine meets them alike; the best round of each counts. A process
that has no turn is stopped, since some libraries' idle threads go on spinning for a while.

Kerasette has two columns: "kerasette" has its kernels in NumPy alone, "fast" those of the extra [fast].
"""

import argparse
import json
import os

from benchmarks.children import ChildError, attempt, best_of_rounds, child, fewer, last_line
from benchmarks.works import LIBRARIES, OWN, WORKS, Work

HEAVY = ("h5py", "pandas", "sklearn", "matplotlib", "numba", "cupy", "scipy", "tensorflow", "torch", "jax")
BLAS = """
import numpy, threadpoolctl
for one in threadpoolctl.threadpool_info():
    print(one["internal_api"], one["version"], one.get("architecture"))
"""
UINT8 = (
    "In the row of uint8 images a float needs four times the memory of a number of the data. Kerasette and "
    "Keras scale in a Rescaling layer, PyTorch and JAX convert and scale each batch, scikit-learn takes the "
    "numbers as they are, 0 to 255, and converts all of them at once.\n"
)
DEPTHS = (10, 100, 1_000, 10_000)
STEPS = [name for name, work in WORKS.items() if work.measure != "memory"]
MEMORY = [name for name in WORKS if name not in STEPS]
PRODUCTS = ("convnet", "convnet_normalized", "cifar")  # of these the share of the sgemm peak is shown
PEERS = [library for library in LIBRARIES if library not in OWN]


# ---------------------------------------------------------------- tables


def table(header: list[str], rows: list[list[str]]) -> str:
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def judged(pairs) -> str:
    """Returns "yes", "no" or "not measured" of pairs (figure or None, limit)."""
    if any(figure is None for figure, _ in pairs):
        return "not measured"
    return "yes" if all(figure <= limit for figure, limit in pairs) else "no"


def ratio_of(figures: dict, own: str, other: str) -> float | None:
    """Returns the figure of `own` over the other's, or None where one is missing."""
    return figures[own] / figures[other] if own in figures and other in figures else None


def slashed(values) -> str:
    """Returns "0.8 / 0.55" of such numbers, "-" for a missing one."""
    texts = ["-" if value is None else f"{value:.3g}" for value in values]
    return " / ".join(texts)


def verdict(work: Work, figures: dict, rival: str) -> list[str]:
    """Returns three cells, each for kerasette / fast: ratios that have a target, targets, and if met."""
    ratios, wanted, pairs = [], [], {own: [] for own in OWN}
    for peer in work.targets:
        other = rival if peer in ("fastest", "leanest") else peer
        found = [ratio_of(figures, own, other) for own in OWN]
        limits = [work.targets_of(own)[peer] for own in OWN]
        for own, ratio, limit in zip(OWN, found, limits, strict=True):
            pairs[own].append((ratio, limit))
        ratios.append(f"{slashed(found)} of {other}")
        wanted.append(f"<= {slashed(limits)} of {peer}")
    return [", ".join(ratios), ", ".join(wanted), " / ".join(judged(pairs[own]) for own in OWN)]


def cell(figures: dict, library: str, write) -> str:
    """Returns a library's figure; a peer's with kerasette's and fast's as multiples of it in brackets."""
    if library not in figures:
        return "-"
    ratios = [ratio_of(figures, own, library) for own in OWN] if library not in OWN else []
    return write(figures[library]) + (f" ({slashed(ratios)})" if ratios else "")


def microseconds(seconds: float) -> str:
    """Returns "1,234 us"."""
    return f"{seconds * 1e6:,.1f} us" if seconds < 1e-3 else f"{seconds * 1e6:,.0f} us"


def megabytes(count: float) -> str:
    """Returns "1,234 MB"."""
    return f"{count / 1e6:,.0f} MB"


def comparison(results: dict, failures: dict, write, best_name: str) -> str:
    """Returns the table of several works.

    Args:
        results: work -> {library: figure}.
        failures: work -> {library: why it has none}.
        write: makes the text of a figure.
        best_name: the heading above the best peer's name.
    """
    rows = []
    for name, figures in results.items():
        peers = {library: figures[library] for library in PEERS if library in figures}
        rival = min(peers, key=peers.get) if peers else "-"
        cells = [cell(figures, library, write) for library in LIBRARIES]
        rows.append([WORKS[name].title, *cells, rival, *verdict(WORKS[name], figures, rival)])
    header = ["work", *LIBRARIES, best_name, "ratio", "target", "met"]
    return table(header, rows) + not_measured(failures)


def not_measured(failures: dict) -> str:
    """Returns the list of what failed and why, "" where nothing did."""
    notes = [f"- {name}, {one}: {why}" for name, failed in failures.items() for one, why in failed.items()]
    return "\nNot measured:\n\n" + "\n".join(notes) + "\n" if notes else ""


# ---------------------------------------------------------------- time


def steps(names: list[str], rounds: int, rows: int | None) -> str:
    """Returns the table of times a step; in brackets kerasette's time over that library's."""
    results, failures = {}, {}
    for name in names:
        variants = {one: (one, {}) for one in LIBRARIES if one not in WORKS[name].without}
        results[name], failures[name] = best_of_rounds(name, variants, rounds, rows)
    return comparison(results, failures, microseconds, "fastest peer")


def workers(rounds: int, rows: int | None) -> str:
    """Returns the table of the convnet's step with one worker thread and with two."""
    variants = {
        f"{own}, {count}": (own, {"KERASETTE_THREADS": str(count), "OPENBLAS_NUM_THREADS": "1"})
        for own in OWN
        for count in (1, 2)
    }
    figures, failed = best_of_rounds("convnet", variants, rounds, rows)
    lines = []
    for own in OWN:
        one, two = (figures.get(f"{own}, {count}") for count in (1, 2))
        gain = one / two if one and two else None
        cells = ["-" if value is None else microseconds(value) for value in (one, two)]
        met = "not measured" if gain is None else "yes" if gain >= 1.7 else "no"
        lines.append([own, *cells, slashed([gain]), ">= 1.7", met])
    header = ["convnet, batch 128", "1 worker", "2 workers", "times as fast", "target", "met"]
    return table(header, lines) + not_measured({"convnet": failed})


def products(rounds: int, rows: int | None) -> str:
    """Returns the table of the share of the sgemm peak that a training step reaches."""
    lines, failures = [], {}
    for name in PRODUCTS:
        for own in OWN:
            command = ["-m", "benchmarks.peers", own, name, "--share", "--rounds", str(rounds), *fewer(rows)]
            failed = failures.setdefault(name, {})
            printed = attempt(lambda command=command: child(*command), own, failed)
            if printed is not None:
                lines.append(product_row(f"{WORKS[name].title}, {own}", json.loads(last_line(printed))))
    header = ["work", "step", "matrix products a step", "reached", "sgemm peak, all cores", "share"]
    note = "\nProducts are counted as in a plain convolution; convolutions by tiles need fewer.\n"
    return table(header, lines) + note + not_measured(failures)


def product_row(title: str, got: dict) -> list[str]:
    """Returns a row of the table of products."""
    flops, peak = got["step_flops"], got["peak_flops"]
    reached = flops / got["seconds"]
    speeds = [f"{value / 1e9:.0f} GFLOP/s" for value in (reached, peak)]
    share = f"{reached / peak:.0%}"
    return [title, microseconds(got["seconds"]), f"{flops / 1e9:.2f} GFLOP", *speeds, share]


# ---------------------------------------------------------------- memory


def memory(names: list[str], rows: int | None) -> str:
    """Returns tables: peak resident memory, the same without the share of the data, and its growth."""
    peaks, above, failures = {}, {}, {}
    for name in names:
        floor = peak_of("data", name, rows)
        peaks[name], failures[name] = {}, {}
        for library in LIBRARIES:
            if library not in WORKS[name].without:
                call = lambda one=library, work=name: peak_of(one, work, rows)  # noqa: E731
                peak = attempt(call, library, failures[name])
                peaks[name] |= {} if peak is None else {library: peak}
        above[name] = {"data": floor} | {one: max(peak - floor, 1) for one, peak in peaks[name].items()}
    lines = [
        [WORKS[name].title, megabytes(got["data"]), *(cell(got, one, megabytes) for one in LIBRARIES)]
        for name, got in above.items()
    ]
    note = f"\n{UINT8}" if "memory_uint8" in names else ""
    return (
        f"{comparison(peaks, failures, megabytes, 'leanest peer')}\n"
        "Of each figure, a part is Python, NumPy and the training data (in the first column). Above that:\n\n"
        f"{table(['work', 'data', *LIBRARIES], lines)}{note}{growth(peaks)}"
    )


def peak_of(library: str, work: str, rows: int | None) -> int:
    """Returns the peak resident bytes of a process that trains one round of `work`."""
    printed = child("-m", "benchmarks.peers", library, work, "--rounds", "0", *fewer(rows))
    return json.loads(last_line(printed))["peak_bytes"]


def growth(peaks: dict) -> str:
    """Returns the table of how the peaks grow with the batch and with the steps, "" if neither is there."""

    def by_batch(library):
        small, large = (peaks[name][library] for name in ("memory_convnet", "memory_convnet_1024"))
        return large / small

    def by_steps(library):
        names = ("memory_lstm", "memory_lstm_280", "memory_lstm_2800")
        few, some, many = (peaks[name][library] for name in names)
        return (many - some) / max(some - few, 1) / 10  # ten times the steps are added

    kinds = {
        "convnet's peak, batch 1,024 over 128": (by_batch, 1.3),
        "LSTM's, a step from 280 to 2,800 over one from 28 to 280": (by_steps, 1.1),
    }
    lines = []
    for title, (call, limit) in kinds.items():
        found = {library: quotient(call, library) for library in LIBRARIES}
        if any(value is not None for value in found.values()):
            met = " / ".join(judged([(found[own], limit)]) for own in OWN)
            lines.append([title, *(slashed([value]) for value in found.values()), f"<= {limit}", met])
    return "\n" + table(["growth", *LIBRARIES, "target", "met"], lines) if lines else ""


def quotient(call, library: str) -> float | None:
    """Returns `call(library)`, or None where a figure it needs wasn't measured."""
    try:
        return call(library)
    except KeyError:
        return None


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


def parts(names: list[str], rounds: int, rows: int | None) -> dict:
    """Returns title -> (what makes its text, the names it belongs to)."""
    timed, lean = ([name for name in group if name in names] for group in (STEPS, MEMORY))
    title = "Time a step or a call (in brackets: kerasette's / fast's as a multiple of it)"
    return {
        title: (lambda: steps(timed, rounds, rows), STEPS),
        "Worker threads": (lambda: workers(rounds, rows), ["workers"]),
        "Share of the machine's speed at matrix products": (lambda: products(rounds, rows), ["products"]),
        "Peak memory": (lambda: memory(lean, rows), MEMORY),
        "Import": (lambda: import_time(rounds), ["import_time"]),
        "Cost a node by depth": (graph_scaling, ["graph_scaling"]),
    }


def main(arguments=None) -> None:
    """Prints the tables of the works asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.splitlines()[0])
    choices = [*STEPS, "workers", "products", *MEMORY, "import_time", "graph_scaling"]
    parser.add_argument("--only", action="append", choices=choices, help="may be given several times")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, help="fewer rows than the works say, to try them")
    options = parser.parse_args(arguments)
    wanted = options.only or choices
    blas = last_line(child("-c", BLAS))
    print(f"{os.cpu_count()} cores, best of {options.rounds} rounds; NumPy's products by {blas}\n")
    for title, (part, names) in parts(wanted, options.rounds, options.rows).items():
        if set(names) & set(wanted):
            try:
                text = part()
            except ChildError as reason:
                text = f"Not measured: {reason}\n"
            print(f"## {title}\n\n{text}", flush=True)


if __name__ == "__main__":
    main()
