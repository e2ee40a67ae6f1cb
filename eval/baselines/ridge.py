"""Ridge regression from a registered skull to a head.

The linear method of the literature: dense correspondence as in Gietzen et al., "A method for automatic forensic facial
reconstruction based on dense statistics of soft tissue thickness", PLoS ONE 14(1), 2019, and statistics of skull and
face together as in Claes, Vandermeulen, De Greef, Willems, Suetens, "Craniofacial reconstruction using a combined
statistical model of face shape and soft tissue depths", Forensic Science International 159S, 2006.

It is the regression of `eval.regression.linear_reference`, which is told where each point of the undamaged skull lies;
here registration has to find out.
"""

from __future__ import annotations

from eval.baselines.registered_regression import RegisteredRegression
from eval.cohort.inversion import PENALTIES
from eval.regression.ridge import Ridge, best_penalty
from eval.regression.skull_registration import SkullRegistration


def train_ridge(registration: SkullRegistration) -> RegisteredRegression:
    """Train on the people of a registration; the penalty is the best for some who are held back."""
    people = registration.people
    seen = people.seen()
    penalty = best_penalty(seen, people.faces(registration.prior), PENALTIES)
    return RegisteredRegression(registration, Ridge.fit(seen, people.heads.reshape(len(people), -1), penalty))
