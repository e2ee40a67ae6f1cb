"""What a user may know of a person besides the bones: checked before any work."""

from __future__ import annotations

from flame_jax.errors import InputError

_LARGEST_FULLNESS = 4.0
"""Standard deviations: beyond them is nobody, so it is a slip of the hand, such as a body-mass index."""
_BMI_RANGE = (10.0, 80.0)
"""Body-mass indices of living people, kg/m²."""


def check_covariates(*, fullness: float | None, bmi: float | None) -> None:
    """Raise InputError where --fullness (standard deviations) or --bmi (kg/m²) is nobody's, or both are given."""
    if fullness is not None and bmi is not None:
        raise InputError("--fullness and --bmi say the same thing; give one of them")
    if fullness is not None and not abs(fullness) <= _LARGEST_FULLNESS:
        raise InputError(
            f"--fullness {fullness:g} is in standard deviations, at most {_LARGEST_FULLNESS:g} either way; "
            "for a body-mass index there is --bmi"
        )
    if bmi is not None and not _BMI_RANGE[0] <= bmi <= _BMI_RANGE[1]:
        raise InputError(f"--bmi {bmi:g} is nobody's body-mass index in kg/m²; correct it or leave it out")
