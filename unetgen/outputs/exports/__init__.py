"""Networks as programs that run without unetgen: torch.export's, ONNX's, and compiled ones of AOTInductor."""
