"""Where attacks are run: a process that has loaded good files before, and forks once for each attack.

`python -m tests.attacks.arena GOOD` reads one request a line, {"entry": ..., "path": ...}, and answers each
with one line: what came out, what it cost, which events Python's audit hook saw, and what had changed.
"""

import contextlib
import gc
import hashlib
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EXTRA = 300 << 20  # bytes of address space that one attack may have
SECONDS = 2.0
MOST_SECONDS = 4  # of the processor, after which an attack is stopped
PATIENCE = 600  # seconds on the clock before an attack counts as stuck: other work may hold it up
ENTRIES = ("load_weights", "keras", "h5", "json", "config")

# What Python may do while a file is loaded; the rest is reported. Opened files are looked at one by one.
HARMLESS = {
    "array.__new__",
    "builtins.id",
    "object.__getattr__",
    "os.listdir",
    "sys._getframe",
    "sys.unraisablehook",
}


# ---------------------------------------------------------------- the process that runs them


class Entries:
    """The ways into kerasette, each a function of a path.

    Args:
        folder: holds the good files, by which every module that loading needs is imported first.
    """

    def __init__(self, folder):
        import kerasette
        from kerasette import registry
        from kerasette.backend import _State

        self.kerasette, self.registry, self.settings = kerasette, registry, _State
        self.victim = victim()
        for entry in ENTRIES:
            for path in folder.glob(f"good.{entry}.*"):
                self.run(entry, str(path))
                with contextlib.suppress(ValueError):
                    self.run(entry, str(path).replace("good.", "broken."))
        self.inspect(str(folder / "good.keras.keras"))

    def run(self, entry, path):
        """Loads `path` by one entry."""
        return getattr(self, entry)(path)

    def load_weights(self, path):
        self.victim.load_weights(path)

    def keras(self, path):
        return self.kerasette.models.load_model(path)

    def h5(self, path):
        return self.kerasette.models.load_model(path)

    def json(self, path):
        return self.kerasette.models.model_from_json(Path(path).read_bytes())

    def config(self, path):
        value = json.loads(Path(path).read_bytes())
        cls = self.kerasette.Sequential if value.get("class_name") == "Sequential" else self.kerasette.Model
        return cls.from_config(value.get("config"))

    def control(self, path):
        """Does what the file says, which no file may: so that tests can see that it is seen."""
        what, _, more = Path(path).read_text(encoding="utf-8").partition(" ")
        if what == "code":
            eval("1 + 1")
        elif what == "file":
            Path(more).read_bytes()
        elif what == "hdf5":
            import h5py

            h5py.File(more, "r").close()
        elif what == "memory":
            return bytes(EXTRA + (64 << 20))
        elif what == "change":
            self.victim.set_weights([1 + weights for weights in self.victim.get_weights()])
        elif what == "crash":
            os.abort()
        elif what == "time":
            while time.process_time() < float(more):
                pass
        raise ValueError("done")

    def inspect(self, path):
        from kerasette.commands import inspecting

        return inspecting.page(path)

    def state(self):
        """Returns a digest of everything that loading a file must leave alone when it fails."""
        parts = hashlib.sha256()
        model = self.victim
        parts.update(pickle.dumps([model.get_weights(), model.optimizer.state()]))
        settings = {k: repr(v) for k, v in vars(self.settings).items() if k != "seeds"}
        tables = {kind: {k: id(v) for k, v in table.items()} for kind, table in self.registry._KINDS.items()}
        custom = {name: id(value) for name, value in self.registry._CUSTOM.items()}
        shape = [model.optimizer.iterations, model.trainable, [layer.name for layer in model.layers]]
        rest = [settings, tables, custom, shape, dict(os.environ), os.getcwd(), sys.path]
        parts.update(json.dumps(rest, default=str).encode())
        return parts.hexdigest()


def victim():
    """Returns a trained model with an optimizer that remembers: what a failed load must not touch."""
    import numpy as np

    from tests.attacks import good

    model = good.model()
    model.fit(np.ones((8, 4), "f4"), np.zeros(8, "i4"), batch_size=4, epochs=1, verbose=0)
    return model


def used(field):
    """Returns a number of /proc/self/status in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def digest(model):
    """Returns one number for a model's architecture and weights, or a page."""
    if isinstance(model, str):
        return model
    whole = [model.to_json(), [weights.tobytes() for weights in model.get_weights()]]
    return hashlib.sha256(pickle.dumps(whole)).hexdigest()


class Watch:
    """Python's own audit hook, from now to the end of the process."""

    def __init__(self, path):
        self.path, self.on, self.seen = path, False, []
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if not self.on or event in HARMLESS:
            return
        if event == "open" and arguments[0] == self.path and not set(str(arguments[1])) & set("wax+"):
            return
        self.seen.append(f"{event} {str(arguments)[:200]}")


def trial(entries, entry, path):
    """Returns what one attack did, as plain data; run in a process of its own."""
    before, size = entries.before, used("VmSize")
    watch = Watch(path)
    resource.setrlimit(resource.RLIMIT_AS, (size + EXTRA, resource.RLIM_INFINITY))
    problem, result = None, None
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watch.on = True
        try:
            result = entries.run(entry, path)
        except BaseException as raised:
            problem = raised
        watch.on = False
    seconds = time.process_time() - start
    peak = used("VmPeak") - size
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return {
        "error": type(problem).__name__ if problem is not None else None,
        "digest": digest(entries.victim if entry == "load_weights" else result) if problem is None else None,
        "bases": [cls.__name__ for cls in type(problem).__mro__],
        "text": str(problem).encode("utf-8", "backslashreplace").decode(),
        "result": type(result).__name__,
        "warnings": [str(one.message) for one in caught],
        "seconds": seconds,
        "peak": peak,
        "events": watch.seen,
        "changed": entries.state() != before,
    }


def forked(entries, entry, path):
    """Runs one trial in a fork; a crash or a hang of it is an answer too."""
    out, back = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, resource.RLIM_INFINITY))
        try:
            with open(back, "w", encoding="utf-8") as file:
                try:
                    found = trial(entries, entry, path)
                except BaseException:
                    found = {"error": None, "died": traceback.format_exc()}
                json.dump(found, file)
        finally:
            os._exit(0)  # whatever happened: never on into the loop of the parent
    os.close(back)
    with open(out, encoding="utf-8") as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) or not text:
        return {"error": None, "died": os.WTERMSIG(status) if os.WIFSIGNALED(status) else "silently"}
    return json.loads(text)


def serve(folder):
    """Answers requests until there are no more."""
    entries = Entries(Path(folder))
    entries.before = entries.state()  # of every fork, too
    gc.collect()
    gc.freeze()
    if threading.active_count() > 1:
        raise SystemExit("the arena has threads, so it can't fork")
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(forked(entries, **json.loads(line))), flush=True)


# ---------------------------------------------------------------- the other side


class Arena:
    """The process above, seen from the tests."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "tests.attacks.arena", str(folder)]
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "KERASETTE_THREADS"), "1")
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **limits, "MALLOC_ARENA_MAX": "1"},
        )
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the arena didn't start")

    def run(self, entry, path) -> dict:
        """Returns what came of loading `path` by `entry`."""
        print(json.dumps({"entry": entry, "path": str(path)}), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self):
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


if __name__ == "__main__":
    serve(sys.argv[1])
