"""Operations on symbolic tensors and arrays, named as in keras.ops."""
