"""How much of a face its skull gives away in a cohort: ridge regression with true correspondence.

If the rule that made the skulls could be inverted, the regression would find the face, and so would any network; in
life it cannot. DESIGN.md, "The cohort", wants 1.5 to 2.2 mm.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from data.face_region import face_triangles
from eval.cohort.people import People
from eval.metrics import errors_of_true
from eval.regions import region_faces
from eval.regression.ridge import Ridge, best_penalty
from fields.mesh import Mesh

_POINTS = 1_500
"""Of the skull, which the regression sees: 5 mm apart on the outer surface. Correspondence makes them enough."""
_SAMPLES = 4_000
"""Points of each true face."""
PENALTIES = (15.0, 50.0, 150.0, 500.0, 1500.0, 5000.0, 15000.0, 50000.0)
"""mm², relative to centred coordinates."""


@dataclasses.dataclass(frozen=True)
class Inversion:
    """Mean distance from true to predicted faces, over the face region, mm; averages over the people tested."""

    ridge_mm: float
    with_fullness_mm: float
    """Of a ridge that is told the fullness too."""
    mean_head_mm: float
    """Of the mean of the training heads, laid over the skull."""
    ridge_vertex_mm: float
    """Of the ridge, from each vertex to its own, which counts sliding along the skin too."""
    mean_head_vertex_mm: float
    penalty: float
    """That was chosen."""
    trained_on: int
    tested_on: int


def invert(train: People, test: People, say: Callable[[str], None] = lambda text: None) -> Inversion:
    """Train on some people and test on others; nothing is aligned, since all lie in their skulls' frames."""
    chosen = np.random.default_rng(0).choice(train.skulls.shape[1], min(_POINTS, train.skulls.shape[1]), replace=False)
    seen, unseen = (people.skulls[:, chosen].reshape(len(people), -1) for people in (train, test))
    spread = float(seen.std(axis=0).mean()) * np.sqrt(seen.shape[1])
    predicted: dict[str, np.ndarray] = {}
    penalty = np.nan
    for name, extra in (("ridge", False), ("fullness", True)):
        say(f"ridge regression{' with fullness' if extra else ''}")
        # As loud as all points together: the regression may believe it.
        a, b = (
            np.concatenate([x, spread * people.fullness[:, None]], axis=1) if extra else x
            for x, people in ((seen, train), (unseen, test))
        )
        if not extra:
            penalty = best_penalty(a, train.heads[:, _face_of_mean(train)].reshape(len(train), -1), PENALTIES)
        fitted = Ridge.fit(a, train.heads.reshape(len(train), -1), penalty)
        predicted[name] = fitted.predict(b).reshape(test.heads.shape)
    predicted["mean"] = np.broadcast_to(train.heads.mean(axis=0), test.heads.shape)
    errors: dict[str, list[float]] = {name: [] for name in (*predicted, "vertex", "mean vertex")}
    for person in range(len(test)):
        say(f"face {person + 1} of {len(test)}")
        true = test.head(person)
        face = region_faces(true, "face", test.landmarks(person))
        on_face = np.unique(true.faces[face])
        for name, heads in predicted.items():
            mesh = Mesh(heads[person].astype(np.float64), true.faces)
            errors[name].append(float(np.abs(errors_of_true(mesh, true, face, _SAMPLES).signed_mm).mean()))
        for name, heads in (("vertex", predicted["ridge"]), ("mean vertex", predicted["mean"])):
            errors[name].append(
                float(np.linalg.norm((heads[person] - test.heads[person])[on_face], axis=1).mean(dtype=np.float64))
            )
    mean = {name: float(np.mean(values)) for name, values in errors.items()}
    return Inversion(
        ridge_mm=mean["ridge"],
        with_fullness_mm=mean["fullness"],
        mean_head_mm=mean["mean"],
        ridge_vertex_mm=mean["vertex"],
        mean_head_vertex_mm=mean["mean vertex"],
        penalty=penalty,
        trained_on=len(train),
        tested_on=len(test),
    )


def _face_of_mean(people: People) -> np.ndarray:
    """Vertices of the mean head's face."""
    head = Mesh(people.heads.mean(axis=0, dtype=np.float64), people.prior.head.faces)
    skull = Mesh(people.skulls.mean(axis=0, dtype=np.float64), people.prior.skull.faces)
    return np.unique(head.faces[face_triangles(head, people.prior.landmark_points(skull))])
