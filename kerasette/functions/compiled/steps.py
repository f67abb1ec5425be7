"""Loops over the steps of recurrent layers, compiled as a whole: the functions of the same names say what.

A loop holds no lock of Python from its first step to its last, products among them, so parts of a batch run
side by side. They take float32; tanh is a quotient of polynomials, true to about 4e-7 of its value.
"""

import numpy as np

from kerasette.functions.compiled.jit import jit, product, sgemm_address, suits_products, turned_product

__all__ = [
    "gru_steps",
    "gru_steps_backward",
    "lstm_steps",
    "lstm_steps_backward",
    "simple_rnn_steps",
    "simple_rnn_steps_backward",
]

HALF = np.float32(0.5)
ONE = np.float32(1.0)


def _flags(skipped):
    """Returns bool (C, N), without rows where no step is left out."""
    return np.empty((0, 0), bool) if skipped is None else skipped


def _outer(dys):
    return np.empty((0, 0, 0), np.float32) if dys is None else dys


# ---------------------------------------------------------------- what they share


@jit
def _tanh(x, y):
    """Writes tanh of `x` on `y`, flat ones: an odd polynomial over an even one, as in Eigen."""
    limit = np.float32(7.90531110763549805)
    for t in range(x.size):
        v = x[t]
        v = limit if v > limit else v
        v = -limit if v < -limit else v
        s = v * v
        p = s * np.float32(-2.76076847742355e-16) + np.float32(2.00018790482477e-13)
        p = p * s + np.float32(-8.60467152213735e-11)
        p = p * s + np.float32(5.12229709037114e-08)
        p = p * s + np.float32(1.48572235717979e-05)
        p = p * s + np.float32(6.37261928875436e-04)
        p = p * s + np.float32(4.89352455891786e-03)
        q = s * np.float32(1.19825839466702e-06) + np.float32(1.18534705686654e-04)
        q = q * s + np.float32(2.26843463243900e-03)
        q = q * s + np.float32(4.89352518554385e-03)
        y[t] = v * p / q


@jit
def _half_up(x):
    """Makes sigmoids of half the gates' tanh, in place."""
    for t in range(x.size):
        x[t] = x[t] * HALF + HALF


@jit
def _add(x, y):
    for t in range(x.size):
        x[t] += y[t]


@jit
def _take_back(new, before, skipped):
    """Makes `new` (U, N) what `before` is in the columns that are skipped."""
    for u in range(len(new)):
        for t in range(new.shape[1]):
            new[u, t] = before[u, t] if skipped[t] else new[u, t]


@jit
def _clear(dz, skipped):
    for u in range(len(dz)):
        for t in range(dz.shape[1]):
            dz[u, t] = 0 if skipped[t] else dz[u, t]


@jit
def _add_skipped(dh, before, skipped):
    """Adds what passed by a step that was left out."""
    for u in range(len(dh)):
        for t in range(dh.shape[1]):
            dh[u, t] += before[u, t] if skipped[t] else 0


# ---------------------------------------------------------------- SimpleRNN


def simple_rnn_steps(blocks, packed, skipped, z):
    if not suits_products(blocks, packed, z):
        return NotImplemented
    _simple_rnn_steps(sgemm_address(), blocks, packed, _flags(skipped), z)
    return None


def simple_rnn_steps_backward(blocks, recurrent_kernel, dz, dh, dys, skipped):
    if not suits_products(blocks, recurrent_kernel, dz, dh):
        return NotImplemented
    _simple_rnn_steps_backward(
        sgemm_address(), blocks, recurrent_kernel, dz, dh, _outer(dys), _flags(skipped)
    )
    return None


@jit
def _simple_rnn_steps(sgemm, blocks, packed, skipped, z):
    units = len(z)
    for step in range(len(blocks) - 1):
        turned_product(sgemm, packed, blocks[step], z)
        h = blocks[step + 1, :units]
        _tanh(z.reshape(-1), h.reshape(-1))
        if len(skipped):
            _take_back(h, blocks[step, :units], skipped[step])


