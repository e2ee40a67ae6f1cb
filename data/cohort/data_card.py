"""The page that tells what a cohort on disk is, and what it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.cohort.anatomy import COVER_MM
from data.cohort.variants import Variant
from data.tissue_depth import BMI_CORRELATION


def data_card(settings: Mapping[str, Any], variant: Variant, credit: str) -> str:
    """Markdown for the folder of a cohort.

    Args:
        settings: Of `data.cohort.synthesis.Synthesis.settings`.
        variant: The generator's assumptions.
        credit: Sources of head model and skull, with their licences.
    """
    v = variant
    sources = "\n".join(f"- {line}" for line in credit.splitlines())
    return f"""# Synthetic skull–face pairs

Nobody is in here. Each case is a head drawn from a statistical head model, and a skull made to lie in it by anatomical
rules. For research and education.

## What is in the folder

One folder per case: `skull.ply` and `face.ply` (millimetres, in the same random pose), and `record.json`:

- `T_head_input` takes both to the head frame (x the subject's left, y up, z anterior, the Frankfurt plane at y = 0):
  `true` as made, `aligned` with an error that the aligner of s2f was measured to make;
- `fullness` of the face, in standard deviations; `jaw_opening` from 0 (shut) to 1;
- `depths` of soft tissue at each control in mm, on the scalp with the hair cap;
- `betas`, coefficients of the head model, and `T_head_model`, where that puts the head;
- `landmarks_head_mm` of the whole skull, as in life; the kinds of `damage` that happened.

## How it was made

- Generator `{v.name}`, seed {settings["seed"]}. A case is given by seed, number and the sources whose SHA-256 stand in
  `cohort.json`.
- Fullness: {_fullness(settings)}.
- Severity of damage: {_severity(settings["severities"])}.
- Bone lies under the skin at a depth drawn for each landmark from a published table of adults (lognormal), with
  κ = {v.kappa:g} of the table's standard deviations, since the table pools many studies. Where the head model varies
  less than the depths do, depth and bone correlate.
- Bones have displacements of their own, which the skin does not follow: {v.bone_sd_mm:g} mm standard deviation in each
  direction, alike over {v.bone_length_mm:g} mm, and {v.slip_sd_mm:g} mm of slip. Eyes, nose and mouth follow published
  rules with their residuals. Bone keeps {COVER_MM:g} mm under the skin.

## What it is not

- Not a population. One skull, one head model, one depth table of adults without regard to sex, age or ancestry; none
  of these can be chosen, and none of their biases is removed.
- Not a measure of accuracy on people. A method that is right here has learned the rules above.
- The chances of damage are a mixture to train on, not a statistic of finds or scans.
- Deviations, loadings and lengths that no source gives are assumptions of this project; they stand in
  `data/cohort/variants.py`.
{_test_only(settings)}
## Made from

{sources}

The pairs are adapted from these and may be shared under the same conditions.
"""


def _fullness(settings: Mapping[str, Any]) -> str:
    if settings["fullness"] is not None:
        return f"{settings['fullness']:g} standard deviations, for all"
    if settings["bmi"] is not None:
        return (
            f"drawn for a body-mass index of {settings['bmi']:g} kg/m², which is assumed to correlate with it by "
            f"{BMI_CORRELATION:g}"
        )
    return "drawn from N(0, 1)"


def _severity(severities: Mapping[str, float]) -> str:
    levels = list(severities.values())
    usual = max(set(levels), key=levels.count)
    others = [f"`{kind}` {level:g}" for kind, level in severities.items() if level != usual]
    return f"{usual:g}" + (" but for " + ", ".join(others) if others else "") + " (0 is never, 1 the default mixture)"


def _test_only(settings: Mapping[str, Any]) -> str:
    if settings["generator"] != "test":
        return ""
    return "- To test with: its assumptions differ from the training generator's, so never train on it.\n"
