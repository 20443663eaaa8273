"""Rows out of a table, and their gradients back into it."""

import numpy as np
import pytest

from charrnn.nn import embedding
from charrnn.nn.embedding import EmbeddingTable, Ids, lookup, lookup_backward
from charrnn.nn.parameters import Array

V, N = 7, 4


def ids_and_gradient(T: int, B: int, *leading: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(T)
    return rng.integers(0, V - 1, (T, B)), rng.normal(size=(*leading, T * B, N))  # the last character never comes


def added_one_by_one(d_out: Array, ids: Array) -> Array:
    d_table = np.zeros((*d_out.shape[:-2], V, N))
    for position, character in enumerate(ids.ravel()):
        d_table[..., character, :] += d_out[..., position, :]
    return d_table


@pytest.mark.parametrize("leading", [(), (3,)], ids=["one table", "three gates"])
def test_lookup_equals_the_product_with_one_hot_vectors(leading: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    table, ids = rng.normal(size=(*leading, V, N)), rng.integers(0, V, (5, 3))
    out = np.full((*leading, 5, 3, N), np.nan)
    lookup(table, ids, out)
    np.testing.assert_array_equal(out, np.eye(V)[ids] @ table[..., None, :, :])


def backward(d_out: Array, ids: Ids, V: int, rows: int = 64) -> Array:
    G, _, N = d_out.shape
    d_table = np.full((G, V, N), np.nan, d_out.dtype)
    lookup_backward(d_out, ids, d_table, np.empty((G * rows, N), d_out.dtype))
    return d_table


@pytest.mark.parametrize("gathered_rows", [1, 3, 64])
@pytest.mark.parametrize("layers", [1, 3], ids=["one", "three gates"])
@pytest.mark.parametrize(("T", "B"), [(1, 1), (4, 8), (11, 3), (60, 2)])  # 32 positions are few, 33 are not
def test_each_row_gets_the_sum_of_its_places(
    monkeypatch: pytest.MonkeyPatch, T: int, B: int, layers: int, gathered_rows: int
) -> None:
    monkeypatch.setattr(embedding, "GATHERED_ROWS", gathered_rows)
    ids, d_out = ids_and_gradient(T, B, layers)
    d_table = backward(d_out, ids, V, gathered_rows)
    np.testing.assert_allclose(d_table, added_one_by_one(d_out, ids), rtol=1e-12, atol=1e-14)
    assert not d_table[..., V - 1, :].any()


@pytest.mark.parametrize("positions", [5, 50])
def test_one_character_alone_gets_every_gradient(positions: int) -> None:
    d_out = np.random.default_rng(0).normal(size=(1, positions, N))
    d_table = backward(d_out, np.zeros((positions, 1), np.intp), 1)
    np.testing.assert_allclose(d_table, d_out.sum(axis=1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("T", [3, 30])
def test_both_ways_add_in_the_gradients_own_type(T: int) -> None:
    ids, d_out = ids_and_gradient(T, 2, 1)
    d_table = backward(d_out.astype(np.float32), ids, V)
    assert d_table.dtype == np.float32
    np.testing.assert_allclose(d_table, added_one_by_one(d_out, ids), rtol=1e-4, atol=1e-5)


def test_embedding_backward_is_the_transpose_of_forward() -> None:
    layer = EmbeddingTable(V, N)
    ids, d_out = ids_and_gradient(11, 3)
    params = {"W_e": np.random.default_rng(1).normal(size=layer.shapes()["W_e"])}
    grads = {"W_e": np.full_like(params["W_e"], np.nan)}
    ws = layer.workspace(11, 3, np.dtype(np.float64))
    layer.forward(params, ws, ids)
    layer.backward(ws, grads, ids, d_out.reshape(11, 3, N))
    assert (ws.outputs.ravel() @ d_out.ravel()) == pytest.approx((params["W_e"] * grads["W_e"]).sum(), rel=1e-12)
