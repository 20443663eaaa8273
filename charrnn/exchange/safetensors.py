"""The .safetensors format: weights with PyTorch's names and layout, and the description as metadata."""

import json
from pathlib import Path

from charrnn.checkpoint import Checkpoint
from charrnn.errors import ExchangeError, shown
from charrnn.exchange.description import as_strings, describe, needing, to_state_dict
from charrnn.exchange.pytorch import from_torch
from charrnn.text.usage import Usage


def as_safetensors(checkpoint: Checkpoint, name: str) -> bytes:
    """Return a model as the bytes of a .safetensors file.

    The tensors are those of `to_torch`'s state_dict: PyTorch reads them with
    ``load_state_dict(safetensors.torch.load_file(path))``. The metadata is the description; ``vocabulary`` is one
    string, in the order of the ids.

    Raises
    ------
    MissingPackageError
        If safetensors is not installed.
    """
    with needing("safetensors", "a .safetensors"):
        from safetensors.numpy import save
    metadata = {"format": "pt", **as_strings(describe(checkpoint, name))}
    return _in_order(save(to_state_dict(checkpoint.model, checkpoint.params), metadata))


def _in_order(data: bytes) -> bytes:
    """Sort the metadata in a file's header, which the package writes in a new order at each call."""
    stop = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:stop])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the weights start at a multiple of 8
    return len(text).to_bytes(8, "little") + text + data[stop:]


def from_safetensors(path: str | Path) -> Checkpoint:
    """Read a model from a .safetensors file that charrnn wrote.

    Parameters
    ----------
    path : the file; its metadata must have a ``vocabulary``

    Raises
    ------
    ExchangeError
        If the file is missing or damaged, or is not a model that `from_torch` can read.
    MissingPackageError
        If safetensors is not installed.

    See Also
    --------
    from_torch : for the tensors of a file without a vocabulary.

    Examples
    --------
    >>> from charrnn.paths import PRETRAINED
    >>> from charrnn.checkpoint import load
    >>> from charrnn.exchange.safetensors import from_safetensors
    >>> from charrnn.report.export import export
    >>> size = export(load(PRETRAINED), "model.safetensors")
    >>> checkpoint = from_safetensors("model.safetensors")
    >>> (checkpoint.params.vector == load(PRETRAINED).params.vector).all()
    np.True_
    """
    with needing("safetensors", "a .safetensors"):
        from safetensors import SafetensorError, safe_open
    where = shown(str(path))
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise ExchangeError(f"{where} cannot be read as .safetensors ({shown(str(error))})") from error
    if "vocabulary" not in metadata:
        raise ExchangeError(f"{where} has no vocabulary: pass its tensors and their characters to from_torch")
    try:
        usage = Usage.from_strings(metadata)
    except ValueError as error:
        raise ExchangeError(f"{where} has metadata that charrnn cannot read ({shown(str(error))})") from error
    return from_torch(arrays, metadata["vocabulary"], metadata.get("name", Path(path).stem), **usage.to_values())
