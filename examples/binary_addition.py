"""A vanilla network of 16 units adds binary numbers: it trains on 8 bits, and is right on 16 bits too.

At each step it reads two bits, the lowest first, and writes one bit of the sum. It has to remember the carry.

    $ python examples/binary_addition.py
    step 1: loss 0.698; of 1,000 sums right: 0 of 8 bits, 0 of 16 bits
    step 100: loss 0.651; of 1,000 sums right: 9 of 8 bits, 0 of 16 bits
    step 150: loss 0.180; of 1,000 sums right: 1,000 of 8 bits, 1,000 of 16 bits
    step 200: loss 0.025; of 1,000 sums right: 1,000 of 8 bits, 1,000 of 16 bits
    step 500: loss 0.002; of 1,000 sums right: 1,000 of 8 bits, 1,000 of 16 bits
      00100100101101101 = 18797
    + 01100111111010000 = 53200
    = 10001100100111101 = 71997
"""

import numpy as np
from numpy.typing import NDArray

import charrnn

rng = np.random.default_rng(0)


def additions(count: int, bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw pairs of numbers as bits, lowest first, (count, bits + 1, 2), and their sums, (count, bits + 1)."""
    terms, places = rng.integers(2**bits, size=(2, count, 1)), np.arange(bits + 1)
    a, b = terms >> places & 1
    return np.stack([a, b], axis=-1), terms.sum(axis=0) >> places & 1


def right(bits: int) -> int:
    """Count the sums, among 1,000 new ones, whose bits are all right."""
    inputs, wanted = additions(1000, bits)
    logits, _ = net.forward(inputs, return_sequences=True)
    return int((logits.argmax(axis=-1) == wanted).all(axis=1).sum())


vanilla = charrnn.Vanilla(2, 16, rng=rng, dtype="float64")
net = charrnn.Stack([vanilla, charrnn.Linear(16, 2, rng=rng, dtype="float64")])
optimizer = charrnn.Adam()
memory = optimizer.init(net.params)
for step in range(1, 501):
    inputs, wanted = additions(64, 8)
    logits, _ = net.forward(inputs, return_sequences=True)
    loss, d_logits = charrnn.softmax_cross_entropy(logits, wanted)
    net.backward(d_logits)
    charrnn.clip_norm(net.grads.vector, charrnn.global_norm(net.grads.vector), 1.0)
    optimizer.update(net.params, net.grads, memory, 0.01)
    if step in (1, 100, 150, 200, 500):
        print(f"step {step}: loss {loss:.3f}; of 1,000 sums right: {right(8):,} of 8 bits, {right(16):,} of 16 bits")

inputs, wanted = additions(1, 16)
logits, _ = net.forward(inputs, return_sequences=True)
for sign, bits in (" ", inputs[0, :, 0]), ("+", inputs[0, :, 1]), ("=", logits[0].argmax(axis=-1)):
    print(sign, "".join(map(str, bits[::-1])), "=", bits @ 2 ** np.arange(17))
