"""Indices for an Embedding are checked before the first step, as labels are."""

import numpy as np
import pytest

from kerasette import Input, Sequential, layers
from kerasette.errors import InvalidValue


def model_of(embedding):
    model = Sequential([Input((3,), dtype="int32"), embedding, layers.Flatten(), layers.Dense(1)])
    return model.compile("mse", "sgd")


def bad_ids(kind=int):
    ids = np.ones((64, 3), kind)
    ids[60, 1] = 5
    return ids


Y = np.ones((64, 1))


@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize("validation", [False, True])
def test_bad_indices_are_found_before_any_weight_changes(kind, validation):
    model = model_of(layers.Embedding(5, 2, name="words"))
    before = model.get_weights()
    who = "validation_data" if validation else "fit"
    x = np.ones((64, 3)) if validation else bad_ids(kind)
    more = {"validation_data": (bad_ids(kind), Y)} if validation else {}
    words = rf"{who}: x has the index 5(\.0)? in row 60, column 1; layer 'words' takes 0 to 4"
    with pytest.raises(InvalidValue, match=words):
        model.fit(x, Y, shuffle=False, batch_size=8, verbose=0, **more)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_bad_indices_of_a_generator_name_the_batch():
    model = model_of(layers.Embedding(5, 2))
    with pytest.raises(InvalidValue, match="fit, batch 1: x has the index 5 in row 28"):
        model.fit(iter([(bad_ids()[:32], Y[:32]), (bad_ids()[32:], Y[32:])]), verbose=0)


def test_a_layer_with_a_forward_of_its_own_takes_what_it_likes():
    class Wrapping(layers.Embedding):
        def forward(self, ctx, w, x):
            return super().forward(ctx, w, x % self.input_dim)

    model = model_of(Wrapping(5, 2))
    model.fit(bad_ids(), Y, batch_size=8, verbose=0)
