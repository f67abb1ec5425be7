"""Layers that normalize: over the batch, over axes of each sample, to unit length."""

from kerasette import functions
from kerasette.errors import fraction, one_of, positive_int, type_error, value_error
from kerasette.functions.common import floats
from kerasette.layers.base import Layer
from kerasette.registry import register
from kerasette.shapes import normalize_axes, normalize_axis


def checked_axis(owner: str, axis):
    """Returns `axis`: a whole number, or a list of them; raises InvalidType for anything else."""
    given = axis if isinstance(axis, (list, tuple)) else [axis]
    if not given or not all(isinstance(one, int) and not isinstance(one, bool) for one in given):
        raise type_error(f"{owner}: axis must be a whole number or a list of them, got {axis!r}.")
    return list(axis) if isinstance(axis, (list, tuple)) else axis


def _sample_axes(owner, axis, shape):
    """Returns `axis` as ascending axes of a batch of `shape`, none of them the batch itself."""
    axes = normalize_axes(axis, len(shape) + 1, owner)
    if 0 in axes:
        raise value_error(f"{owner} can't normalize over the batch; axis must not be {axis}.")
    return axes


def _positive(owner, argument, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise value_error(f"{owner}: {argument} must be a number above 0, got {value!r}.")
    return float(value)


def _spreads(shape, over):
    """Tells whether an array of `shape` can be broadcast to the shape `over`, of as many axes."""
    fits = (n is None or m in (None, 1, n) for m, n in zip(shape, over, strict=False))
    return len(shape) == len(over) and all(fits)


class _Scaled(Layer):
    """Base of the layers that have gamma (scale) and beta (center)."""

    def _store(self, center, scale, **settings):
        one_of(self.name, "center", center, (True, False))
        one_of(self.name, "scale", scale, (True, False))
        self.center, self.scale = center, scale
        for name, value in settings.items():
            setattr(self, name, value)

    def _refuse(self, **arguments):
        """Stores arguments that only pass at their default: {name: (value, default)}."""
        for name, (value, default) in arguments.items():
            if value != default:
                raise value_error(f"{self.name}: {name}={value!r} isn't provided; leave it at {default!r}.")
            setattr(self, name, default)

    def _add_scale(self, shape):
        if None in shape:
            raise value_error(
                f"{self.name} ({type(self).__name__}) needs known lengths on axis {self.axis}, got {shape}."
            )
        for wanted, name in ((self.scale, "gamma"), (self.center, "beta")):
            if wanted:
                self.add_param(
                    name,
                    shape,
                    getattr(self, f"{name}_initializer"),
                    regularizer=getattr(self, f"{name}_regularizer"),
                    constraint=getattr(self, f"{name}_constraint"),
                )


@register("layer")
class LayerNormalization(_Scaled):
    """Normalizes each sample over `axis`: gamma (x - mean) / sqrt(variance + epsilon) + beta.

    Args:
        axis: axis or list of axes, counted with the batch as axis 0.
        epsilon: added to the variance.
        center: whether there is a beta.
        scale: whether there is a gamma.
        beta_initializer, gamma_initializer: names or objects.
        beta_regularizer, gamma_regularizer: penalties, or None.
        beta_constraint, gamma_constraint: applied after each update, or None.
        rms_scaling: division by the root mean square alone isn't provided; only False passes.

    Ba, Kiros & Hinton 2016.
    """

    supports_masking = True
    config_hidden = (*Layer.config_hidden, "rms_scaling")

    def __init__(
        self,
        axis=-1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        rms_scaling: bool = False,
        **base,
    ):
        super().__init__(**base)
        self._refuse(rms_scaling=(rms_scaling, False))
        self.axis = checked_axis(self.name, axis)
        self.epsilon = _positive(self.name, "epsilon", epsilon)
        self._store(center, scale, beta_initializer=beta_initializer, gamma_initializer=gamma_initializer)
        self.beta_regularizer, self.gamma_regularizer = beta_regularizer, gamma_regularizer
        self.beta_constraint, self.gamma_constraint = beta_constraint, gamma_constraint

    def fixed_axes(self, shape):
        return _sample_axes(self.name, self.axis, shape) if self.scale or self.center else ()

    def build(self, shape):
        axes = _sample_axes(self.name, self.axis, shape)
        self._add_scale(tuple(shape[axis - 1] for axis in axes))

    def forward(self, ctx, w, x):
        axes = normalize_axes(self.axis, x.ndim, self.name)
        out, normal = ctx.buffer("y", x.shape), ctx.buffer("normal", x.shape)
        return functions.layer_normalization(
            x, w.get("gamma"), w.get("beta"), axes, self.epsilon, out=out, normal=normal
        )

    def backward(self, ctx, w, dw, dy, cache):
        dx = ctx.buffer("dx", dy.shape) if ctx.need_dx else None
        return functions.layer_normalization_backward(
            dy, cache, need_dx=ctx.need_dx, dx=dx, dgamma=dw.get("gamma"), dbeta=dw.get("beta")
        )[0]


@register("layer")
class BatchNormalization(_Scaled):
    """Normalizes each channel, in training by the statistics of the whole batch, else by moving averages.

    gamma (x - mean) / sqrt(variance + epsilon) + beta, with the biased variance (Ioffe & Szegedy 2015).
    After each training step `moving = momentum moving + (1 - momentum) batch`. A layer that isn't
    trainable uses its moving averages in training too, and leaves them alone. With a mask, as an Embedding
    with mask_zero makes it, the statistics are those of the steps that count; all steps are normalized. It
    has the axes of the input but the last: `layer(x, mask=mask)`.

    Args:
        axis: the axis of the channels, counted with the batch as axis 0.
        momentum: of the moving averages, from 0 to 1.
        epsilon: added to the variance.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer: names or objects.
        moving_mean_initializer, moving_variance_initializer: names or objects.
        beta_regularizer, gamma_regularizer: penalties, or None.
        beta_constraint, gamma_constraint: applied after each update, or None.
        renorm, renorm_clipping, renorm_momentum: batch renormalization isn't provided; defaults pass.
        synchronized: a batch never leaves one process here; only False passes.
    """

    supports_masking = True
    tensor_arguments = ("mask",)
    config_hidden = (*Layer.config_hidden, "renorm", "renorm_clipping", "renorm_momentum", "synchronized")

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        moving_mean_initializer="zeros",
        moving_variance_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        renorm: bool = False,
        renorm_clipping=None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **base,
    ):
        super().__init__(**base)
        if not isinstance(axis, int) or isinstance(axis, bool):
            raise type_error(f"{self.name}: axis must be one whole number, got {axis!r}.")
        self.axis = axis
        self.momentum = fraction(self.name, "momentum", momentum)
        self.epsilon = _positive(self.name, "epsilon", epsilon)
        self._store(center, scale, beta_initializer=beta_initializer, gamma_initializer=gamma_initializer)
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.beta_regularizer, self.gamma_regularizer = beta_regularizer, gamma_regularizer
        self.beta_constraint, self.gamma_constraint = beta_constraint, gamma_constraint
        self._refuse(renorm=(renorm, False), renorm_clipping=(renorm_clipping, None))
        self._refuse(renorm_momentum=(renorm_momentum, 0.99), synchronized=(synchronized, False))

    @property
    def gathers(self):
        """Whether the samples of a batch depend on one another: not in a layer that is frozen."""
        return self.trainable

    def fixed_axes(self, shape):
        return _sample_axes(self.name, self.axis, shape)

    def build(self, shape):
        (axis,) = _sample_axes(self.name, self.axis, shape)
        channels = (shape[axis - 1],)
        self._add_scale(channels)
        if None in channels:
            raise value_error(f"{self.name} (BatchNormalization) needs a known length on axis {self.axis}.")
        self.add_param("moving_mean", channels, self.moving_mean_initializer, trainable=False)
        self.add_param("moving_variance", channels, self.moving_variance_initializer, trainable=False)

    def output_shape(self, shape, mask=None):
        if mask is not None and not _spreads(mask, shape[:-1]):
            raise value_error(
                f"{self.name} (BatchNormalization) got a mask of shape {(None, *mask)} for an input of shape",
                f"{(None, *shape)}. A mask has the shape of the input without its last axis.",
            )
        return shape

    def forward(self, ctx, w, x, mask=None):
        axis = normalize_axis(self.axis, x.ndim, self.name)
        out, gamma, beta = ctx.buffer("y", x.shape), w.get("gamma"), w.get("beta")
        if not (ctx.training and ctx.trainable and x.size):  # Keras lets no rows make NaN of the averages
            backward = functions.batch_normalization_inference_backward
            y, cache = functions.batch_normalization_inference(
                x, gamma, beta, w["moving_mean"], w["moving_variance"], axis, self.epsilon, out=out
            )
            return y, (cache, None, backward, mask)
        if mask is None:
            backward = functions.batch_normalization_backward
            y, cache = functions.batch_normalization(
                x, gamma, beta, axis, self.epsilon, samples=ctx.batch, total=ctx.total, out=out
            )
        else:
            backward = functions.masked_batch_normalization_backward
            y, cache = functions.masked_batch_normalization(
                x, mask, gamma, beta, axis, self.epsilon, total=ctx.total, out=out
            )
        return y, (cache, cache[:2], backward, mask)

    def backward(self, ctx, w, dw, dy, cache):
        cache, _, backward, mask = cache
        dx = ctx.buffer("dx", dy.shape) if ctx.need_dx else None
        dx, _, _ = backward(
            dy, cache, need_dx=ctx.need_dx, dx=dx, dgamma=dw.get("gamma"), dbeta=dw.get("beta")
        )
        return dx if mask is None else (dx, {})

    def commit(self, w, caches):
        """Folds the statistics of one step, which all parts of its batch share, into the moving averages."""
        statistics = caches[0][1]
        if statistics is not None:
            for name, value in zip(("moving_mean", "moving_variance"), statistics, strict=True):
                w[name] *= self.momentum
                w[name] += (1.0 - self.momentum) * value


