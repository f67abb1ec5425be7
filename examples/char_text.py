"""Characters: an LSTM reads the handbook that comes with Python, letter by letter, and goes on writing it.

python examples/char_text.py
"""

import argparse
import math
import pydoc_data.topics
import re
import textwrap
import zlib
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Input, Sequential, utils
from kerasette.layers import LSTM, Dense, Embedding
from kerasette.losses import SparseCategoricalCrossentropy
from kerasette.optimizers import Adam
from kerasette.optimizers.schedules import CosineDecay

UNITS, LENGTH, BATCH, EPOCHS = 160, 64, 32, 12
TEMPERATURES = (0.2, 0.6, 1.0, 1.4)
BEGIN, WRITTEN = "The following ", 640  # what each sample begins with, and how many characters follow


def load(count):
    """Returns the first `count` characters of Python's reference by topics: ASCII, no blanks in a row."""
    text = "\n".join(pydoc_data.topics.topics[name] for name in sorted(pydoc_data.topics.topics))
    return re.sub(" +", " ", text.encode("ascii", "ignore").decode())[:count]


def build(size, steps=1, rows=None):
    """Returns a network from characters to the logits of the next ones, compiled.

    With `rows` it goes one step at a time, for so many texts at once, and remembers its state in between.
    """
    layers = [
        Input((None,), dtype="int32") if rows is None else Input(batch_shape=(rows, 1), dtype="int32"),
        Embedding(size, 32),
        LSTM(UNITS, return_sequences=True, stateful=rows is not None),
        Dense(size),
    ]
    warmup = steps // 10
    rate = CosineDecay(1e-3, steps - warmup, warmup_target=5e-3, warmup_steps=warmup)
    loss = SparseCategoricalCrossentropy(from_logits=True)
    return Sequential(layers).compile(loss, Adam(rate, clipnorm=1.0))


def write(model, alphabet, rng):
    """Returns one text for each temperature; the logits are divided by it, so a low one takes few risks."""
    rows = len(TEMPERATURES)
    writer = build(len(alphabet), rows=rows)
    writer.set_weights(model.get_weights())
    codes = [np.full((rows, 1), alphabet.index(character)) for character in BEGIN]
    for place in range(len(BEGIN) + WRITTEN - 1):
        logits = writer.predict_on_batch(codes[place])[:, 0]
        if place < len(BEGIN) - 1:
            continue  # it only reads
        noise = rng.gumbel(size=logits.shape)  # the largest logit + noise is a draw from their softmax
        codes.append((logits / np.reshape(TEMPERATURES, (-1, 1)) + noise).argmax(axis=1)[:, None])
    return ["".join(alphabet[code] for code in line) for line in np.concatenate(codes, axis=1)]


def draw(history, packed, samples, path):
    """Draws the loss in bits a character, and what is written at each temperature."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 6), layout="constrained", width_ratios=[1, 2.2])
    for name, label in (("loss", "training"), ("val_loss", "the part kept from it")):
        bits = np.array(history[name]) / math.log(2)
        left.plot(np.arange(1, len(bits) + 1), bits, marker="o", ms=3, label=label)
    left.axhline(packed, color="black", ls="--", lw=1, label="the same part by zlib")
    left.set(title="Loss", xlabel="epoch", ylabel="bits a character", ylim=(0, None))
    left.legend(frameon=False)
    right.axis("off")
    right.set_title("Written at a temperature of ...", loc="left")
    for place, (temperature, text) in enumerate(zip(TEMPERATURES, samples, strict=True)):
        top = 0.98 - place / len(samples)
        right.text(0, top, f"{temperature}", weight="bold", va="top", transform=right.transAxes)
        lines = textwrap.wrap(" ".join(text.split()), 100)[:7]
        options = {"family": "monospace", "size": 8.5, "va": "top", "parse_math": False}
        right.text(0.06, top, "\n".join(lines), transform=right.transAxes, **options)
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the bits a character takes of the part that was kept from training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the text, one epoch")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    text = load(60_000 if args.quick else 1_000_000)
    alphabet = "".join(sorted(set(text)))
    codes = np.array([alphabet.index(character) for character in text], dtype="int32")
    windows = utils.sliding_windows(codes, LENGTH + 1, stride=LENGTH)  # each with the character behind it
    x, y, split = windows[:, :-1], windows[:, 1:], len(windows) * 9 // 10
    epochs = 1 if args.quick else EPOCHS
    model = build(len(alphabet), steps=epochs * -(-split // BATCH))
    history = model.fit(
        x[:split], y[:split], BATCH, epochs, validation_data=(x[split:], y[split:]), verbose=2
    )
    samples = write(model, alphabet, np.random.default_rng(0))
    kept = text[split * LENGTH :].encode()
    packed = 8 * len(zlib.compress(kept, 9)) / len(kept)
    draw(history.history, packed, samples, args.out / "char_text.png")
    bits = history.history["val_loss"][-1] / math.log(2)
    for temperature, sample in zip(TEMPERATURES, samples, strict=True):
        print(f"--- temperature {temperature}\n{sample}")
    print(f"Characters: {len(text):,}; of the last tenth each takes {bits:.2f} bits (zlib: {packed:.2f})")
    print(f"figure in {args.out / 'char_text.png'}")
    return bits


if __name__ == "__main__":
    main()
