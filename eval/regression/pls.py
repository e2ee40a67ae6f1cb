"""Partial least squares from many numbers to many: scikit-learn's, between principal components of both.

Wold, Sjöström, Eriksson, "PLS-regression: a basic tool of chemometrics", Chemometrics and Intelligent Laboratory
Systems 58, 2001. Principal components are a rotation, which partial least squares does not notice; without them each of
its steps would go through all numbers of all people.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA

from eval.regression.ridge import held_back

MOST_LATENT = 120
"""Latent components that are tried."""
_COMPONENTS = 300, 100
"""Principal components of what is seen and of the results."""
_ITERATIONS = 10_000
"""At most, for each latent component; those of nearly equal covariance take long to part."""


@dataclasses.dataclass(frozen=True)
class Pls:
    """A regression, solved."""

    seen: PCA
    results: PCA
    regression: PLSRegression
    """Between their components."""

    @classmethod
    def fit(cls, seen: Float[np.ndarray, "people numbers"], results: Float[np.ndarray, "people results"]) -> Pls:
        """Fit with as many latent components as predict best, in the mean square, people who are held back."""
        a, b = (
            PCA(min(most, len(values) - 1, values.shape[1]), svd_solver="randomized", random_state=0).fit(values)
            for most, values in zip(_COMPONENTS, (seen, results), strict=True)
        )
        x, y = a.transform(seen).astype(np.float64), b.transform(results).astype(np.float64)
        return cls(a, b, _fitted(x, y, best_latent(x, y)))

    def predict(self, seen: Float[np.ndarray, "others numbers"]) -> Float[np.ndarray, "others results"]:
        """The results of others."""
        return self.results.inverse_transform(self.regression.predict(self.seen.transform(seen)))


def best_latent(seen: Float[np.ndarray, "people numbers"], results: Float[np.ndarray, "people results"]) -> int:
    """The number of latent components with the least squared error on the last tenth of the people, when trained on the
    others."""
    kept = len(seen) - held_back(len(seen))
    fitted = _fitted(seen[:kept], results[:kept], min(MOST_LATENT, kept - 1, seen.shape[1]))
    latent = fitted.transform(seen[kept:])
    mean = results[:kept].mean(axis=0)
    # Each component is found after those before it, so the first of many are those of a regression on fewer.
    errors = [
        float(np.square(mean + latent[:, :count] @ fitted.y_loadings_[:, :count].T - results[kept:]).mean())
        for count in range(1, latent.shape[1] + 1)
    ]
    return 1 + int(np.argmin(errors))


def _fitted(seen: np.ndarray, results: np.ndarray, latent: int) -> PLSRegression:
    return PLSRegression(latent, scale=False, max_iter=_ITERATIONS).fit(seen, results)
