"""Data sets: what the files hold, where they are searched, and what is fetched."""

import gzip
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from kerasette.datasets import _files, fashion_mnist, iris, mnist
from kerasette.errors import InvalidValue, KerasetteError, LoadError, MissingFile

pytest_plugins = ["tests.loopback"]

CHECKOUT = Path(__file__).resolve().parent.parent / "datasets"
TEST_LABELS = mnist._FILES[3]


def unpacked(file):
    return gzip.decompress((CHECKOUT / "mnist" / f"{file.name}.gz").read_bytes())


# ---------------------------------------------------------------- what the files hold


@pytest.mark.parametrize("file", mnist._FILES, ids=lambda file: file.name)
def test_committed_mnist_file_is_the_official_one(file):
    content = unpacked(file)
    assert hashlib.sha256(content).hexdigest() == file.sha256
    assert content.startswith(file.header())


def test_mnist_shapes_types_and_first_labels(monkeypatch):
    monkeypatch.delenv("KERASETTE_DATA", raising=False)
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    assert x_train.shape == (60000, 28, 28) and y_train.shape == (60000,)
    assert x_test.shape == (10000, 28, 28) and y_test.shape == (10000,)
    assert all(
        array.dtype == np.uint8 and array.flags.writeable for array in (x_train, y_train, x_test, y_test)
    )
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert x_train.max() == 255 and int(x_train.sum(dtype="int64")) == 1567298545
    assert x_test[0, 7].max() > 0 and x_test[0, 0].max() == 0


def test_iris_is_scikit_learns():
    x, y = iris.load_all()
    sklearn = pytest.importorskip("sklearn.datasets").load_iris()
    np.testing.assert_array_equal(x, sklearn.data.astype("float32"))
    np.testing.assert_array_equal(y, sklearn.target)
    assert list(sklearn.target_names) == list(iris.CLASS_NAMES)
    names = [name.replace(" (cm)", "").replace(" ", "_") for name in sklearn.feature_names]
    assert list(iris.FEATURE_NAMES) == names
    assert x[34].tolist() == pytest.approx([4.9, 3.1, 1.5, 0.2])  # wrong in the copy of the UCI repository
    assert x[37].tolist() == pytest.approx([4.9, 3.6, 1.4, 0.1])


def test_iris_split_is_whole_repeatable_and_shuffled():
    (x_train, y_train), (x_test, y_test) = iris.load_data(0.3, 7)
    again = iris.load_data(test_split=0.3, seed=7)
    np.testing.assert_array_equal(x_train, again[0][0])
    np.testing.assert_array_equal(y_test, again[1][1])
    assert x_train.dtype == np.float32 and y_train.dtype == np.int64
    assert (len(x_train), len(x_test)) == (105, 45)
    x, y = iris.load_all()
    rows = np.column_stack([np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])]).tolist()
    assert sorted(rows) == sorted(np.column_stack([x, y]).tolist())
    assert rows != np.column_stack([x, y]).tolist()
    assert not np.array_equal(x_train, iris.load_data(seed=8)[0][0])
    assert len(iris.load_data(test_split=0)[1][0]) == 0


@pytest.mark.parametrize("keywords", [{"test_split": 1}, {"test_split": -0.1}, {"seed": -1}, {"seed": 1.5}])
def test_iris_refuses(keywords):
    with pytest.raises(InvalidValue):
        iris.load_data(**keywords)


# ---------------------------------------------------------------- where they are searched


def test_iris_explicit_path_then_package_then_data_then_checkout(monkeypatch, tmp_path):
    source = CHECKOUT / "iris.csv"
    windows = tmp_path / "iris.csv"
    windows.write_bytes(source.read_bytes().replace(b"\n", b"\r\n"))
    assert iris.load_all(tmp_path)[0].shape == iris.load_all(str(windows))[0].shape == (150, 4)
    monkeypatch.setenv("KERASETTE_DATA", str(tmp_path))
    assert iris._find(None) == str(windows)
    beside = tmp_path / "package"
    beside.mkdir()
    shutil.copy(source, beside)
    monkeypatch.setattr(iris, "__file__", str(beside / "iris.py"))
    assert iris._find(None) == str(beside / "iris.csv")
    with pytest.raises(MissingFile, match="Give its path"):
        iris.load_all(tmp_path / "nowhere")
    windows.write_text(source.read_text().replace("5.1", "5.2", 1))
    with pytest.raises(LoadError, match="damaged"):
        iris.load_all(windows)


