"""Plants numerical bugs one at a time in a copy of the package, and sees that the tests catch each.

    python tools/plant_bugs.py                 all of them, and a table
    python tools/plant_bugs.py tanh dropout    those whose name has one of these words
    python tools/plant_bugs.py --check         only whether each text to replace still stands in the source

The exit code is 1 where a bug was missed or a text no longer matches.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("kerasette", "tests", "pyproject.toml")


class Bug:
    """One wrong line.

    Args:
        name: what is wrong.
        path: of the file in the package.
        old, new: text, and what stands there instead; `old` must occur exactly once.
        tests: arguments for pytest: files, and with `-k` the tests that should notice.
    """

    def __init__(self, name, path, old, new, *tests):
        self.name, self.path, self.old, self.new, self.tests = name, path, old, new, tests

    def matches(self, root=ROOT) -> bool:
        """Tells whether the text to replace stands exactly once in the source under `root`."""
        return (root / "kerasette" / self.path).read_text(encoding="utf-8").count(self.old) == 1

    def plant(self, root) -> None:
        """Writes the bug into the copy under `root`."""
        file = root / "kerasette" / self.path
        file.write_text(file.read_text(encoding="utf-8").replace(self.old, self.new), encoding="utf-8")


LAYERS = ("tests/test_layers.py", "-k")
FUNCTIONS = ("tests/test_functions.py", "-k")
TILES = ("tests/test_winograd.py", "-k")
OPTIMIZERS = ("tests/test_optimizers.py", "-k")
ENGINE = ("tests/test_engine.py", "-k")
NUMBERS = ("tests/test_layer_numerics.py", "-k")
NORMALIZATION = ("tests/test_normalization.py", "-k")
TRAINING = ("tests/test_training_numbers.py", "-k")

BUGS = [
    Bug(
        "convolution by tiles: a sign in the map of the pixels",
        "functions/winograd.py",
        "_B = np.array([[1, 0, 0, 0], [0, 1, -1, 1],",
        "_B = np.array([[1, 0, 0, 0], [0, 1, 1, 1],",
        *TILES, "sums_of_windows",
    ),
    Bug(
        "convolution by tiles: the kernel's gradient forgets all blocks but the first",
        "functions/winograd.py",
        "            total += share\n",
        "            pass\n",
        *TILES, "sums_of_windows",
    ),
    Bug(
        "convolution with maxima: every one of equal maxima gets the gradient",
        "functions/windows.py",
        "        xp.greater(larger, later, larger)\n        xp.logical_or(later, larger, later)",
        "        xp.logical_or(later, larger, later)",
        *TILES, "maxima_are",
    ),
    Bug(
        "Adam: epsilon inside the root",
        "optimizers/adam.py",
        "        xp.sqrt(velocity, scratch)\n        scratch += epsilon\n        xp.multiply(momentum,",
        "        xp.sqrt(velocity + epsilon, scratch)\n        xp.multiply(momentum,",
        *OPTIMIZERS, "tiny_gradients",
    ),
    Bug(
        "Adam: no correction of the bias",
        "optimizers/adam.py",
        "alpha = learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t)\n        return (alpha, 1 - beta_1,",
        "alpha = learning_rate\n        return (alpha, 1 - beta_1,",
        *TRAINING, "adam",
    ),
    Bug(
        "AMSGrad: the largest velocity isn't kept",
        "optimizers/adam.py",
        "self.xp.maximum(top, velocity, out=top)",
        "top[...] = velocity",
        *TRAINING, "adam",
    ),
    Bug(
        "SGD: nesterov does nothing",
        "optimizers/sgd.py",
        "return self._with_nesterov if self.nesterov else self._with_momentum",
        "return self._with_momentum",
        *TRAINING, "sgd",
    ),
    Bug(
        "SGD: the learning rate is applied after the momentum",
        "optimizers/sgd.py",
        "        velocity -= grad\n        theta += velocity",
        "        velocity -= grad / learning_rate\n        theta += velocity * learning_rate",
        *TRAINING, "sgd",
    ),
    Bug(
        "RMSprop: epsilon outside the root",
        "optimizers/adaptive.py",
        "xp.add(moment, epsilon, scratch)\n        xp.sqrt(scratch, scratch)",
        "xp.sqrt(moment, scratch)\n        scratch += epsilon",
        *TRAINING, "rmsprop",
    ),
    Bug(
        "weight decay after the step",
        "optimizers/program.py",
        "            vectors = (slots.vectors[name][index][begin:end] for name in names)\n"
        "            calls.append((rule, (theta, grad, *vectors, scratch, *cells)))",
        "            vectors = (slots.vectors[name][index][begin:end] for name in names)\n"
        "            at = len(calls) - (self._stretches is not None)\n"
        "            calls.insert(at, (rule, (theta, grad, *vectors, scratch, *cells)))",
        *TRAINING, "decay",
    ),
    Bug(
        "bias gradient: mean for sum",
        "functions/core.py",
        "dbias = sum_rows(dy, dbias) if has_bias else None\n    dx = _times",
        "dbias = sum_rows(dy / len(dy), dbias) if has_bias else None\n    dx = _times",
        *LAYERS, "derivative and Dense",
    ),
    Bug(
        "Dense: backward writes on dy",
        "functions/core.py",
        "    dkernel = x.T.dot(dy, dkernel)  # (I, N) (N, O)\n",
        "    dkernel = x.T.dot(dy, dkernel)  # (I, N) (N, O)\n    dy *= 1.0\n",
        *FUNCTIONS, "untouched and dense",
    ),
    Bug(
        "Dropout: no scale",
        "functions/core.py",
        "scale = 1 / (1 - rate) if rate < 1 else 0.0",
        "scale = 1.0 if rate < 1 else 0.0",
        *NUMBERS, "dropout_is_inverted",
    ),
    Bug(
        "Dropout: the same mask at each step",
        "engine/executor.py",
        "self.seed if own is None else own, step.index, number)",
        "self.seed if own is None else own, step.index, 0)",
        *ENGINE, "streams_of_their_own",
    ),
    Bug(
        "tanh: wrong sign in the derivative",
        "functions/activations.py",
        "    slope = xp.multiply(cache, cache, out=_room(dx, dy))\n    xp.subtract(1.0, slope, out=slope)",
        "    slope = xp.multiply(cache, cache, out=_room(dx, dy))\n    xp.add(1.0, slope, out=slope)",
        *FUNCTIONS, "gradient and tanh",
    ),
    Bug(
        "softmax: Jacobian dropped",
        "functions/activations.py",
        '"""Returns y (dy - sum(dy y))."""\n',
        '"""Returns dy."""\n    return xp_of(dy).multiply(dy, 1.0, out=dx)\n',
        "tests/test_rewrites.py", "-k", "keeps_its_jacobian",
    ),
    Bug(
        "softmax crossentropy: the maximum isn't subtracted",
        "functions/crossentropy.py",
        "shifted = logits - row_peaks(xp, logits, axis)",
        "shifted = logits * 1.0",
        "tests/test_numerics_losses.py", "-k", "large_logits",
    ),
    Bug(
        "label smoothing does nothing",
        "functions/crossentropy.py",
        "    if not label_smoothing:\n        return y_true\n",
        "    if label_smoothing is not None:\n        return y_true\n",
        *TRAINING, "smoothing",
    ),
    Bug(
        "BatchNormalization: unbiased variance",
        "functions/batch_norm.py",
        "variance = xp.maximum(squares - rest * rest, 0.0)",
        "variance = xp.maximum(squares * count / (count - 1) - rest * rest, 0.0)",
        *NORMALIZATION, "biased",
    ),
    Bug(
        "BatchNormalization: momentum the wrong way round",
        "layers/normalization.py",
        "w[name] *= self.momentum\n                w[name] += (1.0 - self.momentum) * value",
        "w[name] *= 1.0 - self.momentum\n                w[name] += self.momentum * value",
        *NORMALIZATION, "biased",
    ),
    Bug(
        "BatchNormalization: a frozen layer goes on learning its statistics",
        "layers/normalization.py",
        "if not (ctx.training and ctx.trainable and x.size):",
        "if not (ctx.training and x.size):",
        *NORMALIZATION, "frozen",
    ),
    Bug(
        "BatchNormalization: masked sums divided by all elements",
        "functions/batch_norm.py",
        "count = xp.maximum(numbers, 1.0)",
        "count = xp.maximum(len(rows), 1.0)",
        "tests/test_masked_normalization.py", "-k", "arrays",
    ),
    Bug(
        "LayerNormalization: always the last axis",
        "layers/normalization.py",
        'w.get("gamma"), w.get("beta"), axes, self.epsilon, out=out, normal=normal',
        'w.get("gamma"), w.get("beta"), (x.ndim - 1,), self.epsilon, out=out, normal=normal',
        *LAYERS, "LayerNormalization and (keras or every_argument)",
    ),
    Bug(
        "maximum: the gradient goes to every one of equal inputs",
        "functions/merging.py",
        "mine = x == y if free is None else (x == y) & free",
        "mine = x == y",
        *NUMBERS, "ties",
    ),
    Bug(
        "shared layer: only the last gradient counts",
        "engine/executor.py",
        "            for total, part in sums:\n                total += part",
        "            for total, part in sums:\n                total[...] = part",
        *TRAINING, "shared",
    ),
    Bug(
        "two readers of one value: one gradient lost",
        "engine/executor.py",
        "grads[slot] = self.xp.add(total, part, out=",
        "grads[slot] = self.xp.add(total * 0, part, out=",
        *TRAINING, "shared",
    ),
    Bug(
        "micro-batches: only the last gradient counts",
        "engine/workers.py",
        "                total += part\n",
        "                total[...] = part\n",
        *ENGINE, "what_the_whole_gives",
    ),
    Bug(
        "activity penalty isn't divided by the batch",
        "engine/steps.py",
        "        dx /= ctx.batch\n",
        "",
        *TRAINING, "penalties",
    ),
    Bug(
        "L2 halved",
        "regularizers.py",
        "return xp_of(w).multiply(w, 2 * self.l2, out)",
        "return xp_of(w).multiply(w, self.l2, out)",
        "tests/test_regularizers.py", "-k", "central_differences",
    ),
    Bug(
        "penalties missing in evaluate",
        "models/compiled.py",
        "self._tracker.add(values, penalty + engine.penalize(backward=False), len(xs[0]))",
        "self._tracker.add(values, penalty, len(xs[0]))",
        *TRAINING, "penalties",
    ),
    Bug(
        "loss weight left out of the gradient",
        "engine/head.py",
        "        if self.weight != 1.0:\n",
        "        if self.weight is None:\n",
        *TRAINING, "loss_weights",
    ),
    Bug(
        "sample weights: divided by their sum",
        "losses/base.py",
        "            count = rows\n            for length",
        "            count = rows if weights is None else float(weights.sum())\n            for length",
        *TRAINING, "sample_weight",
    ),
    Bug(
        "class weights do nothing",
        "data/checks.py",
        "self.table[self._key(key)] = self._factor(key, factor)",
        "self.table[self._key(key)] = min(1.0, self._factor(key, factor) + 1.0)",
        *TRAINING, "class_weight",
    ),
    Bug(
        "the last, shorter batch weighs as much as the others",
        "models/tracking.py",
        "        self._rows += rows\n        if self._single:",
        "        rows = 1\n        self._rows += rows\n        if self._single:",
        *TRAINING, "last_batch",
    ),
    Bug(
        "weighted metrics see no weights",
        "models/tracking.py",
        "weights = ws[k] if use_weights else None",
        "weights = None",
        *TRAINING, "sample_weight",
    ),
    Bug(
        "binary accuracy: >= for >",
        "metrics/accuracy.py",
        "return (y_pred > threshold) == y_true",
        "return (y_pred >= threshold) == y_true",
        "tests/test_metrics.py", "-k", "strictly_above",
    ),
    Bug(
        "accuracy: the last of equal predictions",
        "metrics/accuracy.py",
        "return y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)",
        "return y_true.argmax(axis=-1) == y_pred.shape[-1] - 1 - y_pred[..., ::-1].argmax(axis=-1)",
        *TRAINING, "equal_predictions",
    ),
    Bug(
        "validation_split takes the first rows",
        "data/cut.py",
        "for ends in ((0, at), (at, rows)))",
        "for ends in ((rows - at, rows), (0, rows - at)))",
        *TRAINING, "validation",
    ),
    Bug(
        "constraints aren't applied",
        "models/compiled.py",
        "            parameter.value[...] = parameter.constraint(parameter.value)\n",
        "            parameter.constraint(parameter.value)\n",
        *TRAINING, "constraint",
    ),
]  # fmt: skip


def _environment(root):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "KERASETTE"))}
    return {**kept, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}


def copy_of_the_source(directory) -> Path:
    """Copies package and tests to `directory`; returns its path."""
    root = Path(directory)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(source, root / name)
    return root


def run_tests(root, tests):
    """Runs pytest in the copy; returns its exit code (0: all passed, 1: some failed) and what it printed."""
    options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=root, env=_environment(root), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def is_caught(bug) -> bool:
    """Plants `bug` in a fresh copy and tells whether the tests fail; they must have passed a copy without."""
    with tempfile.TemporaryDirectory() as directory:
        root = copy_of_the_source(directory)
        bug.plant(root)
        code, printed = run_tests(root, bug.tests)
    if code not in (0, 1):
        raise RuntimeError(f"{bug.name}: pytest ended with code {code}:\n{printed[-2000:]}")
    return code == 1


def failing_without_bugs(bugs) -> list:
    """Returns the selections of tests that fail even in a copy without a bug."""
    with tempfile.TemporaryDirectory() as directory:
        root = copy_of_the_source(directory)
        selections = list(dict.fromkeys(bug.tests for bug in bugs))
        return [tests for tests in selections if run_tests(root, tests)[0] != 0]


def main(arguments) -> int:
    """Runs what the command line asks for; returns the exit code."""
    words = [word.lower() for word in arguments if not word.startswith("--")]
    bugs = [bug for bug in BUGS if not words or any(word in bug.name.lower() for word in words)]
    gone = [bug for bug in bugs if not bug.matches()]
    for bug in gone:
        print(f"no longer matches  {bug.name} ({bug.path})")
    if "--check" in arguments:
        print(f"{len(bugs) - len(gone)} of {len(bugs)} texts match.")
        return 1 if gone else 0
    bugs = [bug for bug in bugs if bug not in gone]
    broken = failing_without_bugs(bugs)
    for tests in broken:
        print(f"fails without a bug, or is empty  {' '.join(tests)}")
    bugs = [bug for bug in bugs if bug.tests not in broken]
    missed = 0
    for bug in bugs:
        start = time.perf_counter()
        caught = is_caught(bug)
        missed += not caught
        seconds = time.perf_counter() - start
        print(f"{'caught' if caught else 'MISSED'}  {seconds:5.1f} s  {bug.name}", flush=True)
    print(f"{len(bugs) - missed} of {len(bugs)} bugs caught.")
    return 1 if missed or gone or broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
