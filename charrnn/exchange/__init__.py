"""Models to and from other programs: PyTorch, .safetensors, ONNX and JSON, each in the form its reader wants."""
