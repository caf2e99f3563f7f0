"""Telling identities apart by embeddings: scores, thresholds, galleries, matching.

Nothing here knows what was embedded: faces and voices use it alike. It imports the core alone, so
that tasks, evaluation and the command line can all build on it. Importing it loads nothing.
"""
