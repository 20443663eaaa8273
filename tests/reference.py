"""Slow, obvious code that the fast code must equal: optimizers, clipping, sampling filters, yardsticks, copying.

The network itself is in `charrnn.nn.equations`.
"""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from charrnn.nn.equations import log_softmax

Array: TypeAlias = NDArray[Any]
Params: TypeAlias = dict[str, Array]

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
