"""Face fields fine-tuned on skull–face pairs.

s2f train finetune --init-from MODEL --data.pairs DIR   some minutes for pairs and heads, then some for the steps, on
                                                        two cores: how many pairs there are does not matter
"""

from __future__ import annotations

from train.pair_experiment import PairExperiment
from train.training import Training

FINETUNE = PairExperiment(
    training=Training(
        steps=500,
        batch=16,
        # A tenth of the training's own: pairs are few, and most of what the model knows is from the cohort.
        learning_rate=1e-4,
        warmup=50,
        weight_decay=1e-3,
        ema_decay=0.98,
        checkpoint_minutes=5.0,
        validate_every=100,
        log_every=20,
    )
)
