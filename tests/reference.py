"""The slow, obvious truth that the fast engine must equal: one character of one stream at a time.

Letters: T time steps, B streams, D input width, E embedding width, H hidden units, V vocabulary, L layers, G
gates (1 in a vanilla cell; 4 in an LSTM, packed ``i f g o``; 3 in a GRU, ``r z n``). Parameters are a dict of arrays:
``embedding.W_e`` (V, E) where there is an embedding; ``cells.k.W_xh`` (D, G·H), ``cells.k.W_hh`` (H, G·H),
``cells.k.b_h`` (G·H,) for each layer k, and in a GRU ``cells.k.b_hn`` (H,); ``linear.W_hy`` (H, V) and
``linear.b_y`` (V,). A state is a list of dicts, one a layer: ``h`` (B, H), and ``c`` (B, H) in an LSTM. The cells and
the loss are analytic: `forward` takes complex parameters and states too, and a step of 1e-30i then gives derivatives
exact to rounding.

The equations are those of A. Graves, "Generating Sequences With Recurrent Neural Networks" (2013), without
peepholes, and for the GRU those of PyTorch's manual. Nothing here is shared with ``charrnn``: a mistake would have to
be made twice to go unseen.
"""

import math
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Params: TypeAlias = dict[str, Array]
State: TypeAlias = list[dict[str, Array]]
Cell: TypeAlias = Literal["vanilla", "lstm", "gru"]
Reduction: TypeAlias = Literal["mean", "sum"]

# --- the network ---


def forward(
    params: Params, cell: Cell, inputs: Array, targets: Array, state: State, *, reduction: Reduction = "mean"
) -> tuple[Any, Array, State]:
    """Read `inputs` (T, B); return the loss in nats, the log-probabilities (T, B, V), the final state."""
    T, B = inputs.shape
    streams = [stream_forward(params, cell, inputs[:, b], one_stream(state, b)) for b in range(B)]
    log_probs = np.stack([stream_log_probs for _, stream_log_probs, _ in streams], axis=1)
    loss = -sum(log_probs[t, b, targets[t, b]] for t in range(T) for b in range(B))
    if reduction == "mean":
        loss = loss / (T * B)
    return loss, log_probs, join_streams([final for _, _, final in streams])


def gradients(
    params: Params, cell: Cell, inputs: Array, targets: Array, state: State, *, reduction: Reduction = "mean"
) -> tuple[Any, Params, State, State]:
    """Backpropagate through time; return the loss, `grads`, the initial state's gradient, the final state."""
    T, B = inputs.shape
    loss, log_probs, final = forward(params, cell, inputs, targets, state, reduction=reduction)
    scale = 1 / (T * B) if reduction == "mean" else 1.0
    grads = {name: np.zeros_like(array) for name, array in params.items()}
    d_states = []
    for b in range(B):
        tape, _, _ = stream_forward(params, cell, inputs[:, b], one_stream(state, b))
        # the gradient of softmax and cross-entropy together: what was predicted less what came
        d_logits = [scale * (np.exp(log_probs[t, b]) - one_hot(params, targets[t, b])) for t in range(T)]
        d_states.append(stream_backward(params, grads, inputs[:, b], tape, d_logits))
    return loss, grads, join_streams(d_states), final


def stream_forward(params: Params, cell: Cell, inputs: Array, state: State) -> tuple[list[State], Array, State]:
    """Read one stream (T,); return the cells' values at each step, log-probabilities (T, V), final state."""
    tape = []
    log_probs = []
    for character in inputs:
        x = one_hot(params, character)
        if "embedding.W_e" in params:
            x = x @ params["embedding.W_e"]
        moment = []
        for k, before in enumerate(state):
            moment.append(cell_forward(params, cell, k, x, before))
            x = moment[k]["h"]
        tape.append(moment)
        log_probs.append(log_softmax(x @ params["linear.W_hy"] + params["linear.b_y"]))
        state = [{name: moment[k][name] for name in before} for k, before in enumerate(state)]
    return tape, np.array(log_probs), state


