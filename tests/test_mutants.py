"""Every planted mistake in the mathematics is seen, by comparison with the plain equations or by hand-made numbers.

A few of each file are planted in the everyday suite, all of them with ``pytest -m slow``. `EQUIVALENT` lists the
changes that make no difference, each with the reason.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import charrnn
import charrnn.nn.model
from charrnn import check_layer, gradcheck
from charrnn.nn import equations
from charrnn.nn.dropout import DropoutRates, DropoutWorkspace
from charrnn.nn.model import CELLS, NO_DROPOUT, CharRNN, State
from charrnn.nn.parameters import Array, Parameters
from tests import reference
from tests.mutation import Mutant, module_replaced, mutants

PACKAGE = Path(charrnn.__file__).parent
SAMPLE = 4  # of each file in the everyday suite
TOLERANCE = 1e-10


def same(found: Any, wanted: Any) -> bool:
    """Whether arrays, or nests of them, agree in shape and in every number."""
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[name], wanted[name]) for name in wanted)
    if isinstance(wanted, tuple | list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape:
        return False
    return bool(np.linalg.norm(found - wanted) <= TOLERANCE * np.linalg.norm(wanted))


# --- the network: fast equals plain ---


class Problem(NamedTuple):
    """A network, what it reads, and what the plain equations say of it."""

    model: CharRNN
    dropout: DropoutRates
    streams: range | None  # some of the batch's, or all
    shards: int
    params: Parameters
    inputs: Array
    targets: Array
    state: State
    masks: equations.Masks


def problem(
    model: CharRNN,
    T: int,
    B: int,
    *,
    dropout: DropoutRates = NO_DROPOUT,
    streams: range | None = None,
    shards: int = 1,
    seed: int = 0,
) -> Problem:
    rng = np.random.default_rng(seed)
    params = model.initialize(rng, std=0.5, dtype=np.float64)
    params.vector += rng.normal(0, 0.3, params.vector.size)
    text = rng.integers(0, model.vocab_size, (T + 1, B))
    inputs, targets = text[:-1], text[1:].copy()
    if seed % 2:
        targets[T // 2 :, -1] = -1
    state = gradcheck.random_state(model, B, rng)
    shapes = [cell.shapes()["W_hh"] for cell in model.cells]
    whole = DropoutWorkspace.allocate(dropout, shapes, range(B), T, B, np.dtype(np.float64))
    whole.draw(np.random.default_rng(9))
    masks = equations.Masks(whole.masks, whole.weight_masks)
    if streams:
        some = slice(streams.start, streams.stop)
        inputs, targets = inputs[:, some], targets[:, some]
        state = tuple(type(layer)(*(array[some] for array in layer)) for layer in state)
        masks = masks._replace(outputs=[mask[:, some] for mask in masks.outputs])
    for array in (params.vector, inputs, targets, *(array for layer in state for array in layer)):
        array.flags.writeable = False
    return Problem(model, dropout, streams, shards, params, inputs, targets, state, masks)


@cache
def problems(cell: str) -> list[Problem]:
    """What a cell is tried on, the quickest first."""
    some = range(1, 3)
    return [
        problem(CharRNN(5, cell, (4,)), 5, 2, seed=1),
        problem(CharRNN(5, cell, (5, 4), 3), 14, 3, seed=2),
        problem(CharRNN(5, cell, (4, 3), 3, tied=True), 5, 3, seed=3),
        problem(CharRNN(5, cell, (5, 3)), 5, 3, dropout=DropoutRates(outputs=0.4), seed=4),
        problem(CharRNN(5, cell, (5, 3)), 5, 3, dropout=DropoutRates(0.3, 0.4, locked=True), seed=5),
        problem(CharRNN(5, cell, (5, 3), 2), 5, 4, dropout=DropoutRates(0.3, 0.4), streams=some, seed=6),
        problem(CharRNN(5, cell, (3,)), 5, 2, dropout=DropoutRates(weights=0.4), seed=7),
        problem(CharRNN(5, cell, (5, 4), 4, tied=True), 14, 6, dropout=DropoutRates(0.3, 0.4), shards=3, seed=11),
        problem(CharRNN(5, cell, (40,)), 9, 4, shards=2, seed=12),
        problem(CharRNN(70, cell, (5,)), 25, 3, seed=13),  # characters that come once
        # blocks of steps and of rows, panels, and more of one character than are gathered at once
        problem(CharRNN(3, cell, (300,), 150), 7, 36, dropout=DropoutRates(0.3, 0.3), seed=8),
        problem(CharRNN(3, cell, (5,)), 5, 3000, seed=10),
    ]


@cache
def plain_answer(cell: str, n: int) -> Any:
    return plain_answer_of(equations, problems(cell)[n])


def plain_answer_of(plain: Any, asked: Problem) -> Any:
    """What equations say: losses, gradients, final states; hidden states, gates; scores with nothing dropped."""
    model, _, _, _, params, inputs, targets, state, masks = asked
    answer = plain.network_gradients(params, model.cell, inputs, targets, state, scale=0.3, masks=masks)
    tape = plain.network_forward(params, model.cell, inputs, state, masks)
    hidden = [np.array([step.h for step in steps]) for steps in tape.layers]
    gates = [
        {name: np.array([getattr(step, name) for step in steps]) for name in fast.gate_names}
        for steps, fast in zip(tape.layers, model.cells, strict=True)
    ]
    return *answer, tape.final, hidden, gates, plain.network_forward(params, model.cell, inputs, state).logits


def fast_answer(engine: Any, asked: Problem) -> Any:
    """What an engine says, in a session that reads other sequences before and after."""
    model = engine.CharRNN(**asdict(asked.model))
    params = engine.Parameters(model.shapes(), asked.params.vector)
    whole = asked.inputs.shape[1] if asked.streams is None else 4
    dropout = engine.DropoutRates(**asdict(asked.dropout))
    session = model.session(params, whole, dropout=dropout, streams=asked.streams, shards=asked.shards)

    def run(inputs: Array, targets: Array) -> Any:
        grads = [params.like() for _ in range(asked.shards)]
        for of_shard in grads:
            of_shard.vector[...] = np.nan
        losses, final, d_state = session.gradient(
            inputs,
            targets,
            asked.state,
            grads if asked.shards > 1 else grads[0],
            scale=0.3,
            rng=np.random.default_rng(9),
        )
        total = params.like(sum(of_shard.vector for of_shard in grads))
        return losses, dict(total), list(d_state), list(final)

    others = np.roll(asked.inputs, 1), np.roll(asked.targets, 1)
    run(*others)
    answer = run(asked.inputs, asked.targets)
    session.losses(asked.inputs, asked.targets, asked.state, np.random.default_rng(9))
    layers = range(len(model.cells))
    hidden = [session.hidden(k).copy() for k in layers]
    gates = [{name: gate.copy() for name, gate in session.gates(k).items()} for k in layers]
    run(*others)
    for T in (1, 2, len(asked.inputs)):
        scores = session.logits(asked.inputs[:T], asked.state)[0].copy()
    return *answer, hidden, gates, scores


def network_is_right(load: Callable[[str], Any], cells: Sequence[str]) -> bool:
    engine = load("charrnn.nn.model")
    for n in range(len(problems(cells[0]))):
        for cell in cells:
            if not same(fast_answer(engine, problems(cell)[n]), plain_answer(cell, n)):
                return False
    return all(layer_is_right(engine, cell, from_ids=from_ids) for cell in cells for from_ids in (True, False))


def layer_is_right(engine: Any, cell: str, *, from_ids: bool) -> bool:
    """Whether one cell alone is right, with a gradient of its final state, vectors or ids as inputs, and its gates."""
    T, B, D, H = 7, 3, 4, 5
    rng = np.random.default_rng(3)
    fast = engine.CELLS[cell](D, H)
    params = Parameters(CELLS[cell](D, H).shapes(), dtype=np.float64)
    params.vector[...] = rng.normal(0, 0.5, params.vector.size)
    ids = rng.integers(0, D, (T, B))
    inputs = ids if from_ids else rng.normal(size=(T, B, D))
    zero = fast.zero_state(B, np.dtype(np.float64))
    state, d_final = (type(zero)(*(rng.normal(size=array.shape) for array in zero)) for _ in range(2))
    d_outputs = rng.normal(size=(T, B, H))
    ws, grads, plain_grads = fast.workspace(T, B, np.dtype(np.float64), from_ids=from_ids), params.like(), params.like()
    arrays = params.group("")
    weights = fast.weights(B, np.dtype(np.float64), from_ids=from_ids)
    fast.arrange(arrays, weights)
    final = fast.forward(weights, ws, inputs[None], state)
    seen = ws.outputs[0].copy(), tuple(final), {name: gate[0].copy() for name, gate in ws.gates.items()}
    d_state = fast.backward(weights, ws, [grads.group("")], inputs[None], d_outputs[None], d_final)
    steps: list[Any] = equations.layer_forward(cell, params, np.eye(D)[ids] if from_ids else inputs, state)
    d_inputs, d_before = equations.layer_backward(cell, params, plain_grads.group(""), steps, d_outputs, d_final)
    gates = {name: np.array([getattr(step, name) for step in steps]) for name in seen[2]}
    return (
        same(seen, (np.array([step.h for step in steps]), steps[-1].state, gates))
        and same(dict(grads), dict(plain_grads))
        and same(tuple(d_state), d_before)
        and (from_ids or same(ws.d_inputs[0], d_inputs))
    )


def stepper_is_right(load: Callable[[str], Any]) -> bool:
    """Whether characters read one by one have the scores of the plain equations, also after a return."""
    stepper_of, network = load("charrnn.nn.stepper").Stepper, load("charrnn.nn.model").CharRNN
    for cell in CELLS:
        for sizes, embedding_size, tied, B in (
            ((5, 4, 3), 0, False, 1),
            ((5, 4), 3, False, 3),
            ((4,), 4, True, 2),
            ((4,), 4, False, 1),
            ((128,), 0, False, 124),  # tiles of rows and columns
        ):
            rng = np.random.default_rng(4)
            model = network(6, cell, sizes, embedding_size, tied)
            params = model.initialize(rng, dtype=np.float64)
            params.vector += rng.normal(0, 0.3, params.vector.size)
            ids = rng.integers(0, 6, (9, B))
            wanted = equations.network_forward(params, cell, ids, model.zero_state(B, np.float64)).logits
            stepper = stepper_of(model, params, B)
            params.vector[...] = np.nan  # it has copied them
            seen, state = [], None
            for number, row in enumerate(ids):
                stepper.read(row)
                seen.append(stepper.logits.copy())
                state = stepper.copy_state() if number == 4 else state
            stepper.rewind(state)
            for row in ids[5:]:
                stepper.read(row)
                seen.append(stepper.logits.copy())
            if not same(np.array(seen), np.concatenate([wanted, wanted[5:]])):
                return False
    return True


def dropout_is_right(load: Callable[[str], Any]) -> bool:
    if not network_is_right(load, ["lstm"]):
        return False
    rates = load("charrnn.nn.dropout").DropoutRates
    if [bool(rates(*shares)) for shares in ((), (0.1,), (0, 0.1))] != [False, True, True]:
        return False
    almost_all = rates(outputs=1 - 1e-9)
    drawn = load("charrnn.nn.dropout").DropoutWorkspace.allocate(
        almost_all, [(64, 192)], range(40), 50, 40, np.dtype(np.float64)
    )
    drawn.draw(np.random.default_rng(0))
    return {*np.unique(drawn.masks[0])} == {0, 2**16}


def loss_is_right(load: Callable[[str], Any]) -> bool:
    if not network_is_right(load, ["gru"]):
        return False
    logits, targets = np.array([[[1e4, 0.0], [-1e4, -2e4]]]), np.array([[1, 0]])
    return same(load("charrnn.nn.output").cross_entropy(logits, targets), [[1e4, 0]]) and same(
        logits, [[[1, 0], [1, 0]]]
    )


@cache
def real_answer(cell: str, n: int) -> Any:
    return fast_answer(charrnn.nn.model, problems(cell)[n])


def equations_are_right(load: Callable[[str], Any]) -> bool:
    """Whether the equations say what the fast engine says."""
    plain = load("charrnn.nn.equations")
    for cell in CELLS:
        for n, asked in enumerate(problems(cell)[:-2]):
            if not same(plain_answer_of(plain, asked), real_answer(cell, n)):
                return False
    return same(plain.log_softmax(np.array([1e4, 0.0, -1e4])), [0.0, -1e4, -2e4])


# --- optimizers and clipping: hand-made numbers ---


def optimizers_are_right(load: Callable[[str], Any]) -> bool:
    module = load("charrnn.optim")
    module._BLOCK_NUMBERS = 8  # so that 21 numbers are two blocks and a shorter third
    table = [
        (module.Adagrad(eps=1e-3), partial(reference.adagrad, eps=1e-3)),
        (module.RMSProp(decay=0.7, eps=1e-3), partial(reference.rmsprop, alpha=0.7, eps=1e-3)),
        (module.Adam(beta1=0.8, beta2=0.97, eps=1e-3), partial(reference.adam, betas=(0.8, 0.97), eps=1e-3)),
        (module.SGD(momentum=0.6), partial(reference.sgd, momentum=0.6)),
    ]
    for optimizer, plain in table:
        rng = np.random.default_rng(1)
        params = Parameters({"p": (21,)}, rng.normal(size=21))
        theirs, memory = {"p": params["p"].copy()}, dict[str, Array]()
        state = optimizer.init(params)
        for _ in range(4):
            grads = params.like(rng.normal(size=21))
            grads.vector.flags.writeable = False
            optimizer.update(params, grads, state, 0.05)
            plain(theirs, dict(grads), memory, 0.05)
        if not (same(params["p"], theirs["p"]) and state.updates == params.version == 4):
            return False
        other = next(anyones for anyones, _ in table if anyones.memories != optimizer.memories)
        if not (
            refuses("grads must have", optimizer.update, params, Parameters({"p": (3,)}), state, 0.05)
            and refuses("state must have", optimizer.update, params, params.like(), other.init(params), 0.05)
        ):
            return False
    return averages_are_right(module, 40) and averages_are_right(module, 4)


def averages_are_right(module: Any, horizon: int) -> bool:
    """Whether the average is that of its formula, and changes nothing else."""
    rng, alone = np.random.default_rng(2), module.SGD(momentum=0.6)
    optimizer = module.optimizer_of("sgd", horizon)
    if type(module.optimizer_of("sgd", 0)) is not module.SGD or set(optimizer.memories) != {"velocity", "average"}:
        return False
    optimizer = module.Averaging(alone, horizon)
    params = Parameters({"p": (21,)}, rng.normal(size=21))
    other = params.copy()
    state, plain = optimizer.init(params), params["p"].copy()
    own, seen = alone.init(other), params["p"].copy()
    for number in range(1, 401):
        grads = params.like(rng.normal(size=21))
        before = state.memories["average"].version
        optimizer.update(params, grads, state, 0.05)
        alone.update(other, grads, own, 0.05)
        every = 1 if number <= 100 else 10
        if number % every == 0:
            share = every * max(1 / horizon, 7 / (number + 7))
            plain = (1 - min(share, 1)) * plain + min(share, 1) * other["p"]
        has_changed = state.memories["average"].version > before
        if not same(state.memories["average"]["p"], plain) or has_changed != (number % every == 0):
            return False
    used, kept = module.to_use(params, state)
    again, others = module.to_train(used, kept)
    return (
        same((params["p"], state.memories["velocity"]["p"]), (other["p"], own.memories["velocity"]["p"]))
        and not same(seen, params["p"])
        and (state.updates, kept.updates, others.updates) == (400, 400, 400)
        and (used is state.memories["average"], again is params, set(others.memories))
        == (True, True, set(state.memories))
        and set(kept.memories) == set(module.names_to_use(optimizer.memories)) == {"velocity", "weights"}
        and module.to_use(other, own) == (other, own)
    )


def clipping_is_right(load: Callable[[str], Any]) -> bool:
    module = load("charrnn.optim")
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for vector in (np.array([3.0, -4.0, 0.5]), np.array([1e-3, 2e-3]), np.array([]), np.zeros(3), np.array([-2.5])):
            for limit in (0.25, 2.5, 100.0):
                wanted, norm = reference.clip_by_norm({"p": vector}, limit)
                by_norm, by_value = vector.copy(), vector.copy()
                module.clip_norm(by_norm, module.global_norm(by_norm), limit)
                module.clip_value(by_value, limit)
                if not same(
                    (module.global_norm(vector), by_norm, by_value),
                    (norm, wanted["p"], reference.clip_by_value({"p": vector}, limit)["p"]),
                ):
                    return False
        for size in (1e30, 1e19, 1e-19, 1e-22, 1e-30, 1e-38):
            narrow: Array = np.array([3 * size, 0, -4 * size], np.float32)
            if not abs(module.global_norm(narrow) / (5 * size) - 1) < 1e-5:
                return False
        for bad in (np.nan, np.inf):
            if np.isfinite(module.global_norm(np.array([1, bad, 0]))):
                return False
    return True


# --- layers for anyone's arrays ---


def refuses(words: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> bool:
    """Whether a call is refused with these words."""
    try:
        call(*arguments, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        return words in str(error)
    return False


WIDE: dict[str, Any] = {"rng": 1, "dtype": np.float64}


def passes(layer: Any, *given: Any, **options: Any) -> bool:
    """Whether the check of anyone's layer finds its gradients right."""
    return all(row.passed for row in check_layer(layer, *given, entries=2, **options))


