"""One case of the cohort: a person, what happened to the skull, and how it was scanned and aligned. All from one key.

Files (`data.cohort.pair_files`) and the batches that an accelerator makes for itself (`data.cohort.stream`) start from
the same case, so that they show the same person and the same damage.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Float, Key

from data.cohort.anatomy import Anatomy, Body, Person, body_of, draw_person
from data.cohort.harm import Harm, draw_harm, draw_opening
from data.cohort.pose_errors import PoseErrors
from data.cohort.seen import Samples
from data.cohort.severities import Severities
from data.cohort.skeleton import Skeleton
from data.tissue_depth import BMI_CORRELATION, fullness_of_bmi
from flame_jax.model import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Generator:
    """Everything that cases are made of. A pytree of constants, made by `data.cohort.generator.make_generator`."""

    anatomy: Anatomy
    skeleton: Skeleton
    samples: Samples
    """Places on the skeleton that a scan may show."""
    pose_errors: PoseErrors
    """What our aligner does wrong."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Conditions:
    """What is wanted of the cases. A pytree of numbers, so that `jax.jit` does not compile again for others."""

    severities: Severities
    fullness_mean: Float[Array, "*batch"] | float = 0.0
    """Of the faces, in standard deviations of the population."""
    fullness_sd: Float[Array, "*batch"] | float = 1.0

    @classmethod
    def of(cls, severities: Severities, *, fullness: float | None = None, bmi: float | None = None) -> Conditions:
        """With a given fullness, or a body mass index (kg/m²), or neither.

        Given the BMI, fullness is N(ρ (BMI − 25) / 4.5, 1 − ρ²), see `data.tissue_depth.BMI_CORRELATION`.
        """
        if fullness is not None:
            return cls(severities, float(fullness), 0.0)
        if bmi is not None:
            return cls(severities, fullness_of_bmi(bmi), (1.0 - BMI_CORRELATION**2) ** 0.5)
        return cls(severities)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Case:
    """Everything drawn for one case."""

    person: Person
    body: Body
    """In the head frame of the undamaged skull: the truth."""
    harm: Harm
    T_aligned_head: Float[Array, "*batch 4 4"]
    """Rigid: from the head frame to where our aligner puts the case."""
    scan_key: Key[jax.Array, "*batch"]
    """For the choice of points."""


def case_key(seed: int, case: int) -> Key[jax.Array, ""]:
    """The key of a case: by seed and number alone, however many are made and in whatever order."""
    return jax.random.fold_in(jax.random.key(seed), case)


def draw_case(key: Key[jax.Array, ""], generator: Generator, conditions: Conditions) -> Case:
    """Draw a case. Traceable by jax, also under `vmap` over keys."""
    keys = jax.random.split(key, 5)
    severities = conditions.severities
    person = draw_person(
        keys[0],
        generator.anatomy,
        fullness_mean=jnp.asarray(conditions.fullness_mean, jnp.float32),
        fullness_sd=jnp.asarray(conditions.fullness_sd, jnp.float32),
        opening=draw_opening(keys[1], severities),
    )
    body = body_of(generator.anatomy, person)
    harm = draw_harm(keys[2], severities, generator.skeleton, body.skeleton)
    posed = jnp.any(jnp.abs(harm.T_scan_head - jnp.eye(4)) > 0.0)
    error = generator.pose_errors.draw(keys[3])
    return Case(person, body, harm, jnp.where(posed, error, jnp.eye(4)), keys[4])
