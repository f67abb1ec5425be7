"""check: a file is read in a process of its own, with limits on memory and time."""

import os
import subprocess
import sys

import numpy as np

from kerasette.commands import contents
from kerasette.commands.pages import facts, one_line, size
from kerasette.saving.faults import load_error
from kerasette.saving.layers_missing import missing

REFUSED = 1  # exit code
SPARE = 300  # MiB of memory beyond what the process has when it begins
TIMES = 4  # and beyond so many times the file
_ALLOWED = "KERASETTE_CHECK_MEMORY"  # bytes, told to the process inside
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "KERASETTE_THREADS")


def outside(path: str, memory: int | None, seconds: int, debug: bool = False) -> int:
    """Starts the process that reads the file, waits, and returns the exit code.

    Args:
        path: of the file.
        memory: MiB that it may take, or None for what a sound file of this size needs.
        seconds: of the clock that it may take.
        debug: whether it shows where an error came from.

    Raises:
        MissingFile, LoadError: where there is no regular file.
    """
    contents.beginning(path)
    allowed = (memory << 20) if memory else (SPARE << 20) + TIMES * os.path.getsize(path)
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    extra = {"PYTHONPATH": os.pathsep.join(paths), _ALLOWED: str(allowed), **dict.fromkeys(_ONE_THREAD, "1")}
    command = [sys.executable, "-P", "-m", "kerasette", "check", "--inside", "--seconds", str(seconds)]
    command += ["--debug"] if debug else []
    try:
        done = subprocess.run(
            [*command, "--", path],
            env={**os.environ, **extra},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _refused(path, f"takes more than {seconds} seconds to read")
    if done.returncode < 0:
        return _refused(path, f"ended the process that read it by signal {-done.returncode}")
    for stream, data in ((sys.stdout, done.stdout), (sys.stderr, done.stderr)):
        stream.write(data.decode(errors="backslashreplace"))
        stream.flush()
    return done.returncode


def _refused(path, why):
    sys.stderr.write(f"kerasette check: {one_line(path)} {why}: it is damaged, or made to do harm.\n")
    return REFUSED


# ---------------------------------------------------------------- within the limits


def inside(path: str) -> str:
    """Reads the whole file within limits, and returns what it found; raises as `checked` does."""
    _limit()
    report = checked(path)
    return f"{facts(report)}\n{one_line(path)} is sound.\n"


def _limit():
    """Sets the limits of this process, where the system has such; what is imported is there before."""
    from kerasette.saving import hdf5, load_model  # noqa: F401

    hdf5.library()
    try:
        import resource
    except ImportError:  # Windows: only the clock of the process outside
        return
    allowed = int(os.environ.get(_ALLOWED, "0"))
    if allowed and os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + allowed, now + allowed))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file is written; what is said goes to a pipe


def checked(path: str) -> list[tuple[str, str]]:
    """Returns what a sound file is, as [(what, words)].

    Raises:
        MissingFile: where there is no such file.
        LoadError: where a rule is broken, a checksum doesn't fit, or the model can't be made.
    """
    with contents.opened(path) as found:
        report = [("kind", found.kind), ("size", size(found.size))]
        report += _read_all(found)
        if found.entry is not None:
            report += _configuration(found)
    if found.entry is not None:
        report.append(_made(path, found))
    return report


def _read_all(found):
    """Reads each array once, so that every checksum is compared; keeps none."""
    if not found.arrays:
        return []
    total = summed = 0
    wrong = []
    for name, item in found.arrays.items():
        values = item.read()
        total += values.nbytes
        summed += item.has_checksum
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            wrong.append(name)
    count = len(found.arrays)
    return [
        ("arrays", f"{count:,} with {size(total)}, plain numbers inside the file"),
        ("checksums", f"{summed:,} of {count:,} arrays have one, and it fits"),
        ("numbers", f"NaN or infinite in {', '.join(wrong[:5])}" if wrong else "all finite"),
    ]


def _configuration(found):
    unknown = missing(found.entry)
    if unknown:
        raise load_error(f"These layers aren't provided here: {', '.join(unknown)}.")
    return [("layers", f"{len(contents.layers(found.entry)):,}, all of classes that kerasette has")]


def _made(path, found):
    """Makes the model, which is the last check: everything fits together."""
    from kerasette.saving import load_model, model_from_json

    if found.arrays:
        model = load_model(path)
    else:
        with open(path, "rb") as file:
            model = model_from_json(file.read())
    return "model", f"'{one_line(model.name)}' is made, with {model.count_params():,} parameters"
