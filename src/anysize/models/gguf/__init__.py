"""GGUF files (llama.cpp): header, configuration, tokenizer and weights of one, for transformers."""
