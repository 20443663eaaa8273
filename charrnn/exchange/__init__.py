"""Models to and from other programs: PyTorch, .safetensors, ONNX and JSON."""