def layers_are_right(load: Callable[[str], Any]) -> bool:
    module = load("charrnn.layers")
    return (
        anyones_loss_is_right(module)
        and plain_layers_are_right(module)
        and stack_is_right(module)
        and all(recurrent_is_right(module, kind, batch_first=first) for kind in CELLS for first in (True, False))
    )


def recurrent_is_right(module: Any, kind: str, *, batch_first: bool) -> bool:
    B, T, D, H = 2, 3, 3, 2
    rng = np.random.default_rng(0)
    make = getattr(module, {"vanilla": "Vanilla", "lstm": "LSTM", "gru": "GRU"}[kind])
    layer = make(D, H, rng=1, dtype=np.float64, batch_first=batch_first)
    zero = layer.zero_state(B)
    state = type(zero)(*(rng.normal(size=array.shape) for array in zero))
    x, ids = rng.normal(size=(T, B, D)), rng.integers(0, D, (T, B))

    def turn(array: Array) -> Array:
        return array.swapaxes(0, 1) if batch_first else array

    for before in (state, None):
        for given, vectors in ((x, x), (ids, np.eye(D)[ids])):
            steps: list[Any] = equations.layer_forward(kind, layer.params, vectors, before or zero)
            outputs, final = layer.forward(turn(given), before, return_sequences=True)
            last, final_too = layer.forward(turn(given), before)
            layer.forward(turn(given)[::-1], state)
            wanted = np.array([step.h for step in steps])
            if not same(
                (outputs, final, last, final_too), (turn(wanted), steps[-1].state, wanted[-1], steps[-1].state)
            ):
                return False
    for whole in (True, False):
        if not all(passes(layer, turn(given), state, return_sequences=whole) for given in (x, ids)):
            return False
    layer.forward(turn(x))
    if not refuses("d_outputs must have", layer.backward, np.zeros((1, H))):
        return False
    layer.backward(np.zeros((B, H)))
    return (
        refuses("needs a forward", layer.backward, np.zeros((B, H)))
        and refuses("inputs must be", layer.forward, x[:, :, 1:])
        and refuses("inputs must be", layer.forward, x[..., None])
        and refuses("inputs must be", layer.forward, x[0, 0])
        and refuses("at least one", layer.forward, x[:0])
        and refuses("state must be", layer.forward, turn(x), state[:-1])
        and refuses("state must be", layer.forward, turn(x), type(zero)(*(array[1:] for array in zero)))
        and refuses("state must be", layer.forward, turn(x), 7)
        and refuses("state must be numbers", layer.forward, turn(x), type(zero)(*(1j * array for array in zero)))
    )


