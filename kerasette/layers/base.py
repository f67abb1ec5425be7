"""The contract of a layer: configuration, parameters, shapes and two calls. See graph.Operation."""

import numpy as np

from kerasette import regularizers
from kerasette.backend import apart, floatx, is_array, module, to_module, xp_of
from kerasette.errors import one_of, positive_int, type_error, unknown_argument, value_error
from kerasette.graph import Operation, SymbolicTensor, described
from kerasette.layers import masking, penalties, weights
from kerasette.registry import Configurable, auto_name, register, snake_case


class Layer(penalties.Penalized, weights.Weighted, Operation, Configurable, metaclass=weights.Checked):
    """Base of all layers. A layer stores its arguments, and nothing of any call.

    Args:
        name: unique within a model; by default the class's name in snake case, counted.
        trainable: whether training may change its parameters.
        dtype: the float type; must be `kerasette.config.floatx()`.
        activity_regularizer: penalty on the layer's output.
        input_shape: shape of one sample. A layer that has it may stand for its own input:
            `Model(first, outputs)`, `Dense(8)(first)`.
        input_size: the same for vectors: `input_size=4` is `input_shape=(4,)`.

    Write your own by defining `build`, `output_shape`, `forward` and `backward`; `kerasette.testing.
    check_gradients` proves the last two.

    Attributes:
        supports_masking: whether the mask of the input also holds for the output.
        tensor_arguments: names of the tensors that a call may give by name ("mask", "initial_state").
        call_options: names of a call's other keywords; forward and output_shape get those that are given.
    """

    kind = "layer"
    config_hidden = ("input_shape", "input_size", "dtype")
    input_ranks = None  # allowed numbers of axes of one sample's shape, or None
    inputs_wanted = 1  # how many inputs; None: two or more
    inputs_apart = False  # whether Keras's call takes several inputs one by one, not as a list
    supports_masking = False
    tensor_arguments = ()
    call_options = ()
    trains_by_default = False  # whether a call on arrays that doesn't say is one in training

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: str | None = None,
        activity_regularizer=None,
        input_shape: tuple | None = None,
        input_size: int | None = None,
    ):
        self.name = auto_name(snake_case(type(self).__name__)) if name is None else name
        if not isinstance(self.name, str) or "/" in self.name or not self.name:
            raise value_error(f"A layer's name is a text without '/', got {name!r}.")
        self.dtype = floatx() if dtype is None else dtype
        one_of(self.name, "dtype", self.dtype, (floatx(),))
        self.activity_regularizer = activity_regularizer
        self.activity = regularizers.get(activity_regularizer)
        self.input_size = input_size
        self.input_shape = _declared_shape(self.name, input_shape, input_size)
        self.built = False
        self._trainable = bool(trainable)
        self._params = {}
        self._nodes = []
        self._own_output = None
        self._lengths_built_for = ()
        self._draws = 0  # how often a seeded layer has drawn for calls on arrays

    # ------------------------------------------------------------ shapes

    def build(self, *input_shapes):
        """Makes the parameters for inputs of these shapes (of one sample)."""

    def compute_output_shape(self, input_shape):
        """Keras's form of `output_shape`: with the batch dimension, a list of shapes for several inputs."""
        several = bool(input_shape) and isinstance(input_shape[0], (tuple, list))
        shapes = [tuple(shape) for shape in input_shape] if several else [tuple(input_shape)]
        batch, result = shapes[0][0], self.shape_of_result(*[shape[1:] for shape in shapes])
        if result and isinstance(result[0], tuple):
            several = [(batch, *shape) for shape in result]
            return several if self.graph is not None else tuple(several)
        return (batch, *result)

    def _ensure_built(self, shapes):
        self._check_inputs(shapes)
        self._build_once(shapes)

    def _build_once(self, shapes):
        if not self.built:
            with weights.undone_on_error(self._made_together()):
                self.build(*shapes)
                self.built = True
                self._lengths_built_for = self._fixed_lengths(shapes)
            weights.warn_of_kept(self)

    def _made_together(self):
        """Returns the layers that `build` may change: this one, and those that it holds."""
        return [self]

    def fixed_axes(self, shape):
        """Returns the axes (the batch is 0) of samples of `shape` whose lengths stay those of the build."""
        return ()

    def _fixed_lengths(self, shapes):
        return tuple(shape[axis - 1] for shape in shapes[:1] for axis in self.fixed_axes(shape))

    def _check_inputs(self, shapes):
        wanted = self.inputs_wanted
        if wanted is None and len(shapes) < 2:
            raise value_error(
                f"{self.name} ({type(self).__name__}) combines two or more inputs, got {len(shapes)}."
            )
        if wanted is not None and len(shapes) != wanted:
            raise value_error(
                f"{self.name} ({type(self).__name__}) takes {wanted} input(s), got {len(shapes)}."
            )
        for shape in shapes:
            if self.input_ranks is not None and len(shape) not in self.input_ranks:
                ranks = " or ".join(str(rank + 1) for rank in self.input_ranks)
                raise value_error(
                    f"{self.name} ({type(self).__name__}) needs inputs with {ranks} axes (batch included),",
                    f"got shape {(None, *shape)}. Use Reshape or Flatten before it.",
                )
        if self.built and self._fixed_lengths(shapes) != self._lengths_built_for:
            raise value_error(
                f"{self.name} ({type(self).__name__}) was built for {_listed(self._lengths_built_for)}",
                f"on axis {_listed(self.fixed_axes(shapes[0]))}, got inputs of shape {(None, *shapes[0])}.",
            )

    # ------------------------------------------------------------ calls

    def __call__(self, *inputs, training: bool | None = None, **keywords):
        """Applies the layer: to symbolic tensors it makes a node, to arrays it computes at once.

        Args:
            inputs: tensors or arrays; one list of them does as well.
            training: True or False fixes the mode of this call; None follows fit and predict.
            keywords: the layer's `tensor_arguments` and `call_options`.

        Returns:
            A symbolic tensor, or an array (a tuple where the layer has several outputs).
        """
        if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) and _holds_tensors(inputs[0]):
            inputs = inputs[0]
        inputs = [as_tensor(value) for value in inputs]
        named, options = self._sorted_keywords(keywords) if keywords else ({}, {})
        if any(isinstance(value, SymbolicTensor) for value in inputs):
            written = keywords if training is None else {**keywords, "training": bool(training)}
            return self._call_symbolic(inputs, written, named, options)
        return self._call_now(inputs, training, named, options)

    def _sorted_keywords(self, keywords):
        """Returns ({name: tensor}, {name: option}) of a call's keywords; None counts as not given."""
        known = ("training", *self.tensor_arguments, *self.call_options)
        for name in keywords:
            if name not in known:
                raise unknown_argument(f"A call of {self.name} ({type(self).__name__})", name, known)
        given = {name: value for name, value in keywords.items() if value is not None}
        named = {name: as_tensor(given[name]) for name in self.tensor_arguments if name in given}
        return self._named(named), {name: given[name] for name in self.call_options if name in given}

    def _named(self, named):
        """Returns a call's `tensor_arguments` with lists of tensors spread out: {name: one tensor}."""
        return named

    def _call_symbolic(self, inputs, keywords, named, options):
        for value in (*inputs, *named.values()):
            if not isinstance(value, SymbolicTensor):
                raise type_error(
                    f"{self.name} got symbolic tensors and a {type(value).__name__} in one call.",
                    "Give all inputs as symbolic tensors, or all as arrays.",
                )
        self._ensure_built([tensor.shape[1:] for tensor in inputs])
        if self.graph is None and type(self).forward is Operation.forward:
            self.forward(None, None)  # says what to define
        masks = self._automatic_masks(inputs, named)
        named = {**masks, **named}
        result = self.symbolic_call(inputs, {**keywords, **masks}, named, options)
        results = result if isinstance(result, tuple) else (result,)
        masking.attach(self, inputs, named.get("mask"), results)
        self._nodes.append(results[0].node)
        return result

    def _automatic_masks(self, inputs, named):
        """Returns {name: mask} of the masks that come along with the inputs and that the call didn't give."""
        takes = "mask" in self.tensor_arguments and "mask" not in named and inputs[0].mask is not None
        return {"mask": inputs[0].mask} if takes else {}

    compute_mask = masking.unchanged

    def _call_now(self, inputs, training, named=None, options=None):
        xp = xp_of(self.parameters[0].value) if self.built and self.parameters else _module_of(inputs)
        xs = [self._as_input(xp, value) for value in inputs]
        named = {
            name: to_module(xp, value if is_array(value) else np.asarray(value))
            for name, value in (named or {}).items()
        }
        shapes = [x.shape[1:] for x in xs]
        self._ensure_built(shapes)
        options = options or {}
        described(
            self, shapes, {**{k: v.shape[1:] for k, v in named.items()}, **options}
        )  # raises where they don't fit
        w = {key: parameter.value for key, parameter in self.keyed_parameters().items()}
        training = self.trains_by_default if training is None else bool(training)
        key = self._next_key() if training else None
        y = self.eager_call(xp, xs, w, training=training, key=key, named={**named, **options})
        given = (*xs, *named.values())
        return tuple(apart(one, given) for one in y) if isinstance(y, (tuple, list)) else apart(y, given)

    def _next_key(self):
        """Returns the key of the random numbers of this call on arrays: a layer's seed gives a sequence."""
        seed = getattr(self, "seed", None)
        if seed is None:
            return None
        self._draws += 1
        return seed, self._draws

    def _as_input(self, xp, value):
        array = value if is_array(value) else np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise type_error(f"{self.name} needs numbers, got an input of type {array.dtype}.")
        return to_module(xp, array, self.input_dtype(str(array.dtype)))

    def input_dtype(self, dtype: str) -> str:
        """Returns the type that an input array of type `dtype` is cast to: the layer's float type."""
        return self.dtype

    def as_tensor(self) -> SymbolicTensor:
        """Returns this layer's output on an Input of its own, for layers that know their `input_shape`."""
        if self._own_output is None:
            if self.input_shape is None:
                raise value_error(
                    f"{self.name} stands where a tensor is wanted, but it hasn't been called.",
                    "Call it on a tensor, or give it input_size or input_shape.",
                )
            self._own_output = self(Input(self.input_shape))
        return self._own_output

    @property
    def input(self):
        """The tensor (or list of them) that the layer's first call takes."""
        node = self._first_node()
        return node.inputs[0] if len(node.inputs) == 1 else list(node.inputs)

    @property
    def output(self):
        """The tensor (or list of them) that the layer's first call makes: for feature extraction."""
        node = self._first_node()
        return node.outputs[0] if len(node.outputs) == 1 else list(node.outputs)

    def _first_node(self):
        if not self._nodes and self.input_shape is not None:
            self.as_tensor()
        if not self._nodes:
            raise value_error(
                f"{self.name} hasn't been called, so it has no input and output.",
                "Call it on a tensor first.",
            )
        return self._nodes[0]

    def __getstate__(self):
        """What copies and pickles hold: all but the calls, which belong to the models that they made."""
        return {**self.__dict__, "_nodes": [], "_own_output": None}


