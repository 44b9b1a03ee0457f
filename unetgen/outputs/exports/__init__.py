"""Export networks as programs that run without unetgen: torch.export, ONNX, and compiled by AOTInductor."""