def plain_layers_are_right(module: Any) -> bool:
    rng = np.random.default_rng(0)
    embedding, linear = module.Embedding(6, 3, **WIDE), module.Linear(4, 5, **WIDE)
    ids, x = rng.integers(0, 6, (5, 3)), rng.normal(size=(5, 3, 4))
    looked_up, mapped = embedding.forward(ids), linear.forward(x)
    embedding.forward(ids[::-1])
    if not same(
        (looked_up, mapped), (embedding.params["W_e"][ids], x @ linear.params["W_hy"] + linear.params["b_y"])
    ) or embedding.backward(np.zeros((5, 3, 3))):
        return False
    linear.forward(x)
    if linear.backward(np.zeros((5, 3, 5))).shape != x.shape:
        return False
    for used, array in ((embedding, np.zeros((5, 3, 3))), (linear, np.zeros((5, 3, 5)))):
        used.forward(ids if used is embedding else x)
        if not refuses("d_outputs must have", used.backward, array[:1]):
            return False
        used.backward(array)
        if not refuses("needs a forward", used.backward, array):
            return False
    return (
        passes(embedding, ids)
        and passes(linear, x)
        and refuses("inputs must have", linear.forward, np.zeros((2, 2, 2)))
        and refuses("inputs must be numbers", linear.forward, 1j * x)
        and refuses("inputs must have", module.Dropout(0.5).forward, x[None])
        and refuses("needs a forward", module.Dropout(0.5).backward, x)
        and all(drops_right(module, first, locked, x) for first in (True, False) for locked in (True, False))
    )


