"""The bound: a training step's matrix products and nothing else, each in the fastest of many arrangements.

No step that does these products with this matrix library, one after another, can be faster. What a one-hot input needs
is not among them: it is a row lookup, and its gradient a sum of rows.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from math import inf
from statistics import median
from timeit import Timer
from typing import Any, NamedTuple

import numpy as np
from measure import Answer, answer
from numpy.typing import NDArray
from workload import Shape

Array = NDArray[np.float32]
Call = Callable[[], object]

_PANELS = (1, 2, 4, 8, 16)
_REPEATS = 5


class Product(NamedTuple):
    """``(M, K) · (K, N)``, so many times in a step."""

    M: int
    K: int
    N: int
    times: int
    gates_in: int = 1  # gates side by side along K
    gates_out: int = 1  # gates side by side along N


def step_products(shape: Shape) -> dict[str, Product]:
    """List the products of a step: what charrnn and its rivals cannot do without."""
    T, B, H, L, V = shape.seq_length, shape.batch_size, shape.hidden_size, shape.num_layers, shape.vocab_size
    G = {"vanilla": 1, "lstm": 4, "gru": 3}[shape.cell]
    rows = T * B
    products = {
        "recurrent forward": Product(B, H, G * H, T * L, gates_out=G),
        "recurrent backward": Product(B, G * H, H, T * L, gates_in=G),
        "W_hh gradient": Product(H, rows, G * H, L, gates_out=G),
        "output": Product(rows, H, V, 1),
        "output gradient": Product(rows, V, H, 1),
        "W_hy gradient": Product(H, rows, V, 1),
    }
    if L > 1:
        products |= {
            "input forward": Product(rows, H, G * H, L - 1, gates_out=G),
            "input gradient": Product(rows, G * H, H, L - 1, gates_in=G),
            "W_xh gradient": Product(H, rows, G * H, L - 1, gates_out=G),
        }
    return products


def arrangements(shape: Product) -> Iterator[tuple[str, Call]]:
    """Make each way to lay out a product, one at a time: its name, and a call that does it into allocated memory."""
    M, K, N = shape.M, shape.K, shape.N
    yield "plain", _call((M, K), (K, N))
    yield "second transposed", _call((M, K), (N, K), transpose=(False, True))
    yield "first transposed", _call((K, M), (K, N), transpose=(True, False))
    yield "both transposed", _call((K, M), (N, K), transpose=(True, True))
    yield "feature-major", _call((N, K), (K, M))
    yield "feature-major, first transposed", _call((K, N), (K, M), transpose=(True, False))
    for by_K, by_N, panels in product(sorted({1, shape.gates_in}), sorted({1, shape.gates_out}), _PANELS):
        width = N // (by_N * panels)
        if by_K * by_N * panels == 1 or width * by_N * panels != N:
            continue
        name = f"gates {by_K * by_N}, panels {panels}"
        # Gate by gate: (gate of K, gate of N, panel, M, ·); the panels of one gate lie side by side in its (M, ·) rows.
        first, second = (by_K, 1, 1, M, K // by_K), (by_K, by_N, panels, K // by_K, width)
        rows = (by_K, by_N, M, panels, width)
        yield name, _call(first, second, out=rows)
        transposed = (by_K, 1, 1, K // by_K, M)
        yield f"{name}, first transposed", _call(transposed, second, transpose=(True, False), out=rows)
        # The plain layout of the result, (M, N): all panels of all gates side by side.
        if by_K == 1:
            packed = (by_N * panels, K, width)
            yield f"{name}, packed result", _call((1, M, K), packed, out=(M, by_N * panels, width))


def _call(
    first: tuple[int, ...],
    second: tuple[int, ...],
    *,
    transpose: tuple[bool, bool] = (False, False),
    out: tuple[int, ...] = (),
) -> Call:
    """Allocate the factors and the result, and return the product's call.

    Parameters
    ----------
    first, second : shapes of the factors
    transpose : which of them are multiplied as views of their transposes
    out : shape of a result in which each row holds the rows of all panels, ``(…, M, panel, N)``; by default it is that
        of the product
    """
    x, y = (_factor(*factor) for factor in zip((first, second), transpose, strict=True))
    result = np.empty(out, np.float32).swapaxes(-2, -3) if out else np.matmul(x, y)
    return lambda: np.matmul(x, y, out=result)


def _factor(shape: tuple[int, ...], is_transposed: bool) -> Array:
    factor = np.full(shape, 0.5, np.float32)
    return factor.swapaxes(-1, -2) if is_transposed else factor


def best(shape: Product, seconds: float) -> tuple[float, str]:
    """Time every arrangement for so long; return the shortest time in milliseconds, and which arrangement had it."""
    fastest = (inf, "")
    for name, call in arrangements(shape):
        timer = Timer(call)
        timer.timeit(1)
        once = timer.timeit(1)
        number = max(1, round(seconds / _REPEATS / once))
        # Where one call takes longer than all the time there is, it has just been timed.
        times = timer.repeat(_REPEATS, number) if once < seconds else [once]
        fastest = min(fastest, (1e3 * median(times) / number, name))
    return fastest


def run(request: Mapping[str, Any]) -> Answer:
    """Return, for each product, ``[milliseconds in a step, arrangement, GFLOP/s]``."""
    products = step_products(Shape(*request["shape"]))
    # A few per cent of the time for each of some twenty arrangements.
    found = {name: (shape, *best(shape, request["seconds"] / 50)) for name, shape in products.items()}
    return {
        name: [shape.times * ms, arrangement, 2e-6 * shape.M * shape.K * shape.N / ms]
        for name, (shape, ms, arrangement) in found.items()
    }


if __name__ == "__main__":
    answer(run)
