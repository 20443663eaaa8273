"""The ONNX format, for onnxruntime and other programs that compute such graphs."""

from charrnn.checkpoint import Checkpoint
from charrnn.exchange.optional import needing


def as_onnx(checkpoint: Checkpoint, name: str) -> bytes:
    """Return a model as the bytes of an .onnx file; `charrnn.exchange.onnx_graph` says what is in it.

    Raises
    ------
    MissingPackageError
        If onnx is not installed.
    """
    with needing("onnx", "an .onnx"):
        from charrnn.exchange.onnx_graph import build
    return bytes(build(checkpoint, name).SerializeToString(deterministic=True))
