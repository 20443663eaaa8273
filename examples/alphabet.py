"""Five walks around the alphabet, of 26 letters each: at every letter the network predicts the next one.

The walks have steps of 1, 3, 5, 7 and -1, so the next letter depends on the letters before. The inputs are one-hot
vectors, the targets are given separately, and the network is 26-128-26.

    $ python examples/alphabet.py
    ABCDEFGHIJKLMNOPQRSTUVWXYZ wants BCDEFGHIJKLMNOPQRSTUVWXYZA
    BEHKNQTWZCFILORUXADGJMPSVY wants EHKNQTWZCFILORUXADGJMPSVYB
    CHMRWBGLQVAFKPUZEJOTYDINSX wants HMRWBGLQVAFKPUZEJOTYDINSXC
    DKRYFMTAHOVCJQXELSZGNUBIPW wants KRYFMTAHOVCJQXELSZGNUBIPWD
    ZYXWVUTSRQPONMLKJIHGFEDCBA wants YXWVUTSRQPONMLKJIHGFEDCBAZ
    inputs (5, 26, 26) targets (5, 26)
    Adagrad: loss 3.259, after 200 steps 0.027; 130 of 130 right
    SGD: loss 3.259, after 200 steps 0.019; 130 of 130 right
    PyTorch is not installed: no comparison

With PyTorch, the last line is replaced by these:

    step 1: loss 3.259087, in PyTorch 3.259087
    step 200: loss 0.019171, in PyTorch 0.019171
    200 of 200 losses are equal to 9 decimals
"""

import numpy as np

import charrnn

letters = charrnn.Vocabulary.from_text("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
starts, strides = np.array([[0], [1], [2], [3], [25]]), np.array([[1], [3], [5], [7], [-1]])
walks = (starts + strides * np.arange(27)) % 26  # (5, 27): 26 letters, and the one after them
inputs, targets = charrnn.one_hot(walks[:, :-1], 26), walks[:, 1:]
for walk in walks:
    print(letters.decode(walk[:-1]), "wants", letters.decode(walk[1:]))
print("inputs", inputs.shape, "targets", targets.shape)


def learn(optimizer: charrnn.SGD | charrnn.Adagrad, rate: float, steps: int) -> tuple[charrnn.Stack, list[float]]:
    """Train a network on all five walks at once, and return it with its loss before each step, in nats per letter."""
    vanilla, linear = charrnn.Vanilla(26, 128, rng=0, dtype="float64"), charrnn.Linear(128, 26, rng=1, dtype="float64")
    net, losses = charrnn.Stack([vanilla, linear]), []
    memory = optimizer.init(net.params)
    for _ in range(steps):
        logits, _ = net.forward(inputs, return_sequences=True)
        loss, d_logits = charrnn.softmax_cross_entropy(logits, targets)
        net.backward(d_logits)
        optimizer.update(net.params, net.grads, memory, rate)
        losses.append(loss)
    return net, losses


for name, optimizer, rate in (("Adagrad", charrnn.Adagrad(), 0.02), ("SGD", charrnn.SGD(momentum=0.9), 0.1)):
    net, losses = learn(optimizer, rate, steps=200)
    logits, _ = net.forward(inputs, return_sequences=True)
    right = (logits.argmax(axis=-1) == targets).sum()
    print(f"{name}: loss {losses[0]:.3f}, after 200 steps {losses[-1]:.3f}; {right} of 130 right")

try:
    import torch
except ImportError:
    print("PyTorch is not installed: no comparison")
    raise SystemExit from None

# The same network in PyTorch from the same weights: a matrix is transposed there, and the bias is in two parts.
rnn, output = torch.nn.RNN(26, 128, batch_first=True).double(), torch.nn.Linear(128, 26).double()
weights = (rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, output.weight, output.bias)
for weight, ours in zip(weights, learn(charrnn.SGD(), 0.1, steps=0)[0].params.values(), strict=True):
    weight.data = torch.from_numpy(ours.T.copy())
rnn.bias_hh_l0.data.zero_()
sgd, equal = torch.optim.SGD(weights, lr=0.1, momentum=0.9), 0
for step, loss in enumerate(losses, 1):
    hidden, _ = rnn(torch.from_numpy(inputs).double())
    torch_loss = torch.nn.functional.cross_entropy(output(hidden).mT, torch.from_numpy(targets))
    sgd.zero_grad()
    torch_loss.backward()
    sgd.step()
    equal += abs(loss - torch_loss.item()) < 1e-9
    if step in (1, 200):
        print(f"step {step}: loss {loss:.6f}, in PyTorch {torch_loss.item():.6f}")
print(f"{equal} of 200 losses are equal to 9 decimals")