def drops_right(module: Any, first: bool, locked: bool, x: Array) -> bool:
    dropout = module.Dropout(0.5, locked=locked, batch_first=first)
    ones: Array = np.ones((40, 30, 8))
    dropped = dropout.forward(ones, rng=2)
    kept = dropped if first else dropped.swapaxes(0, 1)
    varies = bool((kept != kept[:, :1]).any())
    untouched = dropout.forward(ones)
    right = (
        {*np.unique(dropped)} == {0, 2}
        and 0.7 < dropped.mean() < 1.3
        and varies != locked
        and untouched is not ones
        and same((untouched, dropout.backward(untouched)), (ones, ones))
        and dropout.backward(untouched) is not untouched
        and passes(dropout, x, rng=3)
        and passes(dropout, x[0], rng=3)
    )
    of_whole_numbers = dropout.forward(np.ones((2, 3, 4), int), rng=1)
    return (
        right and of_whole_numbers.max() == 2 and refuses("d_outputs must have", dropout.backward, np.ones((4, 6, 4)))
    )


def stack_is_right(module: Any) -> bool:
    rng = np.random.default_rng(0)
    lstm, gru, linear = module.LSTM(3, 4, **WIDE), module.GRU(4, 3, **WIDE), module.Linear(3, 2, **WIDE)
    layers = [lstm, module.Dropout(0.4), gru, linear]
    net, alone = module.Stack(layers), module.Stack([module.LSTM(3, 4, **WIDE)])
    x = rng.normal(size=(2, 3, 3))
    zeros = lstm.zero_state(2), gru.zero_state(2)
    states = tuple(type(zero)(*(rng.normal(size=array.shape) for array in zero)) for zero in zeros)
    for whole in (True, False):
        outputs, after = net.forward(x, states, return_sequences=whole)
        h, first = lstm.forward(x, states[0], return_sequences=True)
        h, second = gru.forward(h, states[1], return_sequences=whole)
        if not same((outputs, list(after)), (linear.forward(h), [first, second])):
            return False
        if not passes(net, x, states, return_sequences=whole, rng=1):
            return False
    dropped, kept = net.forward(x, rng=1)[0], net.forward(x)[0]
    net.forward(x)
    net.backward(np.ones((2, 2)))
    return (
        same(kept, net.forward(x, zeros)[0])
        and not same(dropped, kept)
        and refuses("must be as many", net.forward, x, states[:1])
        and refuses("states must be a tuple", net.forward, x, 7)
        and refuses("states[1] must be", net.forward, x, (states[0], states[0]))
        and same(net.forward(x, (states[0], None))[0], net.forward(x, (states[0], zeros[1]))[0])
        and refuses("params must have", setattr, net, "params", alone.params)
        and refuses("grads must have", setattr, net, "grads", alone.grads)
        and alone.forward(x)[0].shape == (2, 4)
        and bool(net.grads.vector.any())
        and [*net.params] == [f"{k}.{name}" for k, layer in enumerate(layers) for name in layer.params]
    )


