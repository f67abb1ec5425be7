"""Gives symbolic tensors their operators."""
