"""ONNX files as models: sessions of ONNX Runtime, adapters and decoders of detectors."""
