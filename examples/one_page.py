r"""A character-level LSTM on one page: read a text, learn it, write more like it. NumPy is all it needs.

`charrnn train` with the same settings has the same losses. docs/derivation.md derives every line of the way back.
Give it a text of your own and a number of steps: ``python examples/one_page.py book.txt 5000``.

Letters: B streams of the text, read side by side; T characters a chunk; V different characters; H hidden units.

    $ python examples/one_page.py
    step 1, loss 4.11
    'TfF \npuelbvp\nr l,saDO  hgeJzyhghK kaEVsuIdEeFLs-e qn.s F So. N, dBg,vH fuQwWOezvSmWanNkiu '
    step 250, loss 1.89
    'Tmruasts with to lit that\nsit the whe thame the spullise."\n\n"Telcilly the lromers, yolrent'
    step 500, loss 1.65
    'Tver could, in this\ntwe. Quist on mas grever a somed the compet," seide they sho stomn in '
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

Array = np.ndarray
Params = dict[str, Array]


def initial_weights(V: int, H: int, rng: np.random.Generator) -> Params:
    """Draw small weights; the biases are 0, but 1 for the forget gates f, which start open."""
    r = 1 / np.sqrt(H)
    return {
        "W_xh": rng.uniform(-r, r, (V, 4 * H)),  # from a character to the gates, packed i f g o
        "W_hh": rng.uniform(-r, r, (H, 4 * H)),  # from the hidden state before to the gates
        "W_hy": rng.uniform(-r, r, (H, V)),  # from the hidden state to the scores
        "b_h": np.repeat([0.0, 1.0, 0.0, 0.0], H),
        "b_y": np.zeros(V),
    }


def sigmoid(a: Array) -> Array:
    """Return 1 / (1 + exp(-a)), written so that nothing overflows."""
    return 0.5 * (np.tanh(a / 2) + 1)


def forward(p: Params, x: Array, h_prev: Array, c_prev: Array) -> tuple[Array, ...]:
    """Take one step: x (B, V) one-hot, h_prev and c_prev (B, H)."""
    # The gates look at the new character and at the hidden state.
    a_i, a_f, a_g, a_o = np.split(x @ p["W_xh"] + h_prev @ p["W_hh"] + p["b_h"], 4, axis=1)  # (B, H) each
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    # Keep some of the old memory (f), take in some of the new (i), show some of the result (o).
    c = f * c_prev + i * g
    h = o * np.tanh(c)
    # Scores become probabilities by softmax, here as logarithms.
    scores = h @ p["W_hy"] + p["b_y"]  # (B, V)
    scores -= scores.max(axis=1, keepdims=True)
    log_probs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return i, f, g, o, c, h, log_probs


def gradients(p: Params, xs: Array, targets: Array, h: Array, c: Array) -> tuple[float, Params, Array, Array]:
    """Return the mean loss of a chunk (T, B, V) in nats, its gradients, and the state after it."""
    # Forwards: keep the values of every step, and add up the loss, -log p(target).
    steps, loss, count = [], 0.0, xs.shape[0] * xs.shape[1]
    for x, target in zip(xs, targets, strict=True):
        step = forward(p, x, h, c)
        steps.append((x, target, h, c, *step))
        *_, c, h, log_probs = step
        loss -= (target * log_probs).sum() / count
    # Backwards: from the last step to the first. Nothing after the chunk sends a gradient.
    grads = {name: np.zeros_like(array) for name, array in p.items()}
    d_h_next, d_c_next = np.zeros_like(h), np.zeros_like(c)
    for x, target, h_prev, c_prev, i, f, g, o, c_now, h_now, log_probs in reversed(steps):
        # Through softmax and logarithm at once: the probabilities, less 1 for the target.
        d_scores = (np.exp(log_probs) - target) / count
        # The hidden state is read twice, by the output layer and by the next step: the gradients add up.
        d_h = d_scores @ p["W_hy"].T + d_h_next
        # The memory is read twice, too: by the hidden state and by the next memory.
        tanh_c = np.tanh(c_now)
        d_c = d_h * o * (1 - tanh_c**2) + d_c_next
        # Through the gates: the slope of a sigmoid s is s (1 - s), that of a tanh t is 1 - t².
        delta_i = d_c * g * i * (1 - i)
        delta_f = d_c * c_prev * f * (1 - f)
        delta_g = d_c * i * (1 - g**2)
        delta_o = d_h * tanh_c * o * (1 - o)
        delta = np.concatenate([delta_i, delta_f, delta_g, delta_o], axis=1)  # (B, 4H)
        # All steps use the same weights, so each step adds its share.
        grads["W_hy"] += h_now.T @ d_scores
        grads["b_y"] += d_scores.sum(axis=0)
        grads["W_xh"] += x.T @ delta
        grads["W_hh"] += h_prev.T @ delta
        grads["b_h"] += delta.sum(axis=0)
        # What the step before receives.
        d_h_next, d_c_next = delta @ p["W_hh"].T, d_c * f
    return loss, grads, h, c


def train(ids: Array, V: int, *, H: int, B: int, T: int, rate: float, clip: float) -> Iterator[tuple[float, Params]]:
    """Learn a text, ids (N,), without end; after each step, yield its loss and the weights."""
    p = initial_weights(V, H, np.random.default_rng([0, 0]))  # what charrnn draws from --rng-seed 0
    memory = {name: np.zeros_like(array) for name, array in p.items()}
    # B streams read the text side by side, from places spread evenly over it, n characters each.
    n = -(-(len(ids) - 1) // B)
    starts = np.arange(B) * (len(ids) - 1 - n) // max(B - 1, 1)
    while True:
        h, c = np.zeros((2, B, H))  # a pass over the text begins with an empty state
        for t in range(0, n, T):
            # A chunk of T characters, and the target of each: the character after it.
            places = starts + np.arange(t, min(t + T, n) + 1)[:, None]
            one_hot = np.eye(V)[ids[places]]  # (T + 1, B, V)
            loss, grads, h, c = gradients(p, one_hot[:-1], one_hot[1:], h, c)
            # Clip: shorten the whole gradient, seen as one vector, to at most `clip`.
            norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
            for name in p:
                g = min(1, clip / norm) * grads[name]
                # Adagrad: the larger a weight's gradients so far, the smaller its steps.
                memory[name] += g**2
                p[name] -= rate * g / np.sqrt(memory[name] + 1e-8)
            yield loss, p


def sample(p: Params, first: int, length: int, rng: np.random.Generator) -> list[int]:
    """Write: draw a character from the probabilities, read it, and so on."""
    H, V = p["W_hy"].shape
    written, h, c = [first], np.zeros((1, H)), np.zeros((1, H))
    while len(written) < length:
        *_, c, h, log_probs = forward(p, np.eye(V)[written[-1:]], h, c)
        written.append(rng.choice(V, p=np.exp(log_probs[0])))
    return written


if __name__ == "__main__":
    bundled = Path(__file__).parents[1] / "corpora" / "harbour-clerk.txt"
    path = sys.argv[1] if sys.argv[1:] else bundled
    steps = int(sys.argv[2]) if sys.argv[2:] else 500
    # The distinct characters in order, and the text as their numbers.
    characters, ids = np.unique(list(Path(path).read_text(encoding="utf-8")), return_inverse=True)
    training = train(ids, len(characters), H=128, B=16, T=25, rate=0.1, clip=5.0)
    rng = np.random.default_rng(0)
    for step in range(1, steps + 1):
        loss, p = next(training)
        if step == 1 or step % 250 == 0:
            written = "".join(characters[sample(p, ids[0], 90, rng)])
            print(f"step {step}, loss {loss:.2f}\n{written!r}")
