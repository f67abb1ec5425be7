"""plot_history: training curves."""

import math

import numpy as np

from kerasette.errors import hint, type_error, value_error
from kerasette.plotting.drawing import matplotlib_figure
from kerasette.plotting.pictures import checked_path, save_figure

TRAINING, VALIDATION = "#3f7fbf", "#d9822b"
DPI = 150


def plot_history(history, to_file=None, metrics=None, ax=None, *, validation: str = "validation"):
    """Draws the training curves: the loss, then a panel for each metric; validation in another colour.

    Args:
        history: what `fit` returned, or a dict {name: one value an epoch}.
        to_file: path of a picture to write, or None.
        metrics: names of the curves to draw ("loss", "accuracy"; "val_" ones come along); all unless given.
        ax: matplotlib axes to draw on, one or as many as there are panels; a new figure unless given.
        validation: what the curves of `validation_data` are called; "test" where that was the test set.

    Returns:
        The matplotlib figure.

    Raises:
        InvalidType, InvalidValue: for something else than a history, without epochs, and for unknown names.
        MissingFile: where the directory of `to_file` doesn't exist.
    """
    path = None if to_file is None else checked_path("plot_history", to_file)
    record = history if isinstance(history, dict) else getattr(history, "history", None)
    if not isinstance(record, dict):
        raise type_error(f"plot_history needs a History or a dict, got {type(history).__name__}.")
    first = min(getattr(history, "epoch", None) or [0]) + 1
    names = _panels(record, metrics)
    axes = _axes(len(names), ax)
    for one, name in zip(axes, names, strict=True):
        _draw_panel(one, record, name, first, validation)
    figure = axes[0].figure
    if path is not None:
        save_figure("plot_history", figure, path, DPI)
    return figure


def _panels(record, metrics):
    known = list(dict.fromkeys(name.removeprefix("val_") for name in record))
    known.sort(key=lambda name: name != "loss")
    if metrics is None:
        wanted = known
    else:
        given = [metrics] if isinstance(metrics, str) else metrics
        wanted = list(dict.fromkeys(name.removeprefix("val_") for name in given))
    for name in wanted:
        if name not in known:
            raise value_error(f"plot_history: the history has no '{name}'.", hint(name, known))
    if not wanted or not any(len(values) for values in record.values()):
        raise value_error("plot_history: the history has no epochs. Train with fit first.")
    return wanted


def _axes(count, ax):
    if ax is not None:
        axes = list(np.ravel(ax))
        if len(axes) < count:
            raise value_error(
                f"plot_history: {count} panels need as many axes, got {len(axes)}.",
                "Pass metrics='loss' to draw one of them.",
            )
        return axes[:count]
    columns = min(count, 3)
    rows = math.ceil(count / columns)
    figure = matplotlib_figure()(figsize=(4.6 * columns, 3.4 * rows), layout="constrained", facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.remove()
    return list(axes[:count])


def _draw_panel(axes, record, name, first, validation):
    longest = max(len(values) for values in record.values())
    for full, colour, label in (
        (name, TRAINING, "training"),
        (f"val_{name}", VALIDATION, validation),
    ):
        values = np.asarray(record.get(full, ()), dtype=float)
        if not len(values):
            continue
        # With validation_freq there are fewer values: they stand for evenly spaced epochs.
        epochs = first - 1 + np.arange(1, len(values) + 1) * (longest // len(values))
        axes.plot(
            epochs, values, color=colour, label=label, lw=1.6, marker="o" if longest < 30 else None, ms=3.5
        )
    axes.set_title(name.replace("_", " "), fontsize=11)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if f"val_{name}" in record:
        axes.legend(frameon=False, fontsize=9)
