"""Addition: an encoder reads "535+61", and hands its state to a decoder that writes "596".

python examples/addition_seq2seq.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Input, Model, callbacks, utils
from kerasette.layers import LSTM, Dense, Embedding
from kerasette.optimizers import Adam
from kerasette.optimizers.schedules import CosineDecay

CHARACTERS = (
    " 0123456789+=\n"  # a blank, number 0, is no step at all; an answer begins with = and ends with \n
)
UNITS, BATCH, EPOCHS = 128, 128, 10
COUNT, HELD_OUT, LONGEST = 55_000, 5_000, 5  # sums, those kept from training, characters of an answer


def encode(texts):
    """Returns texts as numbers of characters, (n, longest), with blanks behind shorter ones."""
    return utils.pad_sequences([[CHARACTERS.index(c) for c in text] for text in texts], padding="post")


def sums(count, rng):
    """Returns `count` pairs (a, b) of numbers below 1,000; none stands there twice, nor as (b, a)."""
    pairs = np.unique(np.sort(rng.integers(0, 1000, (2 * count, 2)), axis=1), axis=0)
    return rng.permuted(rng.permutation(pairs)[:count], axis=1)


def build(steps):
    """Returns the model that is trained, and of the same layers an encoder and a decoder, which answer.

    The model knows what truly stands before each character that it writes. The decoder goes one step.
    """
    question, answer = Input((None,), dtype="int32"), Input((None,), dtype="int32")
    embedding = Embedding(len(CHARACTERS), 16, mask_zero=True)
    reader = LSTM(UNITS, return_state=True, go_backwards=True)
    writer = LSTM(UNITS, return_sequences=True, return_state=True)
    speaker = Dense(len(CHARACTERS), activation="softmax")
    _, *states = reader(embedding(question))
    model = Model([question, answer], speaker(writer(embedding(answer), initial_state=states)[0]))
    rate = CosineDecay(8e-4, steps - steps // 10, warmup_target=8e-3, warmup_steps=steps // 10)
    model.compile("sparse_categorical_crossentropy", Adam(rate, clipnorm=1.0))

    before = [Input((UNITS,)), Input((UNITS,))]
    written, *after = writer(embedding(answer), initial_state=before)
    return model, Model(question, states), Model([answer, *before], [speaker(written), *after])


def answers(models, questions):
    """Returns the characters written to encoded questions, (n, LONGEST), and the shares of all of them."""
    _, encoder, decoder = models
    states = encoder.predict(questions, 512, verbose=0)
    written, shares = np.full((len(questions), 1), CHARACTERS.index("=")), []
    for _ in range(LONGEST):
        share, *states = decoder.predict([written[:, -1:], *states], 512, verbose=0)
        shares.append(share[:, 0])
        written = np.concatenate([written, share[:, 0].argmax(axis=-1)[:, None]], axis=1)
    return written[:, 1:], np.stack(shares, axis=1)


def draw(progress, pairs, right, shares, path):
    """Draws the share of right sums, where the wrong ones lie, and how sure each character was."""
    figure, (left, middle, below) = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    left.plot(np.arange(1, len(progress) + 1), progress, marker="o", ms=3)
    left.set(title="1,000 new sums", xlabel="epoch", ylabel="share that is right", ylim=(0, 1.03))
    middle.scatter(*pairs[right].T, s=2, color="0.75")
    middle.scatter(*pairs[~right].T, s=9, color="tab:red")
    title = f"{np.sum(~right):,} of {len(pairs):,} sums are wrong (red)"
    middle.set(title=title, xlabel="a", ylabel="b", aspect="equal")
    shades = below.imshow(shares, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    below.set(title="535+61: shares of the next character", xlabel="character", ylabel="step: the ones first")
    below.set_xticks(range(len(CHARACTERS)), [*CHARACTERS[:-1], "end"])
    figure.colorbar(shades, ax=below)
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the share of the held-out sums that are right in all digits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the sums, two epochs")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    pairs = sums(COUNT // 5 if args.quick else COUNT, np.random.default_rng(0))
    questions = encode([f"{a}+{b}" for a, b in pairs])
    texts = [str(a + b)[::-1] for a, b in pairs]  # the ones first, as by hand: each carry is known in time
    given, wanted = encode([f"={text}" for text in texts]), encode([f"{text}\n" for text in texts])
    learned, epochs, progress = len(pairs) - HELD_OUT, 2 if args.quick else EPOCHS, []
    models = build(steps=epochs * -(-learned // BATCH))

    def right(count):
        """Returns which of the last sums are right in all digits; what follows the end doesn't count."""
        written, truth = answers(models, questions[-count:])[0], wanted[-count:]
        return np.all((written == truth) | (truth == 0), axis=1)

    def check(epoch, logs):
        progress.append(right(1_000).mean())
        print(f"epoch {epoch + 1}: loss {logs['loss']:.3f}, {progress[-1]:.1%} of 1,000 new sums right")

    options = {"verbose": 0, "callbacks": [callbacks.LambdaCallback(on_epoch_end=check)]}
    models[0].fit([questions[:learned], given[:learned]], wanted[:learned], BATCH, epochs, **options)
    found = right(HELD_OUT)
    written, shares = answers(models, encode(["535+61"]))
    draw(progress, pairs[learned:], found, shares[0], args.out / "addition_seq2seq.png")
    answer = "".join(CHARACTERS[code] for code in written[0]).split("\n")[0][::-1]
    print(f"Addition: {found.mean():.1%} of {HELD_OUT:,} held-out sums right; 535+61 -> {answer}")
    print(f"figure in {args.out / 'addition_seq2seq.png'}")
    return found.mean()


if __name__ == "__main__":
    main()
