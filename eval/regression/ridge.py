"""Ridge regression with many numbers seen and few people: in its dual form, where a prediction is a weighted sum of
training results."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.linalg
from jaxtyping import Float

_HELD_BACK = 0.1
"""Share of the training people."""


@dataclasses.dataclass(frozen=True)
class Ridge:
    """A regression, solved."""

    centre: Float[np.ndarray, " numbers"]
    """Mean of what was seen."""
    seen: Float[np.ndarray, "people numbers"]
    """What was seen, centred."""
    mean: Float[np.ndarray, " results"]
    results: Float[np.ndarray, "people results"]
    """Training results, as they are: not copied, since heads take much memory."""
    factor: Float[np.ndarray, "people people"]
    """Lower Cholesky factor of the penalised Gram matrix."""

    @classmethod
    def fit(
        cls, seen: Float[np.ndarray, "people numbers"], results: Float[np.ndarray, "people results"], penalty: float
    ) -> Ridge:
        """Fit with a penalty, in the square of the unit seen.

        The penalty is for numbers that are centred and not scaled.
        """
        centre = seen.mean(axis=0, dtype=np.float64)
        centred = (seen - centre).astype(np.float64)
        gram = centred @ centred.T + penalty * np.eye(len(seen))
        return cls(
            centre, centred, results.mean(axis=0, dtype=np.float64), results, scipy.linalg.cholesky(gram, lower=True)
        )

    def predict(self, seen: Float[np.ndarray, "others numbers"]) -> Float[np.ndarray, "others results"]:
        """The results of others."""
        kernel = (seen - self.centre) @ self.seen.T
        weights = scipy.linalg.cho_solve((self.factor, True), kernel.T).T
        # Σ w (results − mean), without a centred copy of the results.
        return (
            self.mean * (1.0 - weights.sum(axis=1, keepdims=True)) + weights.astype(self.results.dtype) @ self.results
        )


def held_back(people: int) -> int:
    """How many of some people, the last, are held back from training, to choose what a regression leaves open."""
    return max(1, round(_HELD_BACK * people))


def best_penalty(
    seen: Float[np.ndarray, "people numbers"],
    results: Float[np.ndarray, "people results"],
    penalties: tuple[float, ...],
) -> float:
    """The penalty with the least squared error on the last tenth of the people, when trained on the others."""
    kept = len(seen) - held_back(len(seen))
    errors = []
    for penalty in penalties:
        missed = Ridge.fit(seen[:kept], results[:kept], penalty).predict(seen[kept:]) - results[kept:]
        errors.append(float(np.square(missed).mean(dtype=np.float64)))
    return penalties[int(np.argmin(errors))]
