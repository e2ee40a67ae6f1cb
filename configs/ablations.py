"""Ablations: what makes the field good, each variant trained with one budget and one encoder.

s2f ablate --suite representation           two cores, two hours: see `FULL`
s2f ablate --suite representation --quick   minutes: whether everything runs. What comes out says nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from configs.faces import DEBUG, DEFAULT
from fields.field_config import FieldConfig, Representation, ResidualConfig
from train.ablation import Suite, Variant
from train.face_data import FaceData
from train.face_experiment import FaceExperiment
from train.loss_weights import LossWeights

FULL = dataclasses.replace(
    DEFAULT,
    training=dataclasses.replace(
        DEFAULT.training, steps=300, batch=16, warmup=40, ema_decay=0.98, validate_every=300, log_every=25
    ),
    data=FaceData(heads=4_096, queries_per_head=1_024, skull_points=4_096, regression_skulls=3_000, validation=48),
)
"""The default, smaller and shorter."""
QUICK = dataclasses.replace(
    DEBUG, training=dataclasses.replace(DEBUG.training, steps=20, warmup=2, validate_every=20, log_every=5)
)

_ALL: tuple[Representation, ...] = ("parametric", "implicit", "hybrid")
_FREE = LossWeights(roughness=0.0, size=0.0)
"""Where the residual field has to say what else the warp says, it may be as large and as rough as it likes."""


def suites(base: FaceExperiment) -> Mapping[str, Suite]:
    """By name, around an experiment that the last variant of each suite is."""

    def variant(
        name: str,
        representations: tuple[Representation, ...] = ("hybrid",),
        *,
        field: FieldConfig = base.field,
        loss: LossWeights = base.loss,
        data: FaceData = base.data,
    ) -> Variant:
        return Variant(name, dataclasses.replace(base, field=field, loss=loss, data=data), representations)

    def of_field(name: str, representations: tuple[Representation, ...] = ("hybrid",), **changes: object) -> Variant:
        return variant(name, representations, field=dataclasses.replace(base.field, **changes))  # type: ignore[arg-type]

    def of_data(name: str, **changes: object) -> Variant:
        return variant(name, data=dataclasses.replace(base.data, **changes))  # type: ignore[arg-type]

    modes = base.field.residual_modes
    decoder = ResidualConfig(width=2 * base.field.field.width, layers=base.field.field.layers + 1)
    from_sphere = dataclasses.replace(decoder, scale_mm=20.0)
    without_warp = dataclasses.replace(base.field, warp=False, field=decoder)
    without_prior = dataclasses.replace(without_warp, template=False, field=from_sphere)
    encoder = base.field.encoder
    whole = variant("as the default")
    return {
        "representation": Suite(
            "implicit or parametric? One encoder, one budget, the same losses on its posterior",
            (
                of_field("β only", ("parametric",), residual=False),
                variant("field, no head model (DeepSDF)", ("implicit",), field=without_prior, loss=_FREE),
                variant("field from the mean head, no warp", ("implicit",), field=without_warp, loss=_FREE),
                variant("field with prior", _ALL),
            ),
        ),
        "prior": Suite(
            "how much of a head does the prior have to know?",
            (
                of_field("no residual modes", residual_modes=0),
                of_field(f"{modes // 2} residual modes", residual_modes=modes // 2),
                of_field("no residual field", residual=False),
                whole,
            ),
        ),
        "encoder": Suite(
            "how should a skull be looked at?",
            (
                of_field(f"{base.field.anchors // 4} anchors", anchors=base.field.anchors // 4),
                of_field("the linear estimate once", encoder=dataclasses.replace(encoder, rounds=1)),
                of_field("no transformer", encoder=dataclasses.replace(encoder, blocks=0)),
                of_data(f"{base.data.skull_points // 4} points", skull_points=base.data.skull_points // 4),
                whole,
            ),
        ),
        "damage": Suite(
            "does training on damaged skulls cost whole ones anything?",
            (
                of_data("whole skulls only", undamaged=1.0),
                of_data("damaged skulls only", undamaged=0.0),
                whole,
            ),
        ),
        "data-size": Suite(
            "how many heads does it take?",
            (
                of_data(f"{base.data.heads // 64} heads", heads=base.data.heads // 64),
                of_data(f"{base.data.heads // 8} heads", heads=base.data.heads // 8),
                whole,
            ),
        ),
    }


SUITES, QUICK_SUITES = suites(FULL), suites(QUICK)
