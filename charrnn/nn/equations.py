"""The network as in a textbook: each cell one step forwards and one step backwards, on plain arrays.

Read this first. `vanilla`, `lstm` and `gru` compute the same with whole sequences at once, rearranged weights and
reused memory; `charrnn gradcheck` and the tests compare them with the equations here, which share no code with them.

Letters
-------
B streams are read side by side, one row each, for T steps; a layer takes D numbers into H hidden units; V characters.

::

    x (B, D)    h, c (B, H)    W_xh (D, G·H)    W_hh (H, G·H)    b_h (G·H,)     G gates: 1, or i f g o, or r z n

``d_y`` is the gradient of the loss by y, and ``δ`` (``delta``) that by a pre-activation: what stands under σ or tanh.

Backpropagation through time
----------------------------
A state is read twice: by what lies above it at the same step, and by its own cell one step later. So its gradient is a
sum of two, and the second is known only after the later step has been gone through. Hence `layer_backward` walks from
the last step to the first. Each step receives ``d_state``, hands ``d_x`` to the layer below and a new ``d_state`` to
the step before, and adds its share to the gradients of the weights, which all steps have in common.

Three rules give every line (all row vectors; ``*`` is elementwise):

- a product ``a = x W``: ``d_x = δ Wᵀ``, and ``d_W += xᵀ δ``, which sums over the rows;
- a bias is added to every row: ``d_b += Σ δ``;
- a function of one number: σ' = σ (1 − σ), and tanh' = 1 − tanh².

All functions are analytic: complex arrays may go in, and a step of 1e-30i gives derivatives exact to rounding.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Params: TypeAlias = Mapping[str, Array]
State: TypeAlias = tuple[Array, ...]  # (h,), and in an LSTM (h, c)

# --- the vanilla cell (Elman, "Finding structure in time", 1990) ---


class VanillaStep(NamedTuple):
    """The values of one step."""

    x: Array
    h_prev: Array
    h: Array

    @property
    def state(self) -> State:
        """What the next step reads."""
        return (self.h,)


def vanilla_forward(params: Params, x: Array, state: State) -> VanillaStep:
    """``h = tanh(x W_xh + h_prev W_hh + b_h)``."""
    (h_prev,) = state
    a = x @ params["W_xh"] + h_prev @ params["W_hh"] + params["b_h"]
    return VanillaStep(x, h_prev, h=np.tanh(a))


def vanilla_backward(params: Params, grads: Params, step: VanillaStep, d_state: State) -> tuple[Array, State]:
    """Add the step's share to `grads`; return ``d_x`` and the gradient of the state before."""
    x, h_prev, h = step
    (d_h,) = d_state
    delta = d_h * (1 - h**2)
    grads["W_xh"][...] += x.T @ delta
    grads["W_hh"][...] += h_prev.T @ delta
    grads["b_h"][...] += delta.sum(axis=0)
    return delta @ params["W_xh"].T, (delta @ params["W_hh"].T,)


# --- the LSTM (Hochreiter & Schmidhuber, "Long short-term memory", 1997; with the forget gate of Gers, Schmidhuber &
# Cummins, "Learning to forget", 2000; without peepholes) ---


class LSTMStep(NamedTuple):
    """The values of one step: the gates i, f, o, the candidate g, the memory c, the output h."""

    x: Array
    h_prev: Array
    c_prev: Array
    i: Array
    f: Array
    g: Array
    o: Array
    c: Array
    h: Array

    @property
    def state(self) -> State:
        """What the next step reads."""
        return self.h, self.c


def lstm_forward(params: Params, x: Array, state: State) -> LSTMStep:
    """Keep some of the old memory (f), take in some of what is new (i), show some of it (o).

    ::

        a = x W_xh + h_prev W_hh + b_h       (B, 4H), the gates packed i f g o
        i, f, o = σ(a_i), σ(a_f), σ(a_o)     g = tanh(a_g)
        c = f c_prev + i g
        h = o tanh(c)
    """
    h_prev, c_prev = state
    a_i, a_f, a_g, a_o = np.split(x @ params["W_xh"] + h_prev @ params["W_hh"] + params["b_h"], 4, axis=-1)
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    c = f * c_prev + i * g
    h = o * np.tanh(c)
    return LSTMStep(x, h_prev, c_prev, i, f, g, o, c, h)


def lstm_backward(params: Params, grads: Params, step: LSTMStep, d_state: State) -> tuple[Array, State]:
    """Add the step's share to `grads`; return ``d_x`` and the gradient of the state before.

    The memory reaches the loss in two ways: through this step's h, and directly through the next step's c.
    """
    x, h_prev, c_prev, i, f, g, o, c, _ = step
    d_h, d_c = d_state
    tanh_c = np.tanh(c)
    d_c = d_c + d_h * o * (1 - tanh_c**2)
    delta_i = d_c * g * i * (1 - i)
    delta_f = d_c * c_prev * f * (1 - f)
    delta_g = d_c * i * (1 - g**2)
    delta_o = d_h * tanh_c * o * (1 - o)
    delta = np.concatenate([delta_i, delta_f, delta_g, delta_o], axis=-1)
    grads["W_xh"][...] += x.T @ delta
    grads["W_hh"][...] += h_prev.T @ delta
    grads["b_h"][...] += delta.sum(axis=0)
    return delta @ params["W_xh"].T, (delta @ params["W_hh"].T, d_c * f)


