"""Bundles written for other programs: one format a file.

A module of this room whose ``PROVIDES`` names formats has a function ``export``; see
``export.protocols``. Importing this package loads nothing.
"""
