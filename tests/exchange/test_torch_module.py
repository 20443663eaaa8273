"""Our models as PyTorch modules give our log-probabilities, where PyTorch is installed."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is what is compared with")

import torch

from charrnn.checkpoint import load
from charrnn.errors import ExchangeError
from charrnn.exchange.description import to_state_dict
from charrnn.exchange.pytorch import from_torch, to_torch
from charrnn.paths import PRETRAINED
from tests.exchange.conftest import CELLS, LAYOUTS, TEXT, assert_equal_models, log_probs, model_of, read

torch.set_num_threads(1)  # as the program has it: on matrices this small more threads only wait for each other


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_a_module_gives_our_log_probabilities_in_one_piece_and_in_two(
    cell: str, layout: tuple[tuple[int, ...], int]
) -> None:
    trained = model_of(cell, layout)
    ids = read(trained)
    module = to_torch(trained)
    assert not module.training
    with torch.no_grad():
        whole, _ = module(torch.from_numpy(ids))
        first, state = module(torch.from_numpy(ids[:30]))
        second, _ = module(torch.from_numpy(ids[30:]), state)
    found = whole.log_softmax(-1).numpy()
    np.testing.assert_allclose(found, log_probs(trained, ids)[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(torch.cat([first, second]).numpy(), whole.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_there_and_back_is_the_same_model(cell: str, layout: tuple[tuple[int, ...], int], dtype: str) -> None:
    trained = model_of(cell, layout, dtype)
    module = to_torch(trained)
    state_dict = module.state_dict()
    wanted = to_state_dict(trained.model, trained.params)
    assert {name: tuple(tensor.shape) for name, tensor in state_dict.items()} == {
        name: array.shape for name, array in wanted.items()
    }
    assert_equal_models(from_torch(state_dict, trained.vocabulary.characters), trained)
    if not trained.model.tied:  # whose one matrix is a single parameter, though two in a state_dict
        assert_equal_models(from_torch(dict(module.named_parameters()), trained.vocabulary.characters), trained)


def test_the_model_that_ships_gives_its_log_probabilities_on_its_text() -> None:
    trained = load(PRETRAINED)
    ids = read(trained, TEXT)
    with torch.no_grad():
        double = to_torch(trained).double()(torch.from_numpy(ids))[0].log_softmax(-1).numpy()
    np.testing.assert_allclose(double, log_probs(trained, ids)[0], rtol=0, atol=1e-6)
    back = from_torch(to_torch(trained).state_dict(), trained.vocabulary.characters)
    np.testing.assert_array_equal(log_probs(back, ids, "float32")[0], log_probs(trained, ids, "float32")[0])


def test_a_module_can_be_trained_on_and_saved_whole_and_leaves_random_numbers_alone() -> None:
    trained = model_of("gru", ((6, 5), 3), "float32")
    before = torch.random.get_rng_state()
    module = to_torch(trained)
    assert torch.equal(before, torch.random.get_rng_state())
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    ids = torch.from_numpy(read(trained))
    losses = []
    for _ in range(3):
        logits, _ = module.train()(ids[:-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[2] < losses[1] < losses[0]
    torch.save(module, "module.pt")
    assert Path("module.pt").exists()
    changed = from_torch(module.state_dict(), trained.vocabulary.characters)
    assert changed.model == trained.model
    assert (changed.params.vector != trained.params.vector).any()


def test_weights_without_a_numpy_type_are_named() -> None:
    trained = model_of("gru", ((7,), 0), "float32")
    state_dict = to_torch(trained).bfloat16().state_dict()
    with pytest.raises(ExchangeError, match=r"rnn\.weight_ih_l0 has a data type that NumPy lacks .* make it float32"):
        from_torch(state_dict, trained.vocabulary.characters)