def test_data_directory_goes_before_the_checkout(monkeypatch, tmp_path, no_proxy):
    monkeypatch.setenv("KERASETTE_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    own = tmp_path / "mnist" / f"{TEST_LABELS.name}.gz"
    own.write_bytes(b"not gzip at all")
    with pytest.raises(LoadError) as caught:  # found first and damaged: never passed over in silence
        TEST_LABELS.load("mnist", ())
    assert str(own) in str(caught.value)
    own.unlink()
    assert TEST_LABELS.load("mnist", ())[0] == 7  # the checkout's


def test_checkout_goes_before_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("KERASETTE_DATA", raising=False)
    monkeypatch.setenv("KERASETTE_CACHE", str(tmp_path))
    roots = list(_files.local_roots())
    assert roots == [str(CHECKOUT)]
    assert TEST_LABELS.load("mnist", ())[0] == 7
    assert os.listdir(tmp_path) == []


def test_explicit_path_directory_file_or_archive(tmp_path):
    here = CHECKOUT / "mnist"
    for path in (here, CHECKOUT, str(here / f"{TEST_LABELS.name}.gz")):
        (_, y_train), (_, y_test) = mnist.load_data(path)
        assert (y_train[0], y_test[0]) == (5, 7)
    (x_train, y_train), (x_test, y_test) = mnist.load_data("mnist.npz")  # Keras's default is the search
    archive = tmp_path / "mnist.npz"
    np.savez(archive, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    np.testing.assert_array_equal(mnist.load_data(archive)[1][0], x_test)
    y_test[0] += 1
    np.savez(archive, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    with pytest.raises(LoadError, match="damaged"):
        mnist.load_data(str(archive))
    np.savez(archive, x_train=x_train[:5])
    with pytest.raises(LoadError):
        mnist.load_data(archive)
    archive.write_bytes(b"PK\3\4 broken")
    with pytest.raises(LoadError):
        mnist.load_data(archive)
    with pytest.raises(MissingFile, match="four files"):
        mnist.load_data(tmp_path)


def test_unpacked_file_is_read_as_well(tmp_path):
    content = unpacked(TEST_LABELS)
    path = tmp_path / TEST_LABELS.name
    path.write_bytes(content)
    assert TEST_LABELS.load_file(str(path))[0] == 7
    for wrong in (content[:-1], content + b"\0", content[:20] + b"\7" + content[21:], b""):
        path.write_bytes(wrong)
        with pytest.raises(LoadError, match="damaged"):
            TEST_LABELS.load_file(str(path))


# ---------------------------------------------------------------- fetched


def test_offline_error_names_urls_and_the_place(server, empty_machine):
    server.shutdown()
    server.server_close()
    mirrors = tuple(f"{server.url}{name}/" for name in "ab")
    with pytest.raises(MissingFile) as caught:
        TEST_LABELS.load("mnist", mirrors)
    message = str(caught.value)
    assert all(f"{mirror}{TEST_LABELS.name}.gz" in message for mirror in mirrors)
    assert str(empty_machine / "datasets" / "mnist" / f"{TEST_LABELS.name}.gz") in message
    assert "KERASETTE_DATA" in message
    assert isinstance(caught.value, FileNotFoundError) and isinstance(caught.value, KerasetteError)
    assert os.listdir(empty_machine / "datasets" / "mnist") == []


def test_loader_downloads_once_and_mends_a_damaged_cache(server, empty_machine):
    name = f"{TEST_LABELS.name}.gz"
    packed = (CHECKOUT / "mnist" / name).read_bytes()
    repacked = gzip.compress(gzip.decompress(packed), 1)  # another wrapping of the same content
    server.files = {f"/m/{name}": repacked}
    mirrors = (server.url + "m/",)
    assert TEST_LABELS.load("mnist", mirrors)[0] == 7
    assert TEST_LABELS.load("mnist", mirrors)[0] == 7
    assert len(server.requests) == 1
    cached = empty_machine / "datasets" / "mnist" / name
    for damage in (repacked[:-9], repacked[:500] + b"\0\0" + repacked[502:], b""):
        cached.write_bytes(damage)
        server.requests.clear()
        assert TEST_LABELS.load("mnist", mirrors)[0] == 7
        assert len(server.requests) == 1 and cached.read_bytes() == repacked


def test_fashion_mnist_uses_its_own_directory_and_mirrors(server, empty_machine, monkeypatch):
    assert [file.shape for file in fashion_mnist._FILES] == [file.shape for file in mnist._FILES]
    assert len(fashion_mnist.CLASS_NAMES) == 10
    arrays = [np.full(shape, 3, np.uint8) for shape in ((6, 2, 2), (6,), (3, 2, 2), (3,))]
    files = []
    for array, file in zip(arrays, fashion_mnist._FILES, strict=True):
        small = _files.IdxFile(file.name, "", array.shape)
        content = small.header() + array.tobytes()
        small.sha256 = hashlib.sha256(content).hexdigest()
        server.files[f"/f/{file.name}.gz"] = gzip.compress(content)
        files.append(small)
    monkeypatch.setattr(fashion_mnist, "_FILES", files)
    monkeypatch.setattr(fashion_mnist, "_MIRRORS", (server.url + "nothing/", server.url + "f/"))
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    for got, array in zip((x_train, y_train, x_test, y_test), arrays, strict=True):
        np.testing.assert_array_equal(got, array)
    assert len(os.listdir(empty_machine / "datasets" / "fashion_mnist")) == 4
