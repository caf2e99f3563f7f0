"""Pictures with annotated objects: each layout that people have them in, as one kind of source.

``layouts`` finds which layout a path is of. A ``*_layout`` module finds the annotation files of a
folder and their splits; the module without the suffix reads one such file.
"""
