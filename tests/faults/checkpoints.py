"""Checkpoints that are damaged, hostile, or something else, each made from a good one."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.mistakes import one_bit_flipped, truncated
from tests.test_archive_refusals import pack

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


def array_changed(name: str, change: Callable[[np.ndarray[Any, Any]], Any]) -> Make:
    """The same archive with other numbers in one array."""

    def in_members(members: Members) -> None:
        array = np.load(io.BytesIO(members[name]))
        changed = change(array)
        with io.BytesIO() as stream:
            np.save(stream, array if changed is None else changed)
            members[name] = stream.getvalue()

    return repacked(in_members)


def described(change: Callable[[dict[str, Any]], object]) -> Make:
    """The same archive with another description."""

    def in_array(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        meta = json.loads(array.tobytes())
        change(meta)
        return np.frombuffer(json.dumps(meta).encode(), np.uint8)

    return array_changed("meta.npy", in_array)


MODELS: Mapping[str, Make] = {
    "cut-at-half.npz": truncated,
    "flipped.npz": one_bit_flipped,
    "less.npz": repacked(lambda members: members.pop(WEIGHTS)),
    "nan.npz": array_changed(WEIGHTS, lambda array: array.__setitem__(0, np.nan)),
    "negative-memory.npz": array_changed(MEMORY, lambda array: array.__setitem__(0, -1.0)),
    "loud.npz": array_changed(WEIGHTS, lambda array: array.__setitem__(0, 3e38)),
    "quiet.npz": array_changed(WEIGHTS, lambda array: array.fill(-3e38)),
    "torch.pt": lambda _: pack([("archive/data.pkl", b"\x80\x02")]),
    "newer.npz": described(lambda meta: meta.update(format=3)),
    "seed-negative.npz": described(lambda meta: meta["config"].update(rng_seed=-1)),
    "seed-gone.npz": described(lambda meta: meta["config"].pop("rng_seed")),
    "elsewhere.npz": described(lambda meta: meta["machine"].update(NumPy="1.0")),
}