# --- the GRU (Cho et al., "Learning phrase representations using RNN encoder–decoder", 2014) ---


class GRUStep(NamedTuple):
    """The values of one step: the reset gate r, the update gate z, the candidate n, and q, which r multiplies."""

    x: Array
    h_prev: Array
    r: Array
    z: Array
    q: Array
    n: Array
    h: Array

    @property
    def state(self) -> State:
        """What the next step reads."""
        return (self.h,)


def gru_forward(params: Params, x: Array, state: State) -> GRUStep:
    """Mix the old state with a candidate n, for which r says how much of the old state counts.

    ::

        a = x W_xh + b_h         (B, 3H), packed r z n
        u = h_prev W_hh          (B, 3H), likewise
        r, z = σ(a_r + u_r), σ(a_z + u_z)
        q = u_n + b_hn
        n = tanh(a_n + r q)
        h = (1 − z) n + z h_prev

    Cho et al. multiply by r before the product, ``(r h_prev) W_hn``. Here r comes after it, with a bias of its own, as
    in cuDNN and PyTorch: then all three products of a step are one.
    """
    (h_prev,) = state
    a_r, a_z, a_n = np.split(x @ params["W_xh"] + params["b_h"], 3, axis=-1)
    u_r, u_z, u_n = np.split(h_prev @ params["W_hh"], 3, axis=-1)
    r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
    q = u_n + params["b_hn"]
    n = np.tanh(a_n + r * q)
    h = (1 - z) * n + z * h_prev
    return GRUStep(x, h_prev, r, z, q, n, h)


def gru_backward(params: Params, grads: Params, step: GRUStep, d_state: State) -> tuple[Array, State]:
    """Add the step's share to `grads`; return ``d_x`` and the gradient of the state before.

    W_xh meets δ_n, W_hh meets δ_q = δ_n r; and h_prev reaches h through the products, and directly through z.
    """
    x, h_prev, r, z, q, n, _ = step
    (d_h,) = d_state
    delta_n = d_h * (1 - z) * (1 - n**2)
    delta_z = d_h * (h_prev - n) * z * (1 - z)
    delta_q = delta_n * r
    delta_r = delta_n * q * r * (1 - r)
    delta_a = np.concatenate([delta_r, delta_z, delta_n], axis=-1)
    delta_u = np.concatenate([delta_r, delta_z, delta_q], axis=-1)
    grads["W_xh"][...] += x.T @ delta_a
    grads["W_hh"][...] += h_prev.T @ delta_u
    grads["b_h"][...] += delta_a.sum(axis=0)
    grads["b_hn"][...] += delta_q.sum(axis=0)
    return delta_a @ params["W_xh"].T, (delta_u @ params["W_hh"].T + d_h * z,)


# --- one layer over T steps ---

Step: TypeAlias = VanillaStep | LSTMStep | GRUStep


class CellEquations(NamedTuple):
    """A cell's two steps."""

    forward: Callable[[Params, Array, State], Any]
    backward: Callable[[Params, Params, Any, State], tuple[Array, State]]


CELLS: Mapping[str, CellEquations] = MappingProxyType(
    {
        "vanilla": CellEquations(vanilla_forward, vanilla_backward),
        "lstm": CellEquations(lstm_forward, lstm_backward),
        "gru": CellEquations(gru_forward, gru_backward),
    }
)


def layer_forward(cell: str, params: Params, inputs: Array, state: State) -> list[Step]:
    """Take the steps one after another; `inputs` is (T, B, D)."""
    steps: list[Step] = []
    for x in inputs:
        steps.append(CELLS[cell].forward(params, x, state))
        state = steps[-1].state
    return steps


def layer_backward(
    cell: str, params: Params, grads: Params, steps: Sequence[Step], d_outputs: Array, d_state: State
) -> tuple[Array, State]:
    """Go back from the last step to the first, adding to `grads`.

    Parameters
    ----------
    d_outputs : (T, B, H), gradient of the hidden states by what lies above them
    d_state : gradient of the state after the last step

    Returns
    -------
    d_inputs : (T, B, D)
    d_state : gradient of the state before the first step
    """
    d_inputs = []
    for step, d_h in zip(reversed(steps), reversed(d_outputs), strict=True):
        from_the_next_step, *d_memory = d_state
        d_x, d_state = CELLS[cell].backward(params, grads, step, (from_the_next_step + d_h, *d_memory))
        d_inputs.append(d_x)
    return np.array(d_inputs[::-1]), d_state


# --- the whole network: characters → layers → scores → loss ---


