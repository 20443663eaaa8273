"""Mistakes planted in the engine one at a time, each of which the gradient check must catch.

The whole engine is imported anew around one changed file, and then checked just as the real one is.
"""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

import charrnn.gradcheck
import charrnn.nn
from charrnn.nn.dropout import Dropout
from charrnn.nn.model import NOTHING, CharRNN

ENGINE = Path(charrnn.nn.__file__).parent
FILES = ["dropout", "embedding", "gates", "gru", "linear", "loss", "lstm", "model", "vanilla"]

V, B = 4, 2
# a network just large enough for a bug to show, and for how many steps to run it
NETWORKS = {
    "vanilla": (CharRNN(V, "vanilla", (3,)), 5),
    "lstm": (CharRNN(V, "lstm", (3,)), 5),
    "gru": (CharRNN(V, "gru", (3,)), 5),
    "two vanilla": (CharRNN(V, "vanilla", (3, 2)), 5),
    "two lstm": (CharRNN(V, "lstm", (3, 2)), 5),
    "two gru": (CharRNN(V, "gru", (3, 2)), 5),
    "alike": (CharRNN(V, "vanilla", (3, 3), 3), 5),  # each layer could read what another should
    "square": (CharRNN(V, "vanilla", (V,)), 5),
    "long": (CharRNN(V, "vanilla", (3,)), 17),  # more positions than `nn.embedding` calls few
    "tied": (CharRNN(V, "vanilla", (3,), 3, tied=True), 5),
    "padded": (CharRNN(V, "vanilla", (3,)), 5),  # the last targets of a stream do not count
    "dropped": (CharRNN(V, "vanilla", (6, 5)), 5),
    "weights dropped": (CharRNN(V, "gru", (6, 5)), 5),
}
DROPPED = {"dropped": Dropout(outputs=0.4), "weights dropped": Dropout(0.3, 0.4, locked=True)}