def stream_backward(params: Params, grads: Params, inputs: Array, tape: list[State], d_logits: list[Array]) -> State:
    """Add one stream's gradients into `grads`, last step first; return the gradient of its initial state."""
    # nothing after the last step depends on the final state
    d_state: State = [
        {name: np.zeros_like(values[name]) for name in ("h", "c") if name in values} for values in tape[-1]
    ]
    for t in reversed(range(len(tape))):
        grads["linear.W_hy"] += np.outer(tape[t][-1]["h"], d_logits[t])
        grads["linear.b_y"] += d_logits[t]
        d_x = params["linear.W_hy"] @ d_logits[t]
        for k in reversed(range(len(d_state))):
            # a hidden state is read twice: by what lies above it, and by its own cell one step later
            d_after = {**d_state[k], "h": d_state[k]["h"] + d_x}
            d_x, d_state[k] = cell_backward(params, grads, k, tape[t][k], d_after)
        if "embedding.W_e" in params:
            grads["embedding.W_e"] += np.outer(one_hot(params, inputs[t]), d_x)
    return d_state


def cell_forward(params: Params, cell: Cell, k: int, x: Array, before: dict[str, Array]) -> dict[str, Array]:
    """One step of layer `k` from its input (D,); return all values that the backward step reads."""
    h_prev = before["h"]
    if cell == "gru":
        return gru_forward(params, k, x, h_prev)
    z = x @ params[f"cells.{k}.W_xh"] + h_prev @ params[f"cells.{k}.W_hh"] + params[f"cells.{k}.b_h"]
    if cell == "vanilla":
        return {"x": x, "h_prev": h_prev, "h": np.tanh(z)}
    z_i, z_f, z_g, z_o = np.split(z, 4)
    i, f, g, o = sigmoid(z_i), sigmoid(z_f), np.tanh(z_g), sigmoid(z_o)
    c = f * before["c"] + i * g
    h = o * np.tanh(c)
    return {"x": x, "h_prev": h_prev, "c_prev": before["c"], "i": i, "f": f, "g": g, "o": o, "c": c, "h": h}


def cell_backward(
    params: Params, grads: Params, k: int, values: dict[str, Array], d_after: dict[str, Array]
) -> tuple[Array, dict[str, Array]]:
    """Add one step of layer `k` into `grads`; return the gradients of its input and of the state before."""
    if "r" in values:
        return gru_backward(params, grads, k, values, d_after["h"])
    d_before = {}
    if "c" in values:
        d_z, d_before["c"] = lstm_gates_backward(values, d_after)
    else:
        d_z = d_after["h"] * (1 - values["h"] ** 2)
    grads[f"cells.{k}.W_xh"] += np.outer(values["x"], d_z)
    grads[f"cells.{k}.W_hh"] += np.outer(values["h_prev"], d_z)
    grads[f"cells.{k}.b_h"] += d_z
    d_before["h"] = params[f"cells.{k}.W_hh"] @ d_z
    return params[f"cells.{k}.W_xh"] @ d_z, d_before


def lstm_gates_backward(values: dict[str, Array], d_after: dict[str, Array]) -> tuple[Array, Array]:
    """From the gradients of h and c after a step to those of the gates' sums (4·H,) and of c before (H,)."""
    i, f, g, o = values["i"], values["f"], values["g"], values["o"]
    tanh_c = np.tanh(values["c"])
    d_c = d_after["c"] + d_after["h"] * o * (1 - tanh_c**2)
    d_z_i = d_c * g * i * (1 - i)
    d_z_f = d_c * values["c_prev"] * f * (1 - f)
    d_z_g = d_c * i * (1 - g**2)
    d_z_o = d_after["h"] * tanh_c * o * (1 - o)
    return np.concatenate([d_z_i, d_z_f, d_z_g, d_z_o]), d_c * f


def gru_forward(params: Params, k: int, x: Array, h_prev: Array) -> dict[str, Array]:
    """One step of a GRU layer; `q` is what the hidden state says about n, before r lets it through."""
    x_r, x_z, x_n = np.split(x @ params[f"cells.{k}.W_xh"] + params[f"cells.{k}.b_h"], 3)
    h_r, h_z, h_n = np.split(h_prev @ params[f"cells.{k}.W_hh"], 3)
    r, z, q = sigmoid(x_r + h_r), sigmoid(x_z + h_z), h_n + params[f"cells.{k}.b_hn"]
    n = np.tanh(x_n + r * q)
    return {"x": x, "h_prev": h_prev, "r": r, "z": z, "q": q, "n": n, "h": (1 - z) * n + z * h_prev}