class Masks(NamedTuple):
    """What dropout multiplies by, one array a layer: 0, or 1 over the share that is kept. Empty where none is."""

    outputs: Sequence[Array] = ()  # (T or 1, B, H)
    weights: Sequence[Array] = ()  # (H, G·H), for W_hh


NO_MASKS = Masks()


class Tape(NamedTuple):
    """All that the way back needs."""

    x: Array  # (T, B, V), one-hot
    layers: list[list[Step]]
    top: Array  # (T, B, H): what the output layer reads
    logits: Array  # (T, B, V)

    @property
    def final(self) -> list[State]:
        """The state of each layer after the last step."""
        return [steps[-1].state for steps in self.layers]


def network_forward(params: Params, cell: str, inputs: Array, state: Sequence[State], masks: Masks = NO_MASKS) -> Tape:
    """Read (T, B) ids from the state of each layer.

    Parameters
    ----------
    params : arrays by name as in a checkpoint: ``embedding.W_e`` where there is one, ``cells.0.W_xh`` …, and
        ``linear.W_hy``, or, where that is missing, the embedding's transpose in its place
    """
    x = one_hot = np.eye(len(params["linear.b_y"]))[inputs]
    if "embedding.W_e" in params:
        x = one_hot @ params["embedding.W_e"]
    layers = []
    for k, before in enumerate(state):
        layers.append(layer_forward(cell, _weights(params, k, masks), x, before))
        x = np.array([step.h for step in layers[k]])
        if masks.outputs:
            x = x * masks.outputs[k]
    return Tape(one_hot, layers, x, logits=x @ _output_weights(params) + params["linear.b_y"])


def log_softmax(logits: Array) -> Array:
    """Logarithms of the probabilities, along the last axis; the largest score becomes 0, so that `exp` stays finite."""
    shifted = logits - logits.real.max(axis=-1, keepdims=True)
    log_probs: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_probs


def cross_entropy(logits: Array, targets: Array) -> Array:
    """``−log p[target]`` in nats, (T, B); 0 where the target is below 0, as there is none."""
    picked = np.take_along_axis(log_softmax(logits), np.maximum(targets, 0)[..., None], axis=-1)[..., 0]
    return np.where(targets < 0, 0, -picked)


def network_gradients(
    params: Params,
    cell: str,
    inputs: Array,
    targets: Array,
    state: Sequence[State],
    *,
    scale: float = 1.0,
    masks: Masks = NO_MASKS,
) -> tuple[Array, dict[str, Array], list[State]]:
    """Backpropagate ``scale`` times the sum of the losses.

    Returns
    -------
    losses : (T, B), nats
    grads : by the names of `params`
    d_state : gradient of each layer's initial state
    """
    tape = network_forward(params, cell, inputs, state, masks)
    grads = {name: np.zeros_like(array) for name, array in params.items()}
    # softmax and cross-entropy together: what was predicted less what came
    is_target = np.eye(tape.logits.shape[-1])[targets]
    d_logits = scale * (np.exp(log_softmax(tape.logits)) - is_target)
    d_logits = np.where(targets[..., None] < 0, 0, d_logits)
    d_W_hy = np.einsum("tbh,tbv->hv", tape.top, d_logits)
    grads["linear.b_y"] += d_logits.sum(axis=(0, 1))
    d_x = d_logits @ _output_weights(params).T
    d_state: list[State] = [()] * len(state)
    for k in reversed(range(len(state))):
        if masks.outputs:
            d_x = d_x * masks.outputs[k]
        # nothing depends on the state after the last step
        zero = tuple(np.zeros_like(array) for array in tape.layers[k][-1].state)
        d_layer = _group(grads, k)
        d_x, d_state[k] = layer_backward(cell, _weights(params, k, masks), d_layer, tape.layers[k], d_x, zero)
        if masks.weights:
            d_layer["W_hh"][...] *= masks.weights[k]
    if "embedding.W_e" in params:
        grads["embedding.W_e"] += np.einsum("tbv,tbe->ve", tape.x, d_x)
    if "linear.W_hy" in params:
        grads["linear.W_hy"] += d_W_hy
    else:
        grads["embedding.W_e"] += d_W_hy.T
    return cross_entropy(tape.logits, targets), grads, d_state


def sigmoid(a: Array) -> Array:
    """``σ(a) = 1 / (1 + exp(−a))``, written so that no large number overflows."""
    return 0.5 * (np.tanh(a / 2) + 1)


def _group(arrays: Params, k: int) -> dict[str, Array]:
    """Return the arrays of layer k by their short names."""
    prefix = f"cells.{k}."
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _weights(params: Params, k: int, masks: Masks) -> dict[str, Array]:
    """Return the weights of layer k, with those of W_hh that dropout leaves."""
    group = _group(params, k)
    return group | {"W_hh": group["W_hh"] * masks.weights[k]} if masks.weights else group


def _output_weights(params: Params) -> Array:
    """Return W_hy (H, V)."""
    return params["linear.W_hy"] if "linear.W_hy" in params else params["embedding.W_e"].T