def anyones_loss_is_right(module: Any) -> bool:
    call = module.softmax_cross_entropy
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(2, 3, 4)), rng.integers(0, 4, (2, 3))
    losses = equations.cross_entropy(logits, targets)
    d_logits = np.exp(equations.log_softmax(logits)) - np.eye(4)[targets]
    return (
        same(call(logits, targets), (losses.mean(), d_logits / 6))
        and same(call(logits, targets, reduction="sum"), (losses.sum(), d_logits))
        and same(call([[0, 0]], [0]), (np.log(2), [[-0.5, 0.5]]))
        and same(call(logits.astype(np.float32), targets)[1].dtype.itemsize, 4)
        and refuses("targets must have", call, logits, targets[:1])
        and refuses("targets must have", call, logits[:0], targets[:0])
        and refuses("targets must have", call, np.float64(1), np.int64(1))
        and refuses("the reduction", call, logits, targets, reduction="none")
        and same(call([0.0, 0.0], 0), (np.log(2), [-0.5, 0.5]))
    )


# --- which files, and who judges them ---


class Subject(NamedTuple):
    """A file, who says whether it is right, and what is not tried there."""

    is_right: Callable[[Callable[[str], Any]], bool]
    parts: tuple[str, ...]  # of the package, which are imported anew around it
    spared: frozenset[str] = frozenset()  # functions, by the last part of their names