def gru_backward(
    params: Params, grads: Params, k: int, values: dict[str, Array], d_h: Array
) -> tuple[Array, dict[str, Array]]:
    """Add one step of a GRU layer into `grads`; return the gradients of its input and of the state before."""
    h_prev, r, z, q, n = (values[name] for name in ("h_prev", "r", "z", "q", "n"))
    d_sum_z = d_h * (h_prev - n) * z * (1 - z)
    d_sum_n = d_h * (1 - z) * (1 - n**2)
    d_sum_r = d_sum_n * q * r * (1 - r)
    d_q = d_sum_n * r
    d_from_x = np.concatenate([d_sum_r, d_sum_z, d_sum_n])
    d_from_h = np.concatenate([d_sum_r, d_sum_z, d_q])
    grads[f"cells.{k}.W_xh"] += np.outer(values["x"], d_from_x)
    grads[f"cells.{k}.W_hh"] += np.outer(h_prev, d_from_h)
    grads[f"cells.{k}.b_h"] += d_from_x
    grads[f"cells.{k}.b_hn"] += d_q
    d_h_prev = d_h * z + params[f"cells.{k}.W_hh"] @ d_from_h
    return params[f"cells.{k}.W_xh"] @ d_from_x, {"h": d_h_prev}


def one_hot(params: Params, character: int) -> Array:
    """All zeros but a one at the character, (V,)."""
    vector = np.zeros(len(params["linear.b_y"]))
    vector[character] = 1
    return vector


def sigmoid(z: Array) -> Array:
    """``1 / (1 + exp(-z))``, written so that no large `z` overflows and a complex one stays analytic."""
    return 0.5 * (np.tanh(z / 2) + 1)


def log_softmax(logits: Array) -> Array:
    """Logarithms of the probabilities (V,); the largest logit becomes 0, so that `exp` cannot overflow."""
    shifted = logits - logits.real.max()
    log_probs: Array = shifted - np.log(np.exp(shifted).sum())
    return log_probs


def one_stream(state: State, b: int) -> State:
    """Stream `b` alone: arrays (H,) in place of (B, H)."""
    return [{name: array[b] for name, array in layer.items()} for layer in state]


def join_streams(states: list[State]) -> State:
    """Set streams side by side again: arrays (B, H) in place of (H,)."""
    return [
        {name: np.stack([state[k][name] for state in states]) for name in layer} for k, layer in enumerate(states[0])
    ]


# --- optimizers: `memory` starts as {}; both dicts get new arrays, and no array is written into ---


def adagrad(params: Params, grads: Params, memory: Params, learning_rate: float, *, eps: float) -> None:
    """Step by J. Duchi et al., "Adaptive Subgradient Methods" (2011), with `eps` inside the root."""
    for name, g in grads.items():
        memory[name] = memory.get(name, np.zeros_like(g)) + g**2
        params[name] = params[name] - learning_rate * g / np.sqrt(memory[name] + eps)


def rmsprop(params: Params, grads: Params, memory: Params, learning_rate: float, *, alpha: float, eps: float) -> None:
    """Step by T. Tieleman and G. Hinton, "RMSProp" (2012), with `eps` outside the root as in PyTorch."""
    for name, g in grads.items():
        memory[name] = alpha * memory.get(name, np.zeros_like(g)) + (1 - alpha) * g**2
        params[name] = params[name] - learning_rate * g / (np.sqrt(memory[name]) + eps)


def adam(
    params: Params,
    grads: Params,
    memory: Params,
    learning_rate: float,
    *,
    betas: tuple[float, float],
    eps: float,
) -> None:
    """Step by D. Kingma and J. Ba, "Adam" (2015), both means corrected for their start at zero."""
    memory["step"] = memory.get("step", np.zeros(())) + 1
    for name, g in grads.items():
        mean = betas[0] * memory.get(f"mean/{name}", np.zeros_like(g)) + (1 - betas[0]) * g
        square = betas[1] * memory.get(f"square/{name}", np.zeros_like(g)) + (1 - betas[1]) * g**2
        memory[f"mean/{name}"], memory[f"square/{name}"] = mean, square
        unbiased_mean = mean / (1 - betas[0] ** memory["step"])
        unbiased_square = square / (1 - betas[1] ** memory["step"])
        params[name] = params[name] - learning_rate * unbiased_mean / (np.sqrt(unbiased_square) + eps)