@register("layer")
class GroupNormalization(_Scaled):
    """Normalizes each sample over groups of its channels: gamma (x - mean) / sqrt(variance + epsilon) + beta.

    Args:
        groups: how many groups the channels are cut into; it must divide their number. 1 normalizes over
            all of them, -1 over each alone (instance normalization).
        axis: the axis of the channels, counted with the batch as axis 0.
        epsilon: added to the variance.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer: names or objects.
        beta_regularizer, gamma_regularizer: penalties, or None.
        beta_constraint, gamma_constraint: applied after each update, or None.

    Wu & He 2018.
    """

    supports_masking = True

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **base,
    ):
        super().__init__(**base)
        if groups != -1:
            groups = positive_int(self.name, "groups (or -1)", groups)
        if not isinstance(axis, int) or isinstance(axis, bool):
            raise type_error(f"{self.name}: axis must be one whole number, got {axis!r}.")
        self.groups, self.axis = groups, axis
        self.epsilon = _positive(self.name, "epsilon", epsilon)
        self._store(center, scale, beta_initializer=beta_initializer, gamma_initializer=gamma_initializer)
        self.beta_regularizer, self.gamma_regularizer = beta_regularizer, gamma_regularizer
        self.beta_constraint, self.gamma_constraint = beta_constraint, gamma_constraint

    def fixed_axes(self, shape):
        return _sample_axes(self.name, self.axis, shape)

    def build(self, shape):
        (axis,) = _sample_axes(self.name, self.axis, shape)
        channels = shape[axis - 1]
        if channels is None:
            raise value_error(f"{self.name} (GroupNormalization) needs a known length on axis {self.axis}.")
        if self.groups != -1 and channels % self.groups:
            raise value_error(
                f"{self.name} (GroupNormalization) can't cut {channels} channels into {self.groups} groups.",
                f"Give groups a divisor of {channels}, or -1 for a group each.",
            )
        self._add_scale((channels,))

    def forward(self, ctx, w, x):
        axis = normalize_axis(self.axis, x.ndim, self.name)
        groups = x.shape[axis] if self.groups == -1 else self.groups
        x = floats(x, ctx.buffer.dtype)
        out = ctx.buffer("y", x.shape)
        return functions.group_normalization(
            x, w.get("gamma"), w.get("beta"), axis, groups, self.epsilon, out=out
        )

    def backward(self, ctx, w, dw, dy, cache):
        dx = ctx.buffer("dx", dy.shape) if ctx.need_dx else None
        return functions.group_normalization_backward(
            dy, cache, need_dx=ctx.need_dx, dx=dx, dgamma=dw.get("gamma"), dbeta=dw.get("beta")
        )[0]


