"""Smaller, faster, as accurate, and proved so: methods of compression, and the judge.

A module of this room whose ``PROVIDES`` names methods has a function ``make(key) -> Method``; see
``compression.protocols``. Importing this package loads nothing.
"""