# Each bug: its name | the file | the network | an array it spoils; then the source as it is, and as it must not be.
BUGS = """
the embedding's gradient without the output's | model | tied | embedding.W_e
- grads["embedding.W_e"][...] += ws.d_output.T
+ pass
the output's gradient alone | model | tied | embedding.W_e
- grads["embedding.W_e"][...] += ws.d_output.T
+ grads["embedding.W_e"][...] = ws.d_output.T
mask ignored on the way back | dropout | dropped | cells.1.W_hh
- np.multiply(d_outputs, self.masks[layer], out=d_outputs)
+ pass
gradient not scaled as the outputs are | dropout | dropped | cells.1.W_hh
- np.multiply(d_outputs, self.masks[layer], out=d_outputs)
+ np.multiply(d_outputs, self.masks[layer] != 0, out=d_outputs)
mask of the next step | dropout | dropped | cells.1.W_hh
- np.multiply(d_outputs, self.masks[layer], out=d_outputs)
+ np.multiply(d_outputs, np.roll(self.masks[layer], 1, axis=0), out=d_outputs)
mask of the other layer | dropout | dropped | cells.0.W_hh
- np.multiply(d_outputs, self.masks[layer], out=d_outputs)
+ np.multiply(d_outputs, self.masks[0][..., :d_outputs.shape[-1]], out=d_outputs) if layer else None
upper layer reads what was not masked | model | dropped | cells.0.W_hh
- return [first, *(_seen(ws, k) for k in range(len(ws.cells) - 1))]
+ return [first, *(cell_ws.outputs for cell_ws in ws.cells[:-1])]
output's gradient from what was not masked | model | dropped | linear.W_hy
- self.linear.backward(self._output(params), d_linear, _seen(ws, -1), ws.logits, ws.d_hidden)
+ self.linear.backward(self._output(params), d_linear, ws.cells[-1].outputs, ws.logits, ws.d_hidden)
dropped weights have a gradient | dropout | weights dropped | cells.0.W_hh
- np.multiply(grads["W_hh"], self.weight_masks[layer], out=grads["W_hh"])
+ pass
gradient of weights not scaled as they are | dropout | weights dropped | cells.0.W_hh
- np.multiply(grads["W_hh"], self.weight_masks[layer], out=grads["W_hh"])
+ np.multiply(grads["W_hh"], self.weight_masks[layer] != 0, out=grads["W_hh"])
no slope of tanh | vanilla | vanilla | cells.0.W_hh
- multiply(product, slope, product)
+ pass
no slope of tanh for what the layer above says | vanilla | vanilla | cells.0.W_hh
- np.multiply(d_outputs, ws.slope, out=ws.d_a)
+ ws.d_a[...] = d_outputs
slope 1 − h in place of 1 − h² | vanilla | vanilla | cells.0.W_hh
- np.multiply(ws.outputs, ws.outputs, out=ws.slope)
+ ws.slope[...] = ws.outputs
slope of the step before | vanilla | vanilla | cells.0.W_hh
- np.multiply(ws.outputs, ws.outputs, out=ws.slope)
+ np.multiply(ws.h[:T], ws.h[:T], out=ws.slope)
no gradient from step to step | vanilla | vanilla | cells.0.W_hh
- add(d_a, product, d_a)
+ pass
W_hh not transposed | vanilla | vanilla | cells.0.W_hh
- ws.W_hh_T[...] = params["W_hh"].T
+ ws.W_hh_T[...] = params["W_hh"]
W_hh's gradient transposed | vanilla | vanilla | cells.0.W_hh
- np.dot(ws.h[:T].reshape(T * B, H).T, d_a, out=grads["W_hh"])
+ np.dot(d_a.T, ws.h[:T].reshape(T * B, H), out=grads["W_hh"])
W_hh's gradient from h of its own step | vanilla | vanilla | cells.0.W_hh
- np.dot(ws.h[:T].reshape
+ np.dot(ws.outputs.reshape
initial state taken for zero on the way back | vanilla | vanilla | cells.0.W_hh
- d_a = ws.d_a.reshape(T * B, H)
+ d_a = ws.d_a.reshape(T * B, H); ws.h[0] = 0
bias gradient dropped | vanilla | vanilla | cells.0.b_h
- np.ones(T * B, d_a.dtype).dot(d_a, grads["b_h"])
+ grads["b_h"][...] = 0
bias gradient a mean | vanilla | vanilla | cells.0.b_h
- np.ones(T * B, d_a.dtype).dot(d_a, grads["b_h"])
+ np.mean(d_a, axis=0, out=grads["b_h"])
bias counted twice | vanilla | two vanilla | cells.1.b_h
- ws.outputs[...] += params["b_h"]
+ ws.outputs[...] += 2 * params["b_h"]
time forwards on the way back | vanilla | vanilla | cells.0.W_hh
- for _, slope, d_a in reversed(ws.steps):
+ for _, slope, d_a in ws.steps:
first step skipped | vanilla | vanilla | cells.0.b_h
- d_a = ws.d_a.reshape(T * B, H)
+ ws.d_a[0] = 0; d_a = ws.d_a.reshape(T * B, H)
last step skipped | vanilla | vanilla | cells.0.b_h
- d_a = ws.d_a.reshape(T * B, H)
+ ws.d_a[-1] = 0; d_a = ws.d_a.reshape(T * B, H)
first stream's state for all | vanilla | vanilla | state.0.h
- ws.h[0] = state.h
+ ws.h[0] = state.h[0]
first stream's gradient for all | vanilla | vanilla | cells.0.W_hh
- d_a.dot(W_hh_T, product)
+ product[...] = d_a[0] @ W_hh_T
state gradient not returned | vanilla | vanilla | state.0.h
- return VanillaState(product.copy())
+ return VanillaState(np.zeros_like(product))
gradient for the layer below not written | vanilla | two vanilla | cells.0.W_xh
- np.matmul(d_a, params["W_xh"].T, out=ws.d_inputs.reshape(T * B, -1))
+ ws.d_inputs[...] = 0
gates i and f swapped | lstm | lstm | cells.0.W_hh
- enumerate((3, 0, 1, 2))
+ enumerate((3, 1, 0, 2))
gates g and o swapped | lstm | lstm | cells.0.W_hh
- (slice(1, 4), slice(0, 3)), (slice(0, 1), slice(3, 4))
+ (slice(0, 3), slice(0, 3)), (slice(3, 4), slice(3, 4))
half not folded into o | lstm | lstm | cells.0.W_hh
- inner = 1 if gate == 2 else 0.5
+ inner = 1 if gate >= 2 else 0.5
sigmoid's slope without 1 − s | lstm | lstm | cells.0.W_hh
- np.multiply(slopes[:3], planes[:3], out=slopes[:3])
+ slopes[:3] = planes[:3]
slope of g not squared | lstm | lstm | cells.0.W_hh
- np.multiply(g, g, out=slopes[3])
+ slopes[3] = g
δ of g without i | lstm | lstm | cells.0.W_hh
- np.multiply(slopes[3], i, out=slopes[3])
+ pass
δ of f from c of its own step | lstm | lstm | cells.0.W_hh
- np.multiply(slopes[1:3], planes[3:], out=planes[1:3])
+ planes[1:3] = slopes[1:3] * (g, ws.c[start + 1 : stop + 1])
δ of o without tanh c | lstm | lstm | cells.0.W_hh
- np.multiply(slopes[0], tanh_c, out=o)
+ o[...] = slopes[0]
δ of o from d_c | lstm | lstm | cells.0.W_hh
- multiply(d_o, d_h, d_o)
+ multiply(d_o, d_c, d_o)
δ of i, f, g from d_h | lstm | lstm | cells.0.W_hh
- multiply(d_ifg, d_c, d_ifg)
+ multiply(d_ifg, d_h, d_ifg)
d_c without o | lstm | lstm | cells.0.W_hh
- np.multiply(through_h, o, out=through_h)
+ pass
d_c from h² in place of tanh² c | lstm | lstm | cells.0.W_hh
- np.multiply(tanh_c, tanh_c, out=through_h)
+ np.square(ws.outputs[start:stop], out=through_h)
d_c not carried | lstm | lstm | cells.0.W_hh
- add(d_c, term, d_c)
+ d_c[...] = term
d_c carried without the forget gate | lstm | lstm | cells.0.W_hh
- multiply(d_c, ws.forget[t - start], d_c)
+ pass
d_c carried through another step's forget gate | lstm | lstm | cells.0.W_hh
- multiply(d_c, ws.forget[t - start], d_c)
+ multiply(d_c, ws.forget[t - start - 1], d_c)
d_h not carried | lstm | lstm | cells.0.W_hh
- add(d_outputs[t], product, d_h)
+ d_h[...] = d_outputs[t]
d_h carried from one gate alone | lstm | lstm | cells.0.W_hh
- add_up(products, axis=0, out=product)
+ product[...] = products[0]
W_hh of a gate not transposed | lstm | lstm | cells.0.W_hh
- ws.W_hh_T[plane] = turned_panels(W_hh, P, ws.room)
+ ws.W_hh_T[plane] = panels(W_hh, P)
half folded into the way back | lstm | lstm | cells.0.W_hh
- ws.W_hh_T[plane] = turned_panels(W_hh, P, ws.room)
+ ws.W_hh_T[plane] = inner * turned_panels(W_hh, P, ws.room)
W_hh's gradient from an LSTM's later h | lstm | lstm | cells.0.W_hh
- h_prev = ws.h[:T].reshape(T * B, H)
+ h_prev = ws.outputs.reshape(T * B, H)
bias not added for ids | lstm | lstm | cells.0.b_h
- np.add(ws.W_xh, ws.b_h, out=ws.W_xh)
+ pass
gate o silent to the layer below | gates | two lstm | cells.0.W_xh
- np.add.reduce(products, axis=0, out=d_inputs
+ np.add.reduce(products[1:], axis=0, out=d_inputs
gates crossed on the way below | gates | two lstm | cells.0.W_xh
- np.matmul(rows, self.W_xh_T, out=products)
+ np.matmul(rows, self.W_xh_T[::-1], out=products)
gradient of c not returned | lstm | lstm | state.0.c
- return LSTMState(product.copy(), d_c.copy())
+ return LSTMState(product.copy(), 0 * d_c)
gates r and z swapped | gru | gru | cells.0.W_hh
- enumerate((1, 2, 0))
+ enumerate((2, 1, 0))
half folded into n | gru | gru | cells.0.W_hh
- inner = 1 if gate == 2 else 0.5
+ inner = 0.5
half not folded into the bias | gru | gru | cells.0.b_h
- np.multiply(b_h[gate], inner, out=ws.b_h[gate])
+ ws.b_h[gate] = b_h[gate]
half folded into the way back of a GRU | gru | gru | cells.0.W_hh
- ws.W_hh_T[plane] = turned_panels(W_hh[gate], P, ws.room)
+ ws.W_hh_T[plane] = inner * turned_panels(W_hh[gate], P, ws.room)
W_hh of a GRU's gate not transposed | gru | gru | cells.0.W_hh
- ws.W_hh_T[plane] = turned_panels(W_hh[gate], P, ws.room)
+ ws.W_hh_T[plane] = panels(W_hh[gate], P)
b_hn outside what r multiplies | gru | gru | cells.0.b_hn
- add(u_n, b_hn, q)
+ q[...] = u_n; add(n, b_hn, n)
z and 1 − z swapped on the way forwards | gru | gru | cells.0.W_hh
- add(n, term, h)
+ subtract(h_prev, term, h)
slope of z without 1 − z | gru | gru | cells.0.W_hh
- np.multiply(work, rest, out=work)
+ pass
δ of z from h of its own step | gru | gru | cells.0.W_hh
- np.subtract(ws.h[start:stop], n, out=work)
+ np.subtract(ws.h[start + 1 : stop + 1], n, out=work)
δ of z from n − h | gru | gru | cells.0.W_hh
- np.subtract(ws.h[start:stop], n, out=work)
+ np.subtract(n, ws.h[start:stop], out=work)
slope of n not squared | gru | gru | cells.0.W_hh
- np.multiply(n, n, out=n)
+ pass
δ of n with z in place of 1 − z | gru | gru | cells.0.W_hh
- np.multiply(n, rest, out=n)
+ np.multiply(n, update, out=n)
slope of r without 1 − r | gru | gru | cells.0.W_hh
- np.subtract(1, r, out=work)
+ work[...] = 1
δ of r without q | gru | gru | cells.0.W_hh
- np.multiply(work, q, out=work)
+ pass
δ of q without r | gru | gru | cells.0.b_hn
- np.multiply(n, r, out=q)
+ q[...] = n
δ of n, not of q, through W_hh | gru | gru | cells.0.W_hh
- matmul(d_rows, W_hh_T, tiles)
+ matmul(d_a[[3, 1, 2]].reshape(d_rows.shape), W_hh_T, tiles)
W_hh's gradient from δ of n | gru | gru | cells.0.W_hh
- np.matmul(h_prev.T, deltas[0], out=d_W_hh[2])
+ np.matmul(h_prev.T, deltas[3], out=d_W_hh[2])
b_hn's gradient from δ of n | gru | gru | cells.0.b_hn
- np.matmul(ones, deltas[0], out=grads["b_hn"])
+ np.matmul(ones, deltas[3], out=grads["b_hn"])
W_hh's gradients of r and z swapped | gru | gru | cells.0.W_hh
- np.matmul(h_prev.T, deltas[1:3], out=d_W_hh[:2])
+ np.matmul(h_prev.T, deltas[2:0:-1], out=d_W_hh[:2])
d_h not carried through z | gru | gru | cells.0.W_hh
- multiply(update[t - start], d_h, through_z)
+ through_z[...] = 0
d_h carried through z of the step before | gru | gru | cells.0.W_hh
- multiply(update[t - start], d_h, through_z)
+ multiply(update[t - start - 1], d_h, through_z)
d_h carried through z alone | gru | gru | cells.0.W_hh
- add_up(products, axis=0, out=carried)
+ carried[...] = through_z
z read after it has become δ | gru | gru | cells.0.W_hh
- return update
+ return z
W_hh's gradient from a GRU's later h | gru | gru | cells.0.W_hh
- h_prev = ws.h[:T].reshape(T * B, H)
+ h_prev = ws.outputs.reshape(T * B, H)
gates crossed in what vectors are given back | gru | two gru | cells.0.W_xh
- ws.below.W_xh_T[...] = W_xh.swapaxes(1, 2)
+ ws.below.W_xh_T[...] = W_xh[::-1].swapaxes(1, 2)
bias counted twice for vectors | gru | two gru | cells.1.b_h
- np.add(a, ws.b_h, out=a)
+ np.add(a, 2 * ws.b_h, out=a)
GRU's state gradient not returned | gru | gru | state.0.h
- return GRUState(carried.copy())
+ return GRUState(0 * carried)
repeated characters overwrite each other | embedding | long | cells.0.W_xh
- d_table[:, symbol] += np.matmul(ones[:n], part)
+ d_table[:, symbol] = part[:, -1]
ids not sorted | embedding | long | cells.0.W_xh
- order = np.argsort(flat, kind="stable")
+ order = np.arange(flat.size)
each character's last place left out | embedding | long | cells.0.W_xh
- n = min(GATHERED_ROWS, stop - start)
+ n = min(GATHERED_ROWS, stop - start - 1)
one-hot rows in reversed order | embedding | vanilla | cells.0.W_xh
- one_hot[flat, np.arange(len(flat))] = 1
+ one_hot[flat[::-1], np.arange(len(flat))] = 1
target of the step before | loss | vanilla | linear.W_hy
- probs.reshape(-1)[_flat_index(targets, probs.shape[-1])] -= 1
+ probs.reshape(-1)[_flat_index(np.roll(targets, 1, axis=0), probs.shape[-1])] -= 1
target not subtracted | loss | vanilla | linear.b_y
- probs.reshape(-1)[_flat_index(targets, probs.shape[-1])] -= 1
+ pass
scale forgotten | loss | vanilla | linear.b_y
- probs *= scale
+ pass
scale applied twice | loss | vanilla | linear.b_y
- probs *= scale
+ probs *= scale * scale
padding has a gradient | loss | padded | linear.b_y
- probs[gaps] = 0
+ pass
padding has a loss | loss | padded | linear.b_y
- losses[targets < 0] = 0
+ pass
padding taken for the character before | loss | padded | linear.b_y
- gaps, targets = targets < 0, np.maximum(targets, 0)
+ gaps = targets < 0
probabilities not normalised | loss | vanilla | linear.b_y
- logits /= total
+ pass
W_hy's gradient missing | linear | vanilla | linear.W_hy
- np.dot(hidden.reshape(T * B, H).T, flat, out=grads["W_hy"])
+ grads["W_hy"][...] = 0
b_y's gradient missing | linear | vanilla | linear.b_y
- np.dot(np.ones(T * B, flat.dtype), flat, out=grads["b_y"])
+ grads["b_y"][...] = 0
W_hy not transposed | linear | square | cells.0.W_hh
- np.dot(flat, params["W_hy"].T
+ np.dot(flat, params["W_hy"]
W_hy's gradient from the step before | model | vanilla | linear.W_hy
- d_linear, _seen(ws, -1), ws.logits, ws.d_hidden
+ d_linear, ws.cells[-1].h[:-1], ws.logits, ws.d_hidden
layers not connected | model | alike | cells.0.W_xh
- d_outputs = ws.cells[k].d_inputs
+ d_outputs = ws.d_hidden
second layer given the first one's input | model | alike | cells.1.W_xh
- for k, x in reversed(list(enumerate(self._inputs(ws, inputs)))):
+ for k, x in reversed(list(enumerate([self._inputs(ws, inputs)[0]] * 2))):
embedding left out | model | alike | embedding.W_e
- self.embedding.backward(grads.group("embedding"), ws.embedding, d_outputs, inputs)
+ pass
layers' state gradients in the wrong order | model | alike | state.0.h
- return tuple(reversed(d_state))
+ return tuple(d_state)
clipped before the check | model | vanilla | linear.b_y
- return tuple(reversed(d_state))
+ np.clip(grads.vector, -0.01, 0.01, out=grads.vector); return tuple(reversed(d_state))
"""


