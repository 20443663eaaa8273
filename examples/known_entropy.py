"""Can the loss be trusted? A source whose entropy is known writes a text, and a model trains on it.

On new text from the source, no model can have a loss below the entropy, except by luck, and a good model comes close
to it. Each symbol depends on the two before it.

    $ python examples/known_entropy.py
    The source's entropy: 1.441 bits per symbol; without the symbols before: 1.954; without any knowledge: 2.000.
    With the source's own probabilities, the new text has 1.440 bits per symbol.
    step   1: 2.007 bits on the new text, 39.3% above the entropy
    step  10: 1.954 bits on the new text, 35.6% above the entropy
    step  50: 1.655 bits on the new text, 14.8% above the entropy
    step 100: 1.510 bits on the new text, 4.8% above the entropy
    step 200: 1.460 bits on the new text, 1.3% above the entropy
    step 400: 1.447 bits on the new text, 0.4% above the entropy
    step 800: 1.443 bits on the new text, 0.1% above the entropy
    The loss was never below the entropy: True
"""

import numpy as np
from numpy.typing import NDArray

import charrnn

V = 4
rng = np.random.default_rng(0)
table = rng.dirichlet(np.full(V, 0.5), size=(V, V))  # P(next | the two before)


def write(length: int) -> NDArray[np.int64]:
    """Let the source write a text."""
    ids, edges = [0, 0], table.cumsum(axis=2)[:, :, :-1].tolist()
    for uniform in rng.random(length).tolist():
        ids.append(sum(uniform > edge for edge in edges[ids[-2]][ids[-1]]))
    return np.array(ids[2:])


# The entropy: that of each pair's next symbol, weighted by how often the pair comes in the long run.
pairs = np.full((V, V), V**-2)
for _ in range(1000):
    pairs = np.einsum("ab,abc->bc", pairs, table)
entropy = -(pairs[:, :, None] * table * np.log2(table)).sum()
print(f"The source's entropy: {entropy:.3f} bits per symbol; without the symbols before: ", end="")
shares = pairs.sum(axis=0)
print(f"{-(shares * np.log2(shares)).sum():.3f}; without any knowledge: {np.log2(V):.3f}.")

text, fresh = write(200_000), write(200_000)
surprise = -np.log2(table[fresh[:-2], fresh[1:-1], fresh[2:]]).mean()
print(f"With the source's own probabilities, the new text has {surprise:.3f} bits per symbol.")

run = charrnn.train(
    text,
    vocabulary=charrnn.Vocabulary.of_integers(V),
    val_fraction=0,
    hidden_sizes=(24,),
    batch_size=32,
    seq_length=25,
    steps=800,
    dropout=0.0,
    weight_drop=0.0,
    dtype="float64",
)
evaluator, never_below = charrnn.Evaluator(run.model, fresh), True
for event in run:
    if isinstance(event, charrnn.StepReport) and event.step in (1, 10, 50, 100, 200, 400, 800):
        bits = evaluator.loss(run.params) / np.log(2)
        never_below &= bool(bits > max(entropy, surprise))
        print(f"step {event.step:3}: {bits:.3f} bits on the new text, {bits / entropy - 1:.1%} above the entropy")
print("The loss was never below the entropy:", never_below)
