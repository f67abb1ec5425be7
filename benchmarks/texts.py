"""A work in Keras's words: the same text builds it in kerasette and in Keras."""

from benchmarks.works import PREDICT_BATCH


def keras_text(work, x, y, layers, models, optimizers):
    """Returns `train()` and `predict(rows)` of `work` in the library that the three modules are of."""
    inputs = tensor = layers.Input(work.shape)
    makers = _makers(layers)
    for kind, *arguments in work.stack:
        tensor = makers[kind](*arguments)(tensor)
    model = models.Model(inputs, tensor)
    optimizer = {"sgd": optimizers.SGD, "adam": optimizers.Adam}[work.optimizer](learning_rate=work.rate)
    model.compile(
        loss="sparse_categorical_crossentropy" if work.classifies else "mse",
        optimizer=optimizer,
    )

    def train():
        model.fit(x, y, batch_size=work.batch, epochs=work.epochs, verbose=0)

    def predict(rows):
        return model.predict(rows, batch_size=PREDICT_BATCH, verbose=0)

    return train, predict


def _makers(layers):
    """Returns kind -> what makes a layer, or a function of a tensor, of an entry's arguments."""

    def block(heads, width, inner):
        def apply(tensor):
            attended = layers.MultiHeadAttention(heads, width // heads)(tensor, tensor)
            tensor = layers.LayerNormalization()(layers.add([tensor, attended]))
            fed = layers.Dense(width)(layers.Dense(inner, activation="relu")(tensor))
            return layers.LayerNormalization()(layers.add([tensor, fed]))

        return apply

    return {
        "dense": lambda units, activation: layers.Dense(units, activation=activation),
        "conv": lambda filters, strides, padding: layers.Conv2D(
            filters, 3, strides=strides, padding=padding, activation="relu"
        ),
        "pool": lambda: layers.MaxPooling2D(2),
        "normalize": lambda: layers.BatchNormalization(momentum=0.9),
        "flatten": layers.Flatten,
        "dropout": layers.Dropout,
        "rescale": layers.Rescaling,
        "lstm": layers.LSTM,
        "gru": layers.GRU,
        "simple_rnn": layers.SimpleRNN,
        "block": block,
        "average": layers.GlobalAveragePooling1D,
    }
