"""A rival: JAX, with the network and the draw of many characters in one compiled `lax.scan`."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from measure import Answer, answer, measure

_VOCAB_SIZE = 65
_CHARACTERS = 100  # drawn in one call, for each stream


def sampling_step(cell: str, hidden_size: int, streams: int) -> Callable[[], object]:
    """Return what draws the next characters of each stream, (characters, streams)."""
    if os.environ["OMP_NUM_THREADS"] == "1":
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import jax  # reads the flags when it is imported
    import jax.numpy as jnp

    H, gates = hidden_size, {"lstm": 4, "gru": 3}[cell]
    rng = np.random.default_rng(0)
    bound = H**-0.5
    shapes = {"W_xh": (_VOCAB_SIZE, gates * H), "W_hh": (H, gates * H), "b_hn": (H,), "W_hy": (H, _VOCAB_SIZE)}
    weights = {name: jnp.asarray(rng.uniform(-bound, bound, shape), jnp.float32) for name, shape in shapes.items()}

    def lstm(weights: Any, x: Any, h: Any, c: Any) -> Any:
        i, f, g, o = jnp.split(x + h @ weights["W_hh"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    def gru(weights: Any, x: Any, h: Any, c: Any) -> Any:
        (x_r, x_z, x_n), (u_r, u_z, u_n) = (jnp.split(a, 3, axis=-1) for a in (x, h @ weights["W_hh"]))
        r, z = jax.nn.sigmoid(x_r + u_r), jax.nn.sigmoid(x_z + u_z)
        n = jnp.tanh(x_n + r * (u_n + weights["b_hn"]))
        return n + z * (h - n), c

    def step(weights: Any, carry: Any, key: Any) -> Any:
        ids, h, c = carry
        h, c = {"lstm": lstm, "gru": gru}[cell](weights, weights["W_xh"][ids], h, c)
        ids = jax.random.categorical(key, h @ weights["W_hy"])
        return (ids, h, c), ids

    def draw(weights: Any, carry: Any, key: Any) -> Any:
        key, own = jax.random.split(key)
        carry, ids = jax.lax.scan(partial(step, weights), carry, jax.random.split(own, _CHARACTERS))
        return carry, key, ids

    compiled = jax.jit(draw)

    zeros = jnp.zeros((streams, H), jnp.float32)
    memory = [(jnp.zeros(streams, jnp.int32), zeros, zeros), jax.random.key(1)]

    def characters() -> Any:
        memory[0], memory[1], ids = compiled(weights, *memory)
        return np.asarray(ids)

    return characters


def run(request: Mapping[str, Any]) -> Answer:
    """Time a character of every stream."""
    found = measure(lambda: sampling_step(**request["network"]), request["seconds"])
    return found | {"ms": found["ms"] / _CHARACTERS}


if __name__ == "__main__":
    answer(run)
