"""A network trained in TensorFlow (Keras) becomes a program: export to ONNX, quantise, compare.

Needs the extra: ``pip install 'tangle-node[tensorflow]'``.
Run: ``python -m examples.import_tensorflow FILE.cbor``.
"""

import sys
from pathlib import Path
from typing import Any

from aivm.importers.quantizing import Comparison
from examples.digits import convert, read_training

EPOCHS = 8
"""Passes over the training rows: a few seconds."""


def main(output: Path) -> Comparison:
    """Train on the digits that come with the node, and write the model file."""
    try:
        import tensorflow as tf
        import tf2onnx
    except ImportError:
        sys.exit("this example needs TensorFlow; install it with: pip install 'tangle-node[tensorflow]'")
    keras: Any = tf.keras
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(16, 3, padding="same", activation="swish"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    rows, labels = read_training()
    network.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    network.fit(rows.reshape(-1, 8, 8, 1), labels, epochs=EPOCHS, batch_size=32, verbose=0)
    signature = [tf.TensorSpec((None, 8, 8, 1), tf.float32, "image")]
    # tf2onnx's way from Keras models does not know Keras 3; a function it does.
    model, _ = tf2onnx.convert.from_function(tf.function(network), signature, opset=17)
    return convert(model.SerializeToString(), (8, 8, 1), output)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "digits-tensorflow.cbor"))
