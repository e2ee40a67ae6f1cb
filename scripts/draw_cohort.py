"""Draws the README's pictures of the cohort into docs/: how deep bone lies under the skin, and a sheet of pairs.

    make figures

Nobody is in these pictures: all heads and skulls are drawn from the training generator.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from data.cohort.case import Conditions
from data.cohort.generator import make_generator
from data.cohort.pair_files import PairMaker
from data.cohort.pose_errors import no_pose_errors
from data.cohort.severities import Severities
from data.cohort.variants import TRAIN
from data.jaw_opening import read_jaw_opening
from data.prior import AnatomyPrior, read_prior
from data.shipped import JAW_OPEN, PRIOR
from eval.cohort.people import draw_people
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.whole_file import whole_file
from s2f.picture import (
    BONE,
    CLAY,
    PAGE_WIDTH,
    VIEWS,
    WHITE,
    error_scale,
    figure_page,
    rounded_head,
    save_figure,
    view_frames,
    view_strip,
)
from s2f.render import Frame, Layer, View, over, render_frame

DOCS = Path(__file__).parent.parent / "docs"
WIDTH_PX = 1400
PEOPLE, SEED = 100, 1
_DEEPEST_MM = 32.0
"""Skin farther than this from bone on average is neck."""
ROWS, COLUMNS = 3, 4
"""Of the sheet of pairs."""
TURNED = View(30.0)


def draw_depths(maker: PairMaker) -> None:
    """Mean and standard deviation, over people, of the distance from the skin to the bone."""
    prior = maker.prior
    people = draw_people(prior, maker.generator.anatomy, PEOPLE, seed=SEED)
    depths = np.stack(
        [DistanceScene(people.skull(person)).distance(people.head(person).vertices) for person in range(len(people))]
    )
    mean = Mesh(people.heads.mean(axis=0, dtype=np.float64), prior.head.faces)
    # Under the chin and behind the jaw there is no bone.
    floor = float(prior.landmark_points()["me"][1]) - 5.0
    pages = []
    for name, values in (("Mean", depths.mean(axis=0)), ("Standard deviation", depths.std(axis=0))):
        shown = np.where((mean.vertices[:, 1] > floor) & (depths.mean(axis=0) < _DEEPEST_MM), values, np.nan)
        scale = error_scale(shown)
        head, colours = rounded_head(mean, shown)
        assert colours is not None
        layer = Layer(head, vertex_colours=scale.colours(colours), relief=0.6)
        frames = view_frames([mean], floor)
        strip = view_strip([over(render_frame([layer], frame), WHITE) for frame in frames])
        caption = f"{name} of the distance from skin to bone over {PEOPLE} people of the training generator."
        pages.append(figure_page([name], [strip], frames, [scale], caption, disclaimer=False, views=VIEWS))
    page = Image.new("RGB", (PAGE_WIDTH, sum(each.height for each in pages)), "white")
    page.paste(pages[0], (0, 0))
    page.paste(pages[1], (0, pages[0].height))
    _save(page, "cohort_depths.png", "Depth of bone under the skin of synthetic people.", prior)


def draw_pairs(maker: PairMaker) -> None:
    """Pairs as networks meet them: skulls with default damage in the head frame, and the faces that belong to them."""
    tile = PAGE_WIDTH // (2 * COLUMNS)
    page = Image.new("RGB", (2 * COLUMNS * tile, ROWS * round(1.3 * tile)), "white")
    for number in range(ROWS * COLUMNS):
        case = maker.case(number)
        head = Mesh(np.asarray(case.body.head, np.float64), maker.prior.head.faces)
        frame = Frame(TURNED, tile, round(1.3 * tile), 270.0 / tile, (0.0, 5.0, 10.0))
        row, column = divmod(number, COLUMNS)
        for place, layer in enumerate(
            (Layer(maker.skull(case), colour=BONE), Layer(rounded_head(head)[0], colour=CLAY))
        ):
            image = Image.fromarray(over(render_frame([layer], frame), WHITE))
            page.paste(image, ((2 * column + place) * tile, row * frame.height_px))
    _save(page, "cohort_pairs.png", "Synthetic pairs: damaged skulls and the faces that belong to them.", maker.prior)


def training_maker() -> PairMaker:
    """The training generator with default damage."""
    prior = read_prior(PRIOR)
    generator = make_generator(prior, TRAIN, read_jaw_opening(JAW_OPEN, prior), no_pose_errors())
    return PairMaker(prior, TRAIN, generator, Conditions.of(Severities.all(1.0)), SEED)


def _save(page: Image.Image, name: str, caption: str, prior: AnatomyPrior) -> None:
    small = page.resize((WIDTH_PX, round(page.height * WIDTH_PX / page.width)), Image.Resampling.LANCZOS)
    DOCS.mkdir(exist_ok=True)
    with whole_file(DOCS / name) as unfinished:
        save_figure(small, unfinished, caption, prior.credit, disclaimer=False)


if __name__ == "__main__":
    shared = training_maker()
    draw_depths(shared)
    draw_pairs(shared)