@jit
def _simple_rnn_steps_backward(sgemm, blocks, recurrent_kernel, dz, dh, dys, skipped):
    units, kept = len(dh), np.empty_like(dh)
    for step in range(len(dz) - 1, -1, -1):
        if len(dys):
            _add(dh.reshape(-1), dys[step].reshape(-1))
        _simple_rnn_cell_backward(blocks[step, :units].reshape(-1), dh.reshape(-1), dz[step].reshape(-1))
        if len(skipped):
            kept[:] = dh
            _clear(dz[step], skipped[step])
        product(sgemm, recurrent_kernel, dz[step], dh)
        if len(skipped):
            _add_skipped(dh, kept, skipped[step])


@jit
def _simple_rnn_cell_backward(h, dh, dz):
    for t in range(h.size):
        dz[t] = dh[t] * (ONE - h[t] * h[t])


# ---------------------------------------------------------------- LSTM


def lstm_steps(rows, blocks, packed, skipped, room):
    if not suits_products(rows, blocks, packed):
        return NotImplemented
    _lstm_steps(sgemm_address(), rows, blocks, packed, _flags(skipped), room[0])
    return None


def lstm_steps_backward(rows, recurrent_kernel, dz, states, dys, skipped, room):
    if not suits_products(rows, recurrent_kernel, dz, *states):
        return NotImplemented
    _lstm_steps_backward(sgemm_address(), rows, recurrent_kernel, dz, *states, _outer(dys), _flags(skipped))
    return None


@jit
def _lstm_steps(sgemm, rows, blocks, packed, skipped, z):
    units = packed.shape[1] // 4
    for step in range(len(rows) - 1):
        turned_product(sgemm, packed, blocks[step], z)
        row, after, h = rows[step], rows[step + 1, 4 * units : 5 * units], blocks[step + 1, :units]
        bent = row[5 * units :].reshape(-1)
        _tanh(z.reshape(-1), row[: 4 * units].reshape(-1))
        _half_up(row[: 3 * units].reshape(-1))
        _lstm_cell(row[: 2 * units].reshape(-1), row[3 * units : 5 * units].reshape(-1), after.reshape(-1))
        _tanh(after.reshape(-1), bent)
        _multiply(row[2 * units : 3 * units].reshape(-1), bent, h.reshape(-1))
        if len(skipped):
            _take_back(h, blocks[step, :units], skipped[step])
            _take_back(after, row[4 * units : 5 * units], skipped[step])


@jit
def _lstm_cell(i_f, g_c, after):
    size = after.size
    i, f, g, c = i_f[:size], i_f[size:], g_c[:size], g_c[size:]
    for t in range(size):
        after[t] = i[t] * g[t] + f[t] * c[t]


@jit
def _multiply(a, b, y):
    for t in range(y.size):
        y[t] = a[t] * b[t]


@jit
def _lstm_steps_backward(sgemm, rows, recurrent_kernel, dz, dh, dc, dys, skipped):
    kept_h, kept_c = np.empty_like(dh), np.empty_like(dc)
    for step in range(len(dz) - 1, -1, -1):
        if len(dys):
            _add(dh.reshape(-1), dys[step].reshape(-1))
        if len(skipped):
            kept_h[:], kept_c[:] = dh, dc
        size = dh.size
        _lstm_cell_backward(
            rows[step].reshape(6, size), dh.reshape(-1), dc.reshape(-1), dz[step].reshape(4, size)
        )
        if len(skipped):
            _clear(dz[step], skipped[step])
            _take_back(dc, kept_c, skipped[step])
        product(sgemm, recurrent_kernel, dz[step], dh)
        if len(skipped):
            _add_skipped(dh, kept_h, skipped[step])


@jit
def _lstm_cell_backward(row, dh, dc, dz):
    i, f, o, g, c, bent = row[0], row[1], row[2], row[3], row[4], row[5]
    _through_tanh(dh, o, bent, dc)
    _through_sigmoid(dh, bent, o, dz[3])
    _through_sigmoid(dc, g, i, dz[0])
    _through_sigmoid(dc, c, f, dz[1])
    dz[2][:] = 0
    _through_tanh(dc, i, g, dz[2])
    _multiply(dc, f, dc)


