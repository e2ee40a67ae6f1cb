"""The linear reference: how well ridge regression with true correspondence finds a face from its undamaged skull.

It is trained with the people that networks are trained with, and tested on people of another head model, for whose
skulls `eval.regression.skull_correspondence` tells which point is which. It knows what no method can know: every point
of the skull by name, all of it undamaged, in the true head frame. What it lacks is that it is linear.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from data.prior import AnatomyPrior
from data.warp import similarity
from eval.cohort.inversion import PENALTIES
from eval.regression.ridge import Ridge, best_penalty
from eval.regression.skull_correspondence import corresponding
from eval.regression.training_people import TrainingPeople
from fields.distance import SurfacePoints
from fields.mesh import Mesh, transform_points


@dataclasses.dataclass(frozen=True)
class LinearReference:
    """A regression from the test prior's skulls to the training prior's heads.

    Frames (mm): "head" is the training generator's head frame, in which it predicts; "skull" is the frame that a skull
    to be tested comes in, usually the test generator's head frame.
    """

    prior: AnatomyPrior
    """Of the training people."""
    places: SurfacePoints
    """On the test prior's skull, of every vertex of the training prior's skull."""
    people: TrainingPeople
    penalty: float
    """Chosen on training people held back."""
    ridge: Ridge
    told: Ridge
    """Told the fullness too, as loud as all points together: the regression may believe it."""
    loudness: float
    """What the fullness is multiplied by."""
    mean_head: Mesh
    """Mean of the training heads in the head frames of their skulls."""

    @classmethod
    def train(cls, people: TrainingPeople, prior: AnatomyPrior, test_prior: AnatomyPrior) -> LinearReference:
        """Train.

        Args:
            people: Of the training generator.
            prior: That they were drawn from.
            test_prior: Of the skulls that faces are to be found for, made of the same template skull.

        Raises:
            InputError: The two priors' skulls do not come from the same template.
        """
        seen, heads = people.seen(), people.heads.reshape(len(people), -1)
        penalty = best_penalty(seen, people.faces(prior), PENALTIES)
        loudness = float(seen.std(axis=0).mean()) * np.sqrt(seen.shape[1])
        told = np.concatenate([seen, loudness * people.fullness[:, None]], axis=1)
        return cls(
            prior=prior,
            places=corresponding(prior, test_prior),
            people=people,
            penalty=penalty,
            ridge=Ridge.fit(seen, heads, penalty),
            told=Ridge.fit(told, heads, penalty),
            loudness=loudness,
            mean_head=people.mean_head(prior),
        )

    def T_head_skull(self, skull: Mesh) -> Float[np.ndarray, "4 4"]:
        """Where a skull of the test prior's topology lies in the training generator's head frame: the rigid fit of
        its cranium to the training prior's, as `data.cohort.anatomy` defines that frame."""
        return similarity(self.places.on(skull), self.prior.skull.vertices, self.people.cranium, scaled=False)

    def predict(self, skull: Mesh, fullness: float | None = None) -> Mesh:
        """The head of an undamaged skull of the test prior's topology, in the skull's own frame (mm).

        `fullness` in standard deviations; None if it is not told.
        """
        T_head_skull = self.T_head_skull(skull)
        seen = transform_points(T_head_skull, self.places.on(skull)[self.people.points]).reshape(1, -1)
        if fullness is None:
            found = self.ridge.predict(seen)
        else:
            found = self.told.predict(np.concatenate([seen, [[self.loudness * fullness]]], axis=1))
        head = Mesh(found.reshape(-1, 3), self.prior.head.faces)
        return head.transformed(np.linalg.inv(T_head_skull))

    def mean_head_on(self, skull: Mesh) -> Mesh:
        """The mean head where it belongs on an undamaged skull, in the skull's own frame (mm)."""
        return self.mean_head.transformed(np.linalg.inv(self.T_head_skull(skull)))