@register("layer")
class RMSNormalization(Layer):
    """Divides each sample by its root mean square over `axis`: scale x / sqrt(mean(x^2) + epsilon).

    Args:
        axis: axis or list of axes, counted with the batch as axis 0.
        epsilon: added to the mean square.

    Zhang & Sennrich 2019.
    """

    def __init__(self, axis=-1, epsilon: float = 1e-6, **base):
        super().__init__(**base)
        self.axis = checked_axis(self.name, axis)
        self.epsilon = _positive(self.name, "epsilon", epsilon)

    def fixed_axes(self, shape):
        return _sample_axes(self.name, self.axis, shape)

    def build(self, shape):
        lengths = tuple(shape[axis - 1] for axis in _sample_axes(self.name, self.axis, shape))
        if None in lengths:
            raise value_error(f"{self.name} (RMSNormalization) needs known lengths on axis {self.axis}.")
        self.add_param("scale", lengths, "ones")

    def forward(self, ctx, w, x):
        axes = normalize_axes(self.axis, x.ndim, self.name)
        x, out = floats(x, ctx.buffer.dtype), ctx.buffer("y", x.shape)
        return functions.rms_normalization(x, w["scale"], axes, self.epsilon, out=out)

    def backward(self, ctx, w, dw, dy, cache):
        dx = ctx.buffer("dx", dy.shape) if ctx.need_dx else None
        return functions.rms_normalization_backward(
            dy, cache, need_dx=ctx.need_dx, dx=dx, dscale=dw["scale"]
        )[0]


@register("layer")
class UnitNormalization(Layer):
    """Scales each sample to Euclidean length 1 over `axis`; one shorter than 1e-12 is divided by that.

    Args:
        axis: axis or list of axes, counted with the batch as axis 0.
    """

    supports_masking = True

    def __init__(self, axis=-1, **base):
        super().__init__(**base)
        self.axis = checked_axis(self.name, axis)

    def output_shape(self, shape):
        _sample_axes(self.name, self.axis, shape)
        return shape

    def forward(self, ctx, w, x):
        axes = normalize_axes(self.axis, x.ndim, self.name)
        return functions.unit_normalization(x, axes, out=ctx.buffer("y", x.shape))

    def backward(self, ctx, w, dw, dy, cache):
        return functions.unit_normalization_backward(dy, cache, dx=ctx.buffer("dx", dy.shape))
