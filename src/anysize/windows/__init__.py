"""Splitting arithmetic in one and two dimensions, and text as a stream of token windows."""
