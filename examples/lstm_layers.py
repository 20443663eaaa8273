r"""A vocabulary, an embedding and an LSTM over a batch of 500 sequences: 12 steps, 20 features, 100 units.

    $ python examples/lstm_layers.py
    tokens (500, 12) 'The Harbour ' 'Clerk\n\n\nChap'
    embedded (500, 12, 20)
    last output (500, 100) final state (500, 100) (500, 100)
    full sequence (500, 12, 100)
    the last output is the end of the sequence: True
    two halves are the whole: True
    gradients: 0.W_e (61, 20) 1.W_xh (20, 400) 1.W_hh (100, 400) 1.b_h (400,)
    PyTorch is not installed: no comparison

With PyTorch, the last line is replaced by these:

    last output: equal to PyTorch's to one part in 100,000: True
    full sequence: equal to PyTorch's to one part in 100,000: True
    final c: equal to PyTorch's to one part in 100,000: True
    gradient of W_e: equal to PyTorch's to one part in 100,000: True
    gradient of W_hh: equal to PyTorch's to one part in 100,000: True
"""

import numpy as np

import charrnn

corpus = charrnn.read_corpus(["harbour-clerk.txt"])
vocabulary, rng = corpus.vocabulary, np.random.default_rng(0)
tokens = charrnn.tokenize(corpus.ids[: 500 * 12], 12)
print("tokens", tokens.shape, repr(vocabulary.decode(tokens[0])), repr(vocabulary.decode(tokens[1])))

embedding = charrnn.Embedding(len(vocabulary), 20, rng=rng)  # in Keras layers.Embedding(61, 20)
x = embedding.forward(tokens)
print("embedded", x.shape)

lstm = charrnn.LSTM(20, 100, rng=rng)
last, state = lstm.forward(x)  # in Keras layers.LSTM(100)(x)
print("last output", last.shape, "final state", state.h.shape, state.c.shape)
every, state = lstm.forward(x, return_sequences=True)  # in Keras layers.LSTM(100, return_sequences=True)(x)
print("full sequence", every.shape)
print("the last output is the end of the sequence:", np.array_equal(last, every[:, -1]))

# One half of the sequence, and from its state the other half.
first, middle = lstm.forward(x[:, :6], return_sequences=True)
second, end = lstm.forward(x[:, 6:], middle, return_sequences=True)
print("two halves are the whole:", np.allclose(np.concatenate([first, second], axis=1), every, atol=1e-6))

# Both layers as one, and backwards from a loss on the full sequence, ½ Σ every².
net = charrnn.Stack([embedding, lstm])
every, (state,) = net.forward(tokens, return_sequences=True)
net.backward(every)
print("gradients:", *(f"{name} {gradient.shape}" for name, gradient in net.grads.items()))

# Keras packs the gates alike, i f g o, so set_weights([W_xh, W_hh, b_h]) gives a built layers.LSTM(100) these weights.
W_e, W_xh, W_hh, b_h = net.params.values()

try:
    import torch
except ImportError:
    print("PyTorch is not installed: no comparison")
    raise SystemExit from None

# PyTorch has the same order of gates, but transposed matrices and two biases, which it adds.
twin, table = torch.nn.LSTM(20, 100, batch_first=True), torch.from_numpy(W_e).requires_grad_()
for weight, ours in ((twin.weight_ih_l0, W_xh), (twin.weight_hh_l0, W_hh), (twin.bias_ih_l0, b_h)):
    weight.data = torch.from_numpy(ours.T.copy())
twin.bias_hh_l0.data.zero_()
outputs, (h, c) = twin(table[torch.from_numpy(tokens.astype(np.int64))])
(outputs**2).sum().div(2).backward()
pairs = {
    "last output": (last, outputs[:, -1]),
    "full sequence": (every, outputs),
    "final c": (state.c, c[0]),
    "gradient of W_e": (net.grads["0.W_e"], table.grad),
    "gradient of W_hh": (net.grads["1.W_hh"], twin.weight_hh_l0.grad.T),
}
for name, (ours, theirs) in pairs.items():
    error = np.abs(ours - theirs.detach().numpy()).max() / np.abs(ours).max()
    print(f"{name}: equal to PyTorch's to one part in 100,000: {error < 1e-5}")
