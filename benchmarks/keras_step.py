"""A rival: the same training step in TensorFlow, with Keras's layers.

`keras.layers.SimpleRNN`, `LSTM` or `GRU` (stateful) over the one-hot batch, Keras's optimizer with clipping by the norm
of all gradients, everything in one `tf.function`. Whether XLA compiles it is asked for in the request, whether oneDNN
serves TensorFlow in the environment (`TF_ENABLE_ONEDNN_OPTS`); nobody can tell beforehand which is faster.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from measure import compete
from workload import Shape

from charrnn.nn.parameters import Parameters

_CELLS = {"vanilla": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
_OPTIMIZERS = {
    "adagrad": partial(keras.optimizers.Adagrad, initial_accumulator_value=0.0, epsilon=1e-30),
    "adam": partial(keras.optimizers.Adam, epsilon=1e-15),
}


class KerasTrainer:
    """A network in training.

    Parameters
    ----------
    shape : what to build
    params : charrnn's weights to start from; by default Keras's own. Not for a GRU, whose gates have another order
    jit_compile : whether XLA compiles the step
    """

    def __init__(self, shape: Shape, params: Parameters | None = None, *, jit_compile: bool = False) -> None:
        B, T, V, n = shape.batch_size, shape.seq_length, shape.vocab_size, shape.stream_length()
        self.shape = shape
        text = shape.text()
        self.inputs, self.targets = text[:-1].reshape(B, n), text[1:].reshape(B, n)
        self.position = 0
        cell = _CELLS[shape.cell]
        self.cells = [cell(shape.hidden_size, return_sequences=True, stateful=True) for _ in range(shape.num_layers)]
        self.model = keras.Sequential([keras.Input((T, V), batch_size=B), *self.cells, keras.layers.Dense(V)])
        if params:
            self._load(params)
        config = shape.config()
        optimizer = _OPTIMIZERS[shape.optimizer](config.learning_rate, global_clipnorm=config.clip_norm)
        optimizer.build(self.model.trainable_variables)
        self._compiled = tf.function(_make_step(self.model, optimizer, V), jit_compile=jit_compile)

    def train_step(self) -> float:
        """Learn the next chunk; return its mean loss, nats a character."""
        if self.position == self.shape.stream_length():
            self.position = 0
            for cell in self.cells:
                cell.reset_states()
        chunk = slice(self.position, self.position + self.shape.seq_length)
        self.position = chunk.stop
        return float(self._compiled(self.inputs[:, chunk].astype("int32"), self.targets[:, chunk].astype("int32")))

    def _load(self, params: Parameters) -> None:
        for k, cell in enumerate(self.cells):
            cell.set_weights([params[f"cells.{k}.{name}"] for name in ("W_xh", "W_hh", "b_h")])
        self.model.layers[-1].set_weights([params["linear.W_hy"], params["linear.b_y"]])


def _make_step(model: Any, optimizer: Any, vocab_size: int) -> Callable[[Any, Any], Any]:
    def step(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(tf.one_hot(inputs, vocab_size), training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step


def build(request: Mapping[str, Any]) -> Callable[[], object]:
    """Return the step that a request asks for."""
    threads = int(os.environ["OMP_NUM_THREADS"])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return KerasTrainer(Shape(*request["shape"]), jit_compile=request["jit_compile"]).train_step


if __name__ == "__main__":
    compete(build)
