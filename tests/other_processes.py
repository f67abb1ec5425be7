"""What forked and spawned processes, and threads, make of a model: `python -m tests.other_processes fork`."""

import multiprocessing
import os
import sys
import threading

import numpy as np

import kerasette as k
from kerasette import layers, utils


def model_and_data():
    """Returns a trained model whose batches are cut for the workers, and what it learned from."""
    utils.set_random_seed(3)
    chain = [layers.Dense(256, activation="relu"), layers.Dropout(0.3), layers.Dense(4, activation="softmax")]
    model = k.Sequential([k.Input((64,)), *chain])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2000, 64)).astype("float32"), rng.integers(0, 4, 2000)
    model.fit(x, y, batch_size=1000, verbose=0)
    return model, x, y


def work(model, x, y):
    """Predicts, trains on and predicts again; returns everything as bytes."""
    before = model.predict(x).tobytes()
    history = model.fit(x, y, batch_size=1000, epochs=2, verbose=0).history
    return before, repr(history), model.predict(x[:5]).tobytes()


def in_processes(method):
    """Lets two processes do the same work with their copies of a model, and then the model itself."""
    model, x, y = model_and_data()
    with multiprocessing.get_context(method).Pool(2) as pool:
        waiting = [pool.apply_async(work, (model, x, y)) for _ in range(2)]
        found = [one.get(60) for one in waiting]
    assert found == [work(model, x, y)] * 2


def in_threads(count=8):
    """Lets threads predict at once with one model: small, cut and single batches, and calls."""
    model, x, _ = model_and_data()
    sizes = [1, 7, 300, 2000]
    wanted = [model.predict(x[:size]).tobytes() for size in sizes] + [np.asarray(model(x[:9])).tobytes()]
    wrong, barrier = [], threading.Barrier(count)

    def predict():
        barrier.wait()
        for _ in range(3):
            found = [model.predict(x[:size]).tobytes() for size in sizes]
            found.append(np.asarray(model(x[:9])).tobytes())
            if found != wanted:
                wrong.append(threading.get_ident())

    threads = [threading.Thread(target=predict) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def within_fit():
    """Forks while a helper gathers the next batches: the child has no helper, and ends the epoch as well."""
    _, x, y = model_and_data()
    children = []

    def fork(batch, logs):
        if batch == 0 and not children:
            children.append(os.fork())

    def trained(callbacks):
        utils.set_random_seed(3)
        model = k.Sequential([k.Input((64,)), layers.Dense(4, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(np.tile(x, (5, 1)), np.tile(y, 5), batch_size=1000, verbose=0, callbacks=callbacks)
        return b"".join(one.tobytes() for one in model.get_weights())

    same = trained([k.callbacks.LambdaCallback(on_train_batch_end=fork)]) == trained([])
    if children == [0]:
        os._exit(0 if same else 1)
    assert same
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0


if __name__ == "__main__":
    what = sys.argv[1]
    if what == "threads":
        in_threads()
    elif what == "within":
        within_fit()
    else:
        in_processes(what)
    print("well")
