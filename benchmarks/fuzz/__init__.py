"""Damaged inputs of every kind, read under a time cap and a memory cap.

``python -m benchmarks.fuzz --kind pictures --count 500 --seed 1``. A file of this folder with
``PROVIDES`` is a kind (``benchmarks.fuzz.kinds`` says what such a file holds).
"""