# sizes, first values and refusals of wrong arguments are other tests' business
SPARED = frozenset(
    {
        "shapes",
        "weights",
        "workspace",
        "initialize",
        "zero_state",
        "allocate",
        "embedding",
        "cells",
        "linear",
        "outputs",
    }
)


def network(*cells: str, spared: Sequence[str] = ()) -> Subject:
    return Subject(partial(network_is_right, cells=cells), ("nn",), SPARED | set(spared))


SUBJECTS = {
    "nn/vanilla.py": network("vanilla"),
    "nn/lstm.py": network("lstm"),
    "nn/gru.py": network("gru"),
    "nn/stepper.py": Subject(stepper_is_right, ("nn",)),
    "nn/equations.py": Subject(equations_are_right, ("nn",)),
    "nn/embedding.py": network(*CELLS, spared=("as_ids", "check_ids", "one_hot")),
    "nn/dropout.py": Subject(dropout_is_right, ("nn",), SPARED - {"weights"}),
    "nn/output.py": Subject(loss_is_right, ("nn",), SPARED | {"log_softmax"}),
    # memory is counted, not computed with
    "nn/model.py": network("gru", "lstm", spared=("_collect", "bytes_for")),
    # any number of steps in a block is right, and any cut into tiles
    "nn/arrangement.py": network("gru", "lstm", spared=("block_steps", "tiling")),
    "optim.py": Subject(
        lambda load: clipping_is_right(load) and optimizers_are_right(load),
        ("optim",),
        frozenset({"cosine", "stairs", "learning_rate"}),  # see optim/test_schedules.py
    ),
    "layers.py": Subject(layers_are_right, ("layers",), frozenset({"__init__"})),
}


def alike(file: str, reason: str, *changes: str) -> dict[tuple[str, str], str]:
    return dict.fromkeys(((file, change) for change in changes), reason)


