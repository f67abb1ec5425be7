"""Masks: which steps of a sequence count. They're symbolic tensors like others, made by operations."""

import warnings


def attach(layer, inputs, given, results) -> None:
    """Gives the outputs of a layer's call their masks, as Keras passes them on.

    Args:
        layer: what was called.
        inputs: its symbolic inputs.
        given: the mask that the call gave by name, or None.
        results: its symbolic outputs.
    """
    masks = [tensor.mask for tensor in inputs]
    if given is not None:
        masks[0] = given
    is_masked = any(mask is not None for mask in masks)
    if not is_masked and not _makes_masks(layer):
        return
    if is_masked and not layer.supports_masking and not _makes_masks(layer):
        warnings.warn(
            f"{layer.name} ({type(layer).__name__}) doesn't pass on the mask of its input, so the layers"
            " behind it see all steps.",
            stacklevel=4,
        )
        return
    single = len(inputs) == 1
    found = layer.compute_mask(inputs[0] if single else list(inputs), masks[0] if single else masks)
    if not isinstance(found, (list, tuple)):
        found = [found] + [None] * (len(results) - 1)
    for tensor, mask in zip(results, found, strict=True):
        tensor.mask = mask


def unchanged(layer, inputs, mask=None):
    """Returns the mask of the output: here that of the input.

    A layer of one's own overrides it as `compute_mask(inputs, mask)` with kerasette.ops.

    Args:
        inputs: the symbolic tensor of the call, or the list of them.
        mask: its mask or None, or the list of them.
    """
    return mask


def _makes_masks(layer) -> bool:
    """Tells whether the class says itself what the mask of its output is."""
    return type(layer).compute_mask is not unchanged
