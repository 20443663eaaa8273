r"""An embedding and two LSTM layers of different sizes, with dropout, trained in minibatches with each optimizer.

The program draws the losses, stops a run and continues it, and samples with powers of the probabilities.

    $ python examples/two_sizes.py
    sgd: 3.52 bits per character on held-out text
    rmsprop: 3.93 bits per character on held-out text
    adam: 4.12 bits per character on held-out text
    adagrad: 3.08 bits per character on held-out text
          loss, bits/char
         │⠐⠒⠒⠶⠶⠦⣤⣤⣄⣀⣀
         │         ⠉⠉⠛⠛⠻⠿⠶⣶⡦⣤⣤⣤⣤⣀⣀⣀⡀
       5 ┤                 ⠈⠉⠉⠑⠚⠫⠭⠭⣛⣛⡛⠻⠿⠶⠶⢶⣶⣶⣤⣤⣤⣤⠤⣀⣀⣀⣀⡀
         │                           ⠈⠉⠑⠒⠒⠤⠤⢄⣀⡉⠉⠉⠉⠙⠛⠓⠒⠺⠿⠯⠭⠭⢕⣒⣒⣒⣒⠒⠢⠤⠤⠤⠤⢄⣀⣀⣀⣀⣀⡀
         │                                    ⠈⠉⠉⠒⠒⠢⠤⠤⢄⣀⣀⡀     ⠈⠉⠉⠙⠛⠛⠓⠶⠶⠶⠶⣒⣤⣬⠭⠭⠭ bc
       4 ┤                                               ⠈⠉⠉⠒⠒⠒⠢⠤⠤⢄⣀⣀⣀       ⠉⠉⠉ a
         │                                                            ⠉⠉⠉⠉⠒⠒⠒⠢⠤⠤ d
         └┬──────────────────────┬──────────────────────┬──────────────────────┬
    step  0                     50                     100                   150
       bits/char training held out   step
    a  sgd          4.152        -
    b  rmsprop      4.299        -
    c  adam         4.508        -
    d  adagrad      3.625        -
    50 steps, saved and loaded, and 100 more equal the 150: True
    squared [0.6579 0.2368 0.1053]
    at temperature 1/2 [0.6579 0.2368 0.1053]
    power 1: 'my wher, Ile the iiis lyted by anl, Jon rorded thos.\nSe tiun'
    power 2: 'staun the the in on thend shes bes the ane hond cos fon the '
    power 4: 'the the the the sind the the whe the the the the the the the'
"""

import tempfile
from typing import Any

import numpy as np

import charrnn

corpus = charrnn.read_corpus(["weather-court.txt"])
training, held_out = charrnn.split(corpus.ids, 0.1)
how: dict[str, Any] = {
    "vocabulary": corpus.vocabulary,
    "val_fraction": 0,  # held_out has been split off already
    "sample_every": 0,
    "cell": "lstm",
    "embedding_size": 16,
    "hidden_sizes": (48, 24),
    "dropout": 0.05,
    "batch_size": 16,
    "seq_length": 25,
    "schedule": "constant",
    "warmup_steps": 0,
    "dtype": "float64",
}

# Every optimizer, each at its own rate, 150 minibatches of 16 × 25 characters.
losses = {}
for name in ("sgd", "rmsprop", "adam", "adagrad"):
    run = charrnn.train(training, optimizer=name, steps=150, **how)
    losses[name] = [event.smoothed_loss for event in run if isinstance(event, charrnn.StepReport)]
    bits = charrnn.Evaluator(run.model, held_out).loss(run.params) / np.log(2)
    print(f"{name}: {bits:.2f} bits per character on held-out text")
print(charrnn.draw_losses(losses, height=7))

# Stop, save, load and continue: the losses are the same.
first = charrnn.train(training, optimizer="adagrad", steps=50, **how)
half = [event.smoothed_loss for event in first if isinstance(event, charrnn.StepReport)]
with tempfile.TemporaryDirectory() as folder:
    charrnn.save(f"{folder}/model.npz", first.checkpoint())
    saved = charrnn.load(f"{folder}/model.npz")
second = charrnn.resume(saved, training, steps=150)
rest = [event.smoothed_loss for event in second if isinstance(event, charrnn.StepReport)]
print("50 steps, saved and loaded, and 100 more equal the 150:", half + rest == losses["adagrad"])

# A power on the probabilities is a temperature: pᵏ, made to sum to 1 again, is temperature 1/k.
probs = np.array([0.5, 0.3, 0.2])
print("squared", (probs**2 / (probs**2).sum()).round(4))
print("at temperature 1/2", charrnn.Filters(temperature=1 / 2).apply(np.log(probs)).round(4))
for power in (1, 2, 4):
    sample = charrnn.SampleConfig(temperatures=(1 / power,), length=60)
    print(f"power {power}:", repr("".join(charrnn.sample_text(run, "The ", sample, rng_seed=1))))
