"""Face fields.

s2f train debug     two cores, a minute: whether everything runs. What comes out is no model.
s2f train default   the model that is shipped
"""

from __future__ import annotations

from fields.field_config import EncoderConfig, FieldConfig, ResidualConfig
from train.face_data import FaceData
from train.face_experiment import FaceExperiment
from train.training import Training

DEBUG = FaceExperiment(
    training=Training(steps=4, batch=4, warmup=1, validate_every=4, log_every=1, checkpoint_minutes=60.0),
    field=FieldConfig(
        residual_modes=4,
        anchors=64,
        rank=8,
        encoder=EncoderConfig(width=16, blocks=1, heads=2, global_width=32, squeezed=4),
        field=ResidualConfig(width=32, layers=2, overall=8),
    ),
    data=FaceData(heads=64, queries_per_head=256, queries=64, skull_points=512, regression_skulls=128, validation=8),
)

DEFAULT = FaceExperiment(
    training=Training(
        steps=1_300,
        batch=24,
        learning_rate=1e-3,
        warmup=100,
        weight_decay=1e-3,
        ema_decay=0.995,
        checkpoint_minutes=5.0,
        validate_every=250,
        log_every=50,
    )
)
