r"""The classic notebook that trained on Kafka's *Metamorphosis*, for any text: your file, or else a bundled text.

On Kafka's text, which has 80 different characters, the notebook's smoothed loss was 109.55, then 85.48, 69.03 and
60.91. It is the sum over 25 characters, in nats; here blind guessing costs 25 ln 61 = 102.77. Another processor rounds
differently: its losses end within 3 % of these, and its samples after step 0 differ.

    $ python examples/kafka_notebook.py
    The text has 139309 characters, 61 of them distinct.
    The id of 'a': 35
    As a one-hot vector:
    [0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0
     0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0]
    hidden 100, sequence 25, adagrad 0.1
    cells.0.W_xh (61, 100)
    cells.0.W_hh (100, 100)
    cells.0.b_h  (100,)
    linear.W_hy  (100, 61)
    linear.b_y   (61,)
    inputs 'The Harbour Clerk\n\n\nChapt'
    30 42 39 1 18 35 52 36 49 55 52 1 13 46 39 52 45 0 0 0 13 42 35 50 54
    targets 'he Harbour Clerk\n\n\nChapte'
    42 39 1 18 35 52 36 49 55 52 1 13 46 39 52 45 0 0 0 13 42 35 50 54 39
    step 0, smoothed loss 102.77
    'dF! oucjWwo\nr!j?rWHO .fecMzygegM:jVHStvKYIbJMtCd,pnDs"J;QnD"NB,aHfBwL-dvPxTOczwRlTVmOjiv.j'
    step 1000, smoothed loss 81.25
    'rh, torneth\nt ofred Oasgebyyeme are lttfe. cetbkIrigr fann,\nAband at biteve pyunoleoiset s'
    step 2000, smoothed loss 66.41
    'ro ; witath\ns oflile ane. wurpon the toince hoke thep famic im rerat ant whenylhe koos."\n"'
    step 3000, smoothed loss 59.65
    'ro asr, hse\ntarere m aringyt. That hesod he ho rat, waig thad an, at aptat loyoneed; soucs'
    step 4000, smoothed loss 55.91
    'se aselpeth\ntar, he ablindywise boof, warced the tkdo hang an bing whasg," foyler noores t'
"""

import math
import sys

import charrnn

corpus = charrnn.read_corpus(sys.argv[1:2] or ["harbour-clerk.txt"])
ids, vocabulary = corpus.ids, corpus.vocabulary
print(f"The text has {len(ids)} characters, {len(vocabulary)} of them distinct.")
print("The id of 'a':", *vocabulary.encode("a"))
print("As a one-hot vector:")
print(charrnn.one_hot(vocabulary.encode("a")[0], len(vocabulary)).astype(int))

# The recipe has the notebook's sizes, Adagrad, weights from N(0, 0.01²) and gradients clipped to ±5.
run = charrnn.train(ids, vocabulary=vocabulary, recipe="min-char-rnn", steps=4_000, dtype="float64")
config = run.config
print(f"hidden {config.hidden_sizes[0]}, sequence {config.seq_length}, {config.optimizer} {config.learning_rate}")
for name, array in run.params.items():
    print(f"{name:12} {array.shape}")
inputs, targets = ids[: config.seq_length], ids[1 : config.seq_length + 1]
for name, given in ("inputs", inputs), ("targets", targets):
    print(name, repr(vocabulary.decode(given)))
    print(*given)


def show(step: int, smoothed_loss: float) -> None:
    """Print what the notebook prints every 1,000 steps."""
    how = charrnn.SampleConfig(length=90)
    print(f"step {step}, smoothed loss {config.seq_length * smoothed_loss:.2f}")
    print(repr("".join(charrnn.sample_text(run, "a", how, rng_seed=0))))


show(0, math.log(len(vocabulary)))  # of guessing blindly
for event in run:
    if isinstance(event, charrnn.StepReport) and event.step % 1000 == 0:
        show(event.step, event.smoothed_loss)
