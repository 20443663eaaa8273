"""Checkpoints that are damaged, hostile, or something else, each made from a good one."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.test_archive import patched
from tests.test_archive_refusals import npy, pack

Make = Callable[[bytes], bytes]
Members = dict[str, bytes]
WEIGHTS = "params/linear.b_y.npy"
MEMORY = "optimizer/sum_squares/linear.b_y.npy"


def repacked(change: Callable[[Members], object]) -> Make:
    """The same archive, all its checksums right, after a change of its members."""

    def make(good: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(good)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        return pack(list(members.items()))

    return make


def described(change: Callable[[dict[str, Any]], object]) -> Make:
    """The same archive with another description."""

    def in_members(members: Members) -> None:
        meta = json.loads(np.load(io.BytesIO(members["meta.npy"])).tobytes())
        change(meta)
        members["meta.npy"] = as_member(np.frombuffer(json.dumps(meta).encode(), np.uint8))

    return repacked(in_members)


def rewritten(old: bytes, new: bytes) -> Make:
    """The same archive with other words in its description, be that JSON or not."""

    def in_members(members: Members) -> None:
        text = np.load(io.BytesIO(members["meta.npy"])).tobytes()
        assert old in text
        members["meta.npy"] = as_member(np.frombuffer(text.replace(old, new, 1), np.uint8))

    return repacked(in_members)


def as_member(array: np.ndarray[Any, Any]) -> bytes:
    with io.BytesIO() as stream:
        np.save(stream, array)
        return stream.getvalue()


def with_array(header: str, body: bytes = bytes(88), name: str = WEIGHTS) -> Make:
    return repacked(lambda members: members.update({name: npy(header, body)}))


def with_value(name: str, value: float) -> Make:
    def change(members: Members) -> None:
        array = np.load(io.BytesIO(members[name]))
        array[0] = value
        members[name] = as_member(array)

    return repacked(change)


def filled(name: str, value: float) -> Make:
    def change(members: Members) -> None:
        members[name] = as_member(np.full_like(np.load(io.BytesIO(members[name])), value))

    return repacked(change)


def shape(words: str, dtype: str = "<f4", order: str = "False") -> str:
    return f"'{dtype}', 'fortran_order': {order}, 'shape': {words}"


def cut(share: float) -> Make:
    return lambda good: good[: int(len(good) * share)]


def first_entry(good: bytes) -> int:
    return good.index(b"PK\1\2")


def flipped(place: float) -> Make:
    def make(good: bytes) -> bytes:
        at = int(len(good) * place)
        return patched(good, at, bytes([good[at] ^ 1]))

    return make


def deep(meta: dict[str, Any]) -> None:
    nested: list[Any] = []
    for _ in range(500):
        nested = [nested]
    meta["corpus"] = nested


def overlapping(good: bytes) -> bytes:
    last = good.rindex(b"PK\1\2")
    return patched(good, last + 42, bytes(4))


BOMB = 70 << 20  # bytes, of which zip makes 70 kB

MODELS: Mapping[str, Make] = {
    "cut-1.npz": lambda good: good[:1],
    "cut-at-4.npz": lambda good: good[:4],
    "cut-at-half.npz": cut(0.5),
    "cut-by-22.npz": lambda good: good[:-22],
    "cut-by-1.npz": lambda good: good[:-1],
    "zeroed.npz": lambda good: good[: len(good) // 2] + bytes(len(good) - len(good) // 2),
    "flipped-early.npz": flipped(0.1),
    "flipped.npz": flipped(0.5),
    "shrunk.npz": with_array(shape("(20,)"), bytes(80)),
    "shifted.npz": with_array(shape("(22,)"), bytes(80)),
    "less.npz": repacked(lambda members: members.pop(WEIGHTS)),
    "no-meta.npz": repacked(lambda members: members.pop("meta.npy")),
    "more.npz": repacked(lambda members: members.update({"bonus.npy": npy()})),
    "twice.npz": lambda good: good.replace(b"params/cells.0.W_hh", b"params/cells.0.W_xh"),
    "no-suffix.npz": repacked(lambda members: members.update({"params/linear.b_y": npy()})),
    "objects.npz": with_array(shape("(1,)", "|O"), pickle.dumps(print)),
    "strings.npz": with_array(shape("(1,)", "<U22")),
    "void.npz": with_array(shape("(11,)", "|V8")),
    "dates.npz": with_array(shape("(11,)", "<M8[s]")),
    "records.npz": with_array("[('a', '<f4')], 'fortran_order': False, 'shape': (22,)"),
    "big-endian.npz": with_array(shape("(22,)", ">f4")),
    "fortran.npz": with_array(shape("(22,)", order="True")),
    "huge-40.npz": with_array(shape(f"({2**40},)")),
    "huge-70.npz": with_array(shape(f"({2**70},)")),
    "negative.npz": with_array(shape("(-22,)")),
    "overflow.npz": with_array(shape(f"({2**33}, {2**33})")),
    "dimensions.npz": with_array(shape(f"({', '.join(['1'] * 65)})")),
    "truth.npz": with_array(shape("(88,)", "|b1")),
    "bomb.npz": lambda _: pack([("W.npy", npy(shape(f"({BOMB},)", "|u1"), bytes(BOMB)))], zipfile.ZIP_DEFLATED),
    "bytes-bomb.npz": lambda _: pack([("meta.npy", bytes(BOMB))], zipfile.ZIP_DEFLATED),
    "header-bomb.npz": with_array(shape("(22,)") + " " * 60_000),
    "lzma.npz": lambda _: pack([("W.npy", npy())], zipfile.ZIP_LZMA),
    "bzip2.npz": lambda _: pack([("W.npy", npy())], zipfile.ZIP_BZIP2),
    "overlapping.npz": overlapping,
    "crowd.npz": lambda _: pack([(f"W{k}.npy", b"") for k in range(60_000)]),
    "encrypted.npz": lambda good: patched(good, first_entry(good) + 8, b"\1"),
    "method.npz": lambda good: patched(good, first_entry(good) + 10, b"\x63"),
    "zip64.npz": lambda good: patched(good, first_entry(good) + 20, b"\xff" * 8),
    "leading.npz": lambda good: b"#!/bin/sh\n" + good,
    "trailing.npz": lambda good: good + b"\n",
    "up.npz": repacked(lambda members: members.update({"../../x.npy": npy()})),
    "absolute.npz": repacked(lambda members: members.update({"/abs.npy": npy()})),
    "escape.npz": repacked(lambda members: members.update({"\x1b[2J.npy": npy()})),
    "bidi.npz": repacked(lambda members: members.update({"a\u202eb.npy": npy()})),
    "nan.npz": with_value(WEIGHTS, np.nan),
    "infinite.npz": with_value(MEMORY, np.inf),
    "negative-memory.npz": with_value(MEMORY, -1.0),
    "torch.pt": lambda _: pack([("archive/data.pkl", b"\x80\x02")]),
    "model.safetensors": lambda _: struct.pack("<Q", 40) + b'{"W":{}}' + bytes(40),
    "model.keras": lambda _: pack([("metadata.json", b"{}")]),
    "model.pkl": lambda _: pickle.dumps({"W": 1}),
    "array.npy": lambda _: npy(),
    "model.t7": lambda _: struct.pack("<3i", 4, 1, 3),
    "text.npz": lambda _: b"the lamp went round\n",
    "newer.npz": described(lambda meta: meta.update(format=3)),
    "other-size.npz": described(lambda meta: meta["model"].update(hidden_sizes=[64])),
    "huge-size.npz": described(lambda meta: meta["model"].update(hidden_sizes=[10**30])),
    "json-nan.npz": rewritten(b'"step": 60', b'"step": NaN'),
    "json-deep.npz": described(deep),
    "json-deeper.npz": rewritten(b'"step": 60', b'"step": ' + b"[" * 100_000),
    "json-twice.npz": rewritten(b'"step": 60', b'"step": 60, "step": 61'),
    "json-long.npz": rewritten(b'"step": 60', b'"step": ' + b"9" * 100_000),
    "json-type.npz": described(lambda meta: meta["progress"].update(step="60")),
    "json-not.npz": rewritten(b"{", b"<"),
    "doubled.npz": described(lambda meta: meta.update(vocabulary="\n\n" + meta["vocabulary"][2:])),
    "surrogate.npz": described(lambda meta: meta.update(vocabulary=meta["vocabulary"][:-1] + "\ud800")),
    "beyond.npz": rewritten(b'"vocabulary": "', b'"vocabulary": "\xf4\x90\x80\x80'),  # U+110000 in UTF-8
    "loud.npz": with_value(WEIGHTS, 3e38),
    "quiet.npz": filled(WEIGHTS, -3e38),
    "shorter.npz": described(lambda meta: meta.update(vocabulary=meta["vocabulary"][1:])),
    "seed-negative.npz": described(lambda meta: meta["config"].update(rng_seed=-1)),
    "seed-broken.npz": described(lambda meta: meta["config"].update(rng_seed=1.5)),
    "seed-words.npz": described(lambda meta: meta["config"].update(rng_seed="seven")),
    "seed-none.npz": described(lambda meta: meta["config"].update(rng_seed=None)),
    "seed-gone.npz": described(lambda meta: meta["config"].pop("rng_seed")),
    "elsewhere.npz": described(lambda meta: meta["machine"].update(NumPy="1.0")),
}
