"""Windows of images as rows, and back; whole convolutions share the loops."""

from kerasette.functions.compiled.jit import jit, suits

__all__ = ["col2im", "im2col"]

SHORT = 16  # numbers in a row of a window below which NumPy's loops over all windows are faster


def im2col(x, cols, window, strides, dilation, before, scratch=None):
    short = window[-1] * x.shape[-1] < SHORT
    if len(window) > 2 or not suits(x, cols) or (short and x.shape[-1] > 1):
        return NotImplemented
    loop = im2col_of_one if short else im2col_of_lines
    loop(lines_of(x), _segments(cols), x.shape[-1], *two_axes(window, strides, dilation, before))
    return cols


def col2im(cols, dx, window, strides, dilation, before, scratch=None):
    if len(window) > 2 or not suits(cols, dx) or window[-1] * dx.shape[-1] < SHORT:
        return NotImplemented
    dx.fill(0)
    col2im_to_lines(_segments(cols), lines_of(dx), dx.shape[-1], *two_axes(window, strides, dilation, before))
    return dx


def lines_of(images):
    """Returns images (N, H, W, C) or (N, W, C) as (N, H, W C)."""
    height = images.shape[1] if images.ndim == 4 else 1
    return images.reshape(len(images), height, images.shape[-2] * images.shape[-1])


def _segments(cols):
    """Returns windows (N, *O, *K, C) as (N, H, W, kh, kw C)."""
    if cols.ndim == 6:
        return cols.reshape(*cols.shape[:4], cols.shape[4] * cols.shape[5])
    return cols.reshape(len(cols), 1, cols.shape[1], 1, cols.shape[2] * cols.shape[3])


def two_axes(window, strides, dilation, before):
    """Returns the geometry for two axes; an axis before the only one has a window of 1."""
    if len(window) == 2:
        return tuple(window), tuple(strides), tuple(dilation), tuple(before)
    return (1, *window), (1, *strides), (1, *dilation), (0, *before)


@jit
def im2col_of_lines(lines, cols, channels, window, strides, dilation, before):
    """Fills windows `cols` (N, H', W', kh, kw C) from images `lines` (N, H, W C)."""
    height, length, run = lines.shape[1], lines.shape[2], cols.shape[4]
    for image in range(cols.shape[0]):
        for i in range(cols.shape[1]):
            for j in range(cols.shape[2]):
                left = (j * strides[1] - before[1]) * channels
                inside = dilation[1] == 1 and left >= 0 and left + run <= length
                for p in range(window[0]):
                    row, segment = i * strides[0] + p * dilation[0] - before[0], cols[image, i, j, p]
                    if row < 0 or row >= height:
                        segment[:] = 0
                    elif inside:
                        source = lines[image, row, left : left + run]
                        for t in range(run):
                            segment[t] = source[t]
                    else:
                        for q in range(window[1]):
                            start, part = left + q * dilation[1] * channels, segment[q * channels :]
                            if start < 0 or start >= length:
                                part[:channels] = 0
                            else:
                                source = lines[image, row, start : start + channels]
                                for t in range(channels):
                                    part[t] = source[t]


@jit
def im2col_of_one(lines, cols, channels, window, strides, dilation, before):
    """The same for images of one channel: each element of all windows in a line, then the next element."""
    height, width = lines.shape[1], lines.shape[2]
    for image in range(cols.shape[0]):
        for i in range(cols.shape[1]):
            for p in range(window[0]):
                row = i * strides[0] + p * dilation[0] - before[0]
                inside = 0 <= row < height
                for q in range(window[1]):
                    first = q * dilation[1] - before[1]
                    for j in range(cols.shape[2]):
                        column = j * strides[1] + first
                        if inside and 0 <= column < width:
                            cols[image, i, j, p, q] = lines[image, row, column]
                        else:
                            cols[image, i, j, p, q] = 0


@jit
def col2im_to_lines(cols, lines, channels, window, strides, dilation, before):
    """Adds windows `cols` (N, H', W', kh, kw C) to images `lines` (N, H, W C): the transpose."""
    height, length, run = lines.shape[1], lines.shape[2], cols.shape[4]
    for image in range(cols.shape[0]):
        for i in range(cols.shape[1]):
            for j in range(cols.shape[2]):
                left = (j * strides[1] - before[1]) * channels
                inside = dilation[1] == 1 and left >= 0 and left + run <= length
                for p in range(window[0]):
                    row, segment = i * strides[0] + p * dilation[0] - before[0], cols[image, i, j, p]
                    if row < 0 or row >= height:
                        continue
                    if inside:
                        target = lines[image, row, left : left + run]
                        for t in range(run):
                            target[t] += segment[t]
                        continue
                    for q in range(window[1]):
                        start, part = left + q * dilation[1] * channels, segment[q * channels :]
                        if 0 <= start < length:
                            target = lines[image, row, start : start + channels]
                            for t in range(channels):
                                target[t] += part[t]
