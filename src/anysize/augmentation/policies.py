"""Named policies: lists of steps that have proved good.

A specification may name a policy like a step, in place of its steps.
"""

from __future__ import annotations

PROVIDES = ("augmix", "imagenet", "light", "none", "randaugment", "standard", "trivial", "writing")

POLICIES: dict[str, tuple[str, str]] = {
    "none": ("", "Leaves everything as it is."),
    "standard": (
        "hflip, shift(0.125)",
        "A flip and a shift by up to an eighth, mirrored at the border (He et al. 2016, "
        "section 4.2): for small pictures.",
    ),
    "imagenet": (
        "random_resized_crop, hflip",
        "A random piece, resized, and a flip (Szegedy et al. 2015): for photographs.",
    ),
    "trivial": (
        "hflip, shift(0.125), trivial_augment",
        "`standard`, then one operation at a random strength (Müller and Hutter 2021).",
    ),
    "randaugment": (
        "random_resized_crop, hflip, rand_augment",
        "`imagenet`, then two operations (Cubuk et al. 2020).",
    ),
    "augmix": (
        "random_resized_crop, hflip, aug_mix",
        "`imagenet`, then a mixture of chains of operations (Hendrycks et al. 2020).",
    ),
    "light": (
        "gain, background_noise, frequency_mask, time_mask",
        "For recordings: louder or softer, some noise, and SpecAugment (Park et al. 2019).",
    ),
    "writing": (
        "typos(0..0.03), drop_words(0..0.1), letter_case(p=0.1)",
        "For texts: some slips of the keyboard, some gaps, at times only small or capital letters.",
    ),
}
"""Each policy's steps, and what it is for."""