_FEW = "len(flat) <= _FEW_POSITIONS and V <= _FEW_SYMBOLS"
_LARGE = "squares > _LEAST_SQUARES[grads.dtype]"
_BOTH = "model.embedding and ws.embedding"
_BELOW = "ws.below and weights.W_xh_T is not None"
_CUT = "np.ascontiguousarray(ids.reshape(T, S, self._rows).swapaxes(0, 1))"
_JOIN = "shards.swapaxes(0, 1).reshape(T, S * R, *rest)"
_ROWS = "self._table[ids][:, :, 0].swapaxes(0, 1)"
_NEITHER = "weights.W_xh_T is None or ws.d_inputs is None"
_WANTED = "'(B' if B is None else f'({B}'"
# Changes that make no difference that matters: file, function and change (which of the same text), and why.
EQUIVALENT = {
    **alike(
        "optim.py",
        "the vectors are of one length",
        *(f"_Base.update: 0 → {n} (2)" for n in (1, -1)),
    ),
    **alike(
        "optim.py",
        "the slower way to the same number",
        f"global_norm: if math.isfinite(squares) and {_LARGE}: → if False:",
        f"global_norm: {_LARGE} → {_LARGE.replace('>', '>=')}",
    ),
    **alike("optim.py", "times 1", "clip_norm: norm > max_norm → norm >= max_norm"),
    **alike(
        "nn/output.py",
        "looks for gaps where there are none",
        "cross_entropy: if _has_gaps(targets): → if True:",
        "cross_entropy_backward: if _has_gaps(targets): → if True:",
        "_has_gaps: np.minimum.reduce(targets, axis=None) < 0 → np.minimum.reduce(targets, axis=None) <= 0",
        "_has_gaps: 0 → 1",
    ),
    **alike(
        "nn/embedding.py",
        "another of two ways to the same sums",
        f"lookup_backward: if {_FEW}: → if False:",
        f"lookup_backward: if {_FEW}: → if True:",
        f"lookup_backward: {_FEW} → {_FEW.replace('and', 'or')}",
        "lookup_backward: len(flat) <= _FEW_POSITIONS → len(flat) < _FEW_POSITIONS",
        "lookup_backward: V <= _FEW_SYMBOLS → V < _FEW_SYMBOLS",
    ),
    **alike(
        "nn/stepper.py",
        "another of two ways to the same",
        f"Stepper._read_inputs: self._table[ids[0]] if len(ids) == 1 else {_ROWS} → {_ROWS}",
        *(f"Stepper._read_inputs: {change}" for change in ("1 → 2", "1 → 0")),
        "_product: if B == 1: → if False:",
        "_product: 1 → 0",
    ),
    **alike(
        "nn/stepper.py",
        "there is only one",
        *(f"Stepper._read_inputs: 0 → -1 ({which})" for which in (2, 3)),
        "_vanilla: 0 → -1",
    ),
    **alike(
        "nn/model.py",
        "both or neither",
        *(f"Session._{way}: {_BOTH} → {_BOTH.replace('and', 'or')}" for way in ("forward", "backward")),
    ),
    **alike(
        "nn/model.py",
        "another of two ways to the same",
        f"Session._cut: ids[None] if S == 1 else {_CUT} → {_CUT}",
        "Session._cut: 1 → 0",
        f"_join: shards[0] if S == 1 else {_JOIN} → {_JOIN}",
        "_join: 1 → 0",
        "_join: 0 → -1",
    ),
    **alike(
        "nn/model.py",
        "the sum over the shards stays; each one's own gradient: training/test_parallel.py",
        "Session._backward: self._d_outputs[shard] → self._d_outputs[shard - 1]",
        "Session._backward: self._d_outputs[shard] → self._d_outputs[shard - 1] (2)",
    ),
    **alike(
        "nn/model.py",
        "cells of one kind differ only in their arrays",
        "Session._backward: model.cells[k] → model.cells[k - 1]",
    ),
    **alike(
        "nn/model.py",
        "more or fewer workspaces are kept; that they are few: nn/test_model.py",
        "Session._prepare: self._workspaces[T] → self._workspaces[T - 1]",
        "Session._prepare: if len(self._workspaces) > _MOST_WORKSPACES: → if False:",
        "Session._prepare: len(self._workspaces) > _MOST_WORKSPACES → len(self._workspaces) >= _MOST_WORKSPACES",
    ),
    **alike(
        "nn/model.py",
        "weights are arranged more often than they change",
        "Session._prepare: if ws.dropout.drops_weights or self._arranged != self.params.version: → if True:",
        "Session._prepare: None if ws.dropout.drops_weights else self.params.version → None",
    ),
    **alike(
        "nn/vanilla.py",
        "both or neither",
        f"VanillaCell._weight_gradients: {_NEITHER} → {_NEITHER.replace('or', 'and')}",
    ),
    **alike("nn/lstm.py", "both or neither", f"LSTMCell._weight_gradients: {_BELOW} → {_BELOW.replace('and', 'or')}"),
    **alike("nn/gru.py", "both or neither", f"GRUCell._weight_gradients: {_BELOW} → {_BELOW.replace('and', 'or')}"),
    **alike(
        "nn/dropout.py",
        "the slower way to the same bits",
        "DropoutWorkspace.draw: if len(self.streams) == self.batch_size: → if False:",
        "_draw_some: -(skipped + B * H) // _AT_ONCE → -(skipped + B * H) * _AT_ONCE",
    ),
    **alike(
        "nn/equations.py",
        "rows have two axes",
        "lstm_forward: -1 → 1",
        "lstm_backward: -1 → 1",
        *(f"gru_{way}: -1 → 1{nth}" for way in ("forward", "backward") for nth in ("", " (2)")),
    ),
    **alike(
        "nn/equations.py",
        "what is picked there is replaced by 0",
        "cross_entropy: 0 → -1",
        "cross_entropy: 0 → -1 (2)",
    ),
    **alike(
        "nn/equations.py",
        "any step's state has the shape",
        "network_gradients: -1 → 1 (2)",
        "network_gradients: 1 → 2 (3)",
        "network_gradients: 1 → 0 (3)",
    ),
    **alike("nn/gru.py", "one row", "GRUCell.arrange: 0 → -1 (2)"),
    **alike("nn/lstm.py", "shorter blocks", "LSTMCell.backward: 1 → 0"),
    **alike("nn/gru.py", "shorter blocks", "GRUCell.backward: 2 → 1"),
    **alike("nn/lstm.py", "a block of no steps before the first", "LSTMCell.backward: 0 → -1 (3)"),
    **alike("nn/gru.py", "a block of no steps before the first", "GRUCell.backward: 0 → -1 (2)"),
    **alike(
        "nn/lstm.py",
        "only the block that starts at 0 is short",
        *(f"LSTMCell._factors: stop - start → {end}{nth}" for end in ("stop + start", "stop") for nth in ("", " (2)")),
        "LSTMCell._factors: :stop - start → : (2)",
    ),
    **alike(
        "nn/gru.py",
        "only the block that starts at 0 is short",
        "GRUCell._factors: stop - start → stop + start",
        "GRUCell._factors: stop - start → stop",
    ),
    **alike("nn/lstm.py", "another array that is free", "LSTMCell._factors: 3 → 2 (10)"),
    **alike(
        "nn/lstm.py",
        "there is no fifth gate",
        "LSTMCell._weight_gradients: 4 → 5 (5)",
        "LSTMCell._weight_gradients: 4 → 5 (6)",
    ),
    **alike(
        "layers.py",
        "one layer, one step",
        "Dropout.forward: 0 → -1",
        "Dropout.backward: 0 → -1",
        "Dropout._as_given: 0 → -1",
    ),
    **alike("layers.py", "copies more than is due", "_numbers: False → True"),
    **alike("layers.py", "only the names of its fields count", *(f"Recurrent.check_state: 1 → {n}" for n in (2, 0))),
    **alike(
        "layers.py",
        "all arrays of a state have one shape, or it is refused",
        *(f"Recurrent.check_state: 0 → -1{nth}" for nth in ("", " (2)")),
    ),
    **alike(
        "layers.py",
        "a message",
        *(f"Recurrent._time_major: '(B, T' if self.batch_first else '(T, B' → '({axes}'" for axes in ("B, T", "T, B")),
        *(f"Recurrent.check_state: {_WANTED} → {part}" for part in ("'(B'", "f'({B}'")),
        "Recurrent.check_state: B is None → B is not None",
    ),
    **alike(
        "layers.py",
        "new room where the old would do",
        "Recurrent._prepare: if self._room[0] != form: → if True:",
        "Recurrent._prepare: 0 → -1",
    ),
}


