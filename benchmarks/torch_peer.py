"""A work in PyTorch: modules, and the usual loop over shuffled batches."""

import numpy as np
import torch
from torch import nn

from benchmarks.works import PREDICT_BATCH


class LastStep(nn.Module):
    """A recurrent module over (rows, steps, features) that gives the output of the last step."""

    def __init__(self, cells):
        super().__init__()
        self.cells = cells

    def forward(self, x):
        return self.cells(x)[0][:, -1]


class Block(nn.Module):
    """Self-attention and a feed-forward part, each added to its input and normalized."""

    def __init__(self, heads, width, inner):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.feed = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width))
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x):
        x = self.first(x + self.attention(x, x, x, need_weights=False)[0])
        return self.second(x + self.feed(x))


class Rescale(nn.Module):
    """Numbers of any type as floats, times a factor."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x.float() * self.factor


class MeanStep(nn.Module):
    """The mean over steps."""

    def forward(self, x):
        return x.mean(1)


def torch_loop(work, x, y):
    """Returns `train()` and `predict(rows)`; batches are taken by indexing (a DataLoader is slower)."""
    model = nn.Sequential(*(part for entry in work.stack for part in _modules(work, *entry)))
    rows, labels = _tensor(x).contiguous(), torch.from_numpy(y)
    labels = labels.long() if work.classifies else labels
    with torch.no_grad():
        model.eval()(rows[:1])  # gives the lazy modules their sizes
    loss_of = nn.CrossEntropyLoss() if work.classifies else nn.MSELoss()
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[work.optimizer](
        model.parameters(), lr=work.rate
    )

    def train():
        model.train()
        for _ in range(work.epochs):
            total = 0.0
            for picked in torch.randperm(len(rows)).split(work.batch):
                optimizer.zero_grad()
                loss = loss_of(model(rows[picked]), labels[picked])
                loss.backward()
                optimizer.step()
                total += loss.item()

    def predict(data):
        model.eval()
        with torch.inference_mode():
            rows = _tensor(data)
            many = len(rows) > PREDICT_BATCH
            outputs = torch.cat([model(part) for part in rows.split(PREDICT_BATCH)]) if many else model(rows)
            return (outputs.softmax(-1) if work.classifies else outputs).numpy()

    return train, predict


def _tensor(x: np.ndarray) -> torch.Tensor:
    """Returns `x` as a tensor, images with the channels first as PyTorch wants them."""
    rows = torch.from_numpy(x)
    return rows.permute(0, 3, 1, 2) if x.ndim == 4 else rows


def _modules(work, kind, *arguments):
    """Returns the modules of one entry; the loss and `predict` do the softmax."""
    activations = {"relu": [nn.ReLU()], "tanh": [nn.Tanh()], "softmax": [], None: []}
    cells = {"lstm": nn.LSTM, "gru": nn.GRU, "simple_rnn": nn.RNN}
    if kind == "dense":
        return [nn.LazyLinear(arguments[0]), *activations[arguments[1]]]
    if kind == "conv":
        filters, strides, padding = arguments
        return [nn.LazyConv2d(filters, 3, stride=strides, padding=padding), nn.ReLU()]
    if kind in cells:
        return [LastStep(cells[kind](work.shape[-1], *arguments, batch_first=True))]
    return [
        {
            "pool": lambda: nn.MaxPool2d(2),
            "normalize": lambda: nn.LazyBatchNorm2d(eps=1e-3, momentum=0.1),
            "flatten": nn.Flatten,
            "dropout": nn.Dropout,
            "rescale": Rescale,
            "block": Block,
            "average": MeanStep,
        }[kind](*arguments)
    ]
