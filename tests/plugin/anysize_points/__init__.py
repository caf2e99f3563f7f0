"""Sets of points in space: a modality, a task and a model for anysize, as a package apart."""
