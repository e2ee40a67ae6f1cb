"""Partial least squares from a registered skull to a head: regression through latent variables, for which see Berar,
Bucki, Tilotta, Glaunès, Desvignes, Payan, Rozenholc, "Facial reconstruction as a regression problem"."""

from __future__ import annotations

from eval.baselines.registered_regression import RegisteredRegression
from eval.regression.pls import Pls
from eval.regression.skull_registration import SkullRegistration


def train_pls(registration: SkullRegistration) -> RegisteredRegression:
    """Train on the people of a registration."""
    people = registration.people
    return RegisteredRegression(registration, Pls.fit(people.seen(), people.heads.reshape(len(people), -1)))