@jit
def _through_tanh(dy, factor, y, dx):
    """Adds the gradient by x of factor y, with y = tanh(x)."""
    for t in range(y.size):
        dx[t] += dy[t] * factor[t] * (ONE - y[t] * y[t])


@jit
def _through_sigmoid(dy, factor, y, dx):
    """Computes the gradient by x of factor y, with y = sigmoid(x)."""
    for t in range(y.size):
        dx[t] = dy[t] * factor[t] * (y[t] - y[t] * y[t])


# ---------------------------------------------------------------- GRU


def gru_steps(gates, blocks, packed, skipped, room):
    if not suits_products(gates, blocks, packed):
        return NotImplemented
    _gru_steps(sgemm_address(), gates, blocks, packed, _flags(skipped), *room[:2])
    return None


def gru_steps_backward(gates, blocks, recurrent_kernel, dz, dh, dys, skipped, room):
    if not suits_products(gates, blocks, recurrent_kernel, dz, dh):
        return NotImplemented
    _gru_steps_backward(
        sgemm_address(), gates, blocks, recurrent_kernel, dz, dh, _outer(dys), _flags(skipped)
    )
    return None


@jit
def _gru_steps(sgemm, gates, blocks, packed, skipped, made, work):
    units = len(work)
    for step in range(len(gates)):
        turned_product(sgemm, packed, blocks[step], made)
        gate, before, h = gates[step].reshape(4, work.size), blocks[step, :units], blocks[step + 1, :units]
        z_r = gates[step, : 2 * units].reshape(-1)
        _tanh(made[units : 3 * units].reshape(-1), z_r)
        _half_up(z_r)
        _gru_candidate(gate, made.reshape(4, work.size), work.reshape(-1))
        _tanh(work.reshape(-1), gate[2])
        _gru_state(gate, before.reshape(-1), h.reshape(-1))
        if len(skipped):
            _take_back(h, before, skipped[step])


@jit
def _gru_candidate(gate, made, work):
    of_x, of_h, r, kept = made[0], made[3], gate[1], gate[3]
    for t in range(work.size):
        kept[t] = of_h[t]
    for t in range(work.size):
        work[t] = r[t] * of_h[t] + of_x[t]


@jit
def _gru_state(gate, before, h):
    z, n = gate[0], gate[2]
    for t in range(h.size):
        h[t] = (before[t] - n[t]) * z[t] + n[t]


@jit
def _gru_steps_backward(sgemm, gates, blocks, recurrent_kernel, dz, dh, dys, skipped):
    units, kept, direct, size = len(dh), np.empty_like(dh), np.empty_like(dh), dh.size
    for step in range(len(dz) - 1, -1, -1):
        if len(dys):
            _add(dh.reshape(-1), dys[step].reshape(-1))
        if len(skipped):
            kept[:] = dh
        _gru_cell_backward(
            gates[step].reshape(4, size),
            blocks[step, :units].reshape(-1),
            dh.reshape(-1),
            direct.reshape(-1),
            dz[step].reshape(4, size),
        )
        if len(skipped):
            _clear(dz[step], skipped[step])
            _clear(direct, skipped[step])
        product(sgemm, recurrent_kernel, dz[step, units:], dh)
        _add(dh.reshape(-1), direct.reshape(-1))
        if len(skipped):
            _add_skipped(dh, kept, skipped[step])


@jit
def _gru_cell_backward(gate, before, dh, direct, dz):
    z, r, n, kept = gate[0], gate[1], gate[2], gate[3]
    of_n, of_z, of_r, of_kept = dz[0], dz[1], dz[2], dz[3]
    _multiply(dh, z, direct)
    for t in range(dh.size):
        of_n[t] = (dh[t] - direct[t]) * (ONE - n[t] * n[t])
    for t in range(dh.size):
        of_z[t] = dh[t] * (before[t] - n[t]) * (z[t] - z[t] * z[t])
    _through_sigmoid(of_n, kept, r, of_r)
    _multiply(of_n, r, of_kept)