def sgd(params: Params, grads: Params, memory: Params, learning_rate: float, *, momentum: float) -> None:
    """Descend with momentum as in PyTorch: the learning rate multiplies the whole remembered direction."""
    for name, g in grads.items():
        memory[name] = momentum * memory.get(name, np.zeros_like(g)) + g
        params[name] = params[name] - learning_rate * memory[name]


# --- clipping ---


def clip_by_value(grads: Params, clip_value: float) -> Params:
    """Bring each number on its own into [-clip_value, clip_value]."""
    return {name: np.clip(g, -clip_value, clip_value) for name, g in grads.items()}


def clip_by_norm(grads: Params, clip_norm: float) -> tuple[Params, float]:
    """Shorten the gradients, as one vector, to length `clip_norm`; return them and the length they had."""
    norm = math.sqrt(sum(float(number) ** 2 for g in grads.values() for number in g.flat))
    if norm <= clip_norm:
        return dict(grads), norm
    return {name: g * (clip_norm / norm) for name, g in grads.items()}, norm


# --- sampling filters, on the probabilities (V,) of one next character ---


def with_temperature(log_probs: Array, temperature: float) -> Array:
    """Probabilities at a temperature; 0 is the limit: the likeliest character alone, the lowest of equals."""
    if temperature == 0:
        return renormalized(np.exp(log_softmax(log_probs)), [most_likely_first(log_probs)[0]])
    return np.exp(log_softmax(log_probs / temperature))


def keep_top_k(probs: Array, k: int) -> Array:
    """Keep exactly the `k` likeliest characters (or all, if there are fewer); of equals the lower."""
    return renormalized(probs, most_likely_first(probs)[:k])


def keep_top_p(probs: Array, p: float) -> Array:
    """Keep the fewest likeliest characters that together reach `p`, at least one; of equals the lower."""
    kept: list[int] = []
    total = 0.0
    for character in most_likely_first(probs):
        if kept and total >= p:
            break
        kept.append(character)
        total += float(probs[character])
    return renormalized(probs, kept)


def keep_min_p(probs: Array, p: float) -> Array:
    """Keep the characters at least `p` times as likely as the likeliest."""
    best = max(float(prob) for prob in probs)
    return renormalized(probs, [i for i in range(len(probs)) if float(probs[i]) >= p * best])


def without(log_probs: Array, banned: list[int]) -> Array:
    """The distribution of what is left when some may not be drawn."""
    return renormalized(np.exp(log_probs), [i for i in range(len(log_probs)) if i not in banned])


def most_likely_first(probs: Array) -> list[int]:
    """Characters in falling order of probability, equals in rising order of index."""
    return sorted(range(len(probs)), key=lambda character: (-probs[character], character))


def renormalized(probs: Array, kept: list[int]) -> Array:
    """Probabilities of the kept characters, divided by their total; every other character gets exactly 0."""
    total = sum(probs[character] for character in kept)
    result = np.zeros_like(probs)
    for character in kept:
        result[character] = probs[character] / total
    return result


# --- yardsticks and copying, on lists of ids ---


def witten_bell(training: list[int], vocab_size: int, context: list[int], character: int) -> float:
    """Probability of a character after a context, by I. Witten and T. Bell (1991), mixed with the shorter contexts."""
    probability = 1 / vocab_size
    for length in range(len(context) + 1):
        end_of_context = context[len(context) - length :]
        followers: dict[int, int] = {}
        for i in range(length, len(training)):
            if training[i - length : i] == end_of_context:
                followers[training[i]] = followers.get(training[i], 0) + 1
        if followers:
            total, types = sum(followers.values()), len(followers)
            probability = (followers.get(character, 0) + types * probability) / (total + types)
    return probability


def has_run(text: list[int], run: list[int]) -> bool:
    """Whether the run stands somewhere in the text."""
    return any(text[i : i + len(run)] == run for i in range(len(text) - len(run) + 1))


def longest_shared_run(sample: list[int], training: list[int]) -> tuple[int, int]:
    """Where the longest run of the sample that the training text has begins, the first of equals, and its length."""
    for length in range(len(sample), 0, -1):
        for start in range(len(sample) - length + 1):
            if has_run(training, sample[start : start + length]):
                return start, length
    return 0, 0
