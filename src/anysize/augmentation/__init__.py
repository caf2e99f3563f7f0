"""Augmentation: random changes of training pictures, planned first, then done in few passes.

What is done is fixed by (seed, epoch, record, window).
"""

from anysize.augmentation.image import Augmentation, make
from anysize.augmentation.sample import Augmented, Normalisation, Targets

__all__ = ["Augmentation", "Augmented", "Normalisation", "Targets", "make"]
