"""Texts: what the modality is made of."""
