"""How good a model is, how sure of that we are, and what its data look like."""