class Bug(NamedTuple):
    """A piece of one file, and the mistake to put in its place."""

    name: str
    file: str
    network: str
    spoils: str
    right: str
    wrong: str


def planted() -> Iterator[Bug]:
    lines = iter(BUGS.strip().splitlines())
    for title, right, wrong in zip(lines, lines, lines, strict=True):
        name, file, network, spoils = title.split(" | ")
        yield Bug(name, file, network, spoils, right.removeprefix("- "), wrong.removeprefix("+ "))


def engine_around(file: str, source: str, patch: pytest.MonkeyPatch) -> Any:
    """Import the gradient check, and all that it checks, with one file's source replaced."""
    for name in [name for name in sys.modules if name.startswith(("charrnn.nn", "charrnn.gradcheck"))]:
        patch.delitem(sys.modules, name)
    for name in ("nn", "gradcheck"):  # the import below rebinds these in the package
        patch.setattr(charrnn, name, getattr(charrnn, name))
    module = ModuleType(f"charrnn.nn.{file}")
    patch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, file, "exec"), vars(module))  # noqa: S102 - this project's own source
    return importlib.import_module("charrnn.gradcheck")


def spoiled(file: str, source: str, network: str) -> set[str]:
    """Name the arrays that the check fails when one file reads as given."""
    model, T = NETWORKS[network]
    rng = np.random.default_rng(0)
    text = rng.integers(0, V, (T + 1, B))
    params = model.initialize(rng, std=0.5, dtype=np.float64)
    with pytest.MonkeyPatch.context() as patch:
        gradcheck = engine_around(file, source, patch)
        broken = gradcheck.CharRNN(**asdict(model))
        assert type(broken) is not CharRNN
        state = gradcheck.random_state(broken, B, rng)
        inputs, targets = text[:-1], text[1:].copy()
        targets[3:, 1] = [-1] * (T - 3) if network == "padded" else targets[3:, 1]
        dropout = gradcheck.Dropout(**asdict(DROPPED.get(network, NOTHING)))
        rows = list(gradcheck.check_model(broken, params, inputs, targets, state, label=network, dropout=dropout))
    return {row.array for row in rows if not row.complex_step_error <= gradcheck.COMPLEX_STEP_GATE}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("file", FILES)
def test_engine_as_it_is_passes_by_the_same_way(file: str, network: str) -> None:
    assert spoiled(file, (ENGINE / f"{file}.py").read_text(encoding="utf-8"), network) == set()


@pytest.mark.parametrize("bug", list(planted()), ids=lambda bug: bug.name)
def test_planted_bug_is_caught(bug: Bug) -> None:
    source = (ENGINE / f"{bug.file}.py").read_text(encoding="utf-8")
    assert source.count(bug.right) == 1
    assert bug.spoils in spoiled(bug.file, source.replace(bug.right, bug.wrong), bug.network)


def test_engine_is_whole_again_after_a_planted_bug() -> None:
    before = {name: module for name, module in sys.modules.items() if name.startswith("charrnn")}
    loss_py = (ENGINE / "loss.py").read_text(encoding="utf-8")
    assert spoiled("loss", loss_py.replace("probs *= scale", "pass"), "vanilla")
    assert before.items() <= sys.modules.items()
    assert charrnn.gradcheck is sys.modules["charrnn.gradcheck"]
    assert charrnn.nn is sys.modules["charrnn.nn"]