def as_tensor(value):
    """Returns `value`, or the output of the uncalled layer that stands for a tensor."""
    return value.as_tensor() if isinstance(value, Layer) else value


def _holds_tensors(values) -> bool:
    return any(isinstance(value, (SymbolicTensor, Layer)) or is_array(value) for value in values)


def _listed(numbers):
    return " and ".join(map(str, numbers))


def _module_of(values):
    return next((xp_of(value) for value in values if is_array(value)), module())


def _declared_shape(name, input_shape, input_size):
    if input_size is not None and input_shape is not None:
        raise value_error(f"{name}: input_size and input_shape say the same; give one.")
    if input_size is not None:
        return (positive_int(name, "input_size", input_size),)
    return None if input_shape is None else sample_shape(name, input_shape)


def sample_shape(owner: str, shape) -> tuple:
    """Returns `shape` as a tuple of whole numbers and None, or raises InvalidValue."""
    if isinstance(shape, int):
        raise value_error(f"{owner}: a shape is a tuple, got {shape}. Write ({shape},).")
    return tuple(length if length is None else positive_int(owner, "each length", length) for length in shape)


@register("layer")
class InputLayer(Layer):
    """The place where data comes in; made by `Input`."""

    inputs_wanted = 0

    def __init__(self, shape=None, batch_size=None, dtype=None, *, name=None):
        super().__init__(name=name)
        self.shape = sample_shape(self.name, shape)
        self.batch_size = batch_size
        self.dtype = dtype or floatx()
        self.built = True

    config_hidden = ("input_shape", "input_size", "activity_regularizer", "trainable")

    def output_shape(self):
        return self.shape

    def output_dtype(self):
        return self.dtype

    def tensor(self) -> SymbolicTensor:
        """Returns the symbolic tensor of this input."""
        if not self._nodes:
            tensor = self.symbolic_call(())
            tensor.shape = (self.batch_size, *self.shape)
            self._nodes.append(tensor.node)
        return self._nodes[0].outputs[0]


INPUT_DTYPES = ("float32", "float64", "float16", "uint8", "int8", "int16", "int32", "int64", "bool")


def Input(shape=None, batch_size=None, dtype=None, name=None, *, batch_shape=None) -> SymbolicTensor:  # noqa: N802
    """Returns the symbolic tensor of a new model input.

    Args:
        shape: of one sample, e.g. (28, 28); None stands for a length that is open.
        batch_size: fixed number of samples, or None.
        dtype: type that the data is cast to; the default float type unless given.
        name: name of the input, for data given as a dict.
        batch_shape: shape with the batch dimension, instead of `shape` and `batch_size`.

    Raises:
        InvalidValue: where the shape is missing or no tuple of whole numbers.
    """
    if batch_shape is not None:
        if shape is not None or batch_size is not None:
            raise value_error("Input: give batch_shape, or shape and batch_size.")
        batch_size, shape = batch_shape[0], tuple(batch_shape[1:])
    if shape is None:
        raise value_error("Input needs the shape of one sample, e.g. Input(shape=(4,)).")
    if dtype is not None:
        one_of("Input", "dtype", dtype, INPUT_DTYPES)
    return InputLayer(shape, batch_size, dtype, name=name).tensor()