def planted(file: str) -> Iterator[Mutant]:
    spared = SUBJECTS[file].spared
    yield from mutants(PACKAGE / file, lambda name: name.rpartition(".")[2] not in spared)


def is_seen(file: str, mutant: Mutant) -> bool:
    """Whether a planted mistake ends in an error, or in another answer."""
    subject = SUBJECTS[file]
    name = f"charrnn.{file.removesuffix('.py').replace('/', '.')}"
    with np.errstate(all="ignore"):
        try:
            with module_replaced(name, mutant.code, subject.parts) as load:
                return not subject.is_right(load)
        except Exception:  # noqa: BLE001 - an error of whatever kind is noticed
            return True


def survivors(file: str, some: Sequence[Mutant]) -> list[str]:
    return [f"{m.line} {m}" for m in some if (file, str(m)) not in EQUIVALENT and not is_seen(file, m)]


@pytest.mark.parametrize("file", SUBJECTS)
def test_the_file_as_it_is_passes_by_the_same_way(file: str) -> None:
    code = compile((PACKAGE / file).read_text(encoding="utf-8"), file, "exec")
    with module_replaced(f"charrnn.{file.removesuffix('.py').replace('/', '.')}", code, SUBJECTS[file].parts) as load:
        assert SUBJECTS[file].is_right(load)


@pytest.mark.parametrize("file", SUBJECTS)
def test_planted_mistakes_are_seen(file: str) -> None:
    every = list(planted(file))
    assert survivors(file, every[:: max(1, len(every) // SAMPLE)]) == []


@pytest.mark.slow
@pytest.mark.parametrize("file", SUBJECTS)
def test_every_planted_mistake_is_seen(file: str) -> None:
    assert survivors(file, list(planted(file))) == []
