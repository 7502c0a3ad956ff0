"""Clips and music with planted relations, so that one knows what there is to be found.

Every track has a hidden character u of twelve numbers. Its ten dimensions are a noisy mixture of u,
and so is its vector in a text-audio space. The clip it was chosen for shows u, with noise, in its
accents only: in the seconds with a cut, the n-th accent shows the n-th third of u in its frame,
while all other frames are noise. The eleven dimensions of the picture tell little of u; its arousal
and valence go with the music's. Whoever looks at the eleven numbers alone finds a little more than
chance; whoever finds the accents finds the track.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.core.video import SERIES, VIDEO_DIMS
from retrieval.encoders.perceptual_dims import DIMS

HIDDEN, ACCENTS, FRAME, SPACE = 12, 3, 16, 24
SPACE_NAME, REVISION = "planted", "planted-1"
FRAME_MODEL = "planted-frames-1"

Values = NDArray[np.float64]


class Planted:
    """Pairs as arrays.

    Attributes:
        track: (n,), which track each clip has.
        picture: (n, 11).
        sound: (n, 10).
        embeddings: (n, 24) of length 1.
        frames: One (T, 16) for each.
        series: One (T, 5) for each.
    """

    def __init__(self, pairs: int, *, seed: int = 0, seconds: tuple[int, int] = (8, 16)) -> None:
        # The relations are the same whatever the seed of the pairs.
        fixed = np.random.default_rng(7)
        show = fixed.normal(size=(ACCENTS, HIDDEN // ACCENTS, FRAME))
        mix = fixed.normal(size=(HIDDEN, len(DIMS))) / np.sqrt(HIDDEN)
        lift = fixed.normal(size=(HIDDEN, SPACE)) / np.sqrt(HIDDEN)
        tell = fixed.normal(size=(HIDDEN, len(VIDEO_DIMS))) / np.sqrt(HIDDEN)
        rng = np.random.default_rng(seed)
        u = rng.normal(size=(pairs, HIDDEN))
        self.track = np.arange(pairs)
        # Every tenth track was chosen for two clips.
        self.track[9::10] -= 1
        seen = u + 0.4 * rng.normal(size=u.shape)
        heard = u @ mix + 0.3 * rng.normal(size=(pairs, len(DIMS)))
        vectors = u @ lift + 0.1 * rng.normal(size=(pairs, SPACE))
        seen, heard, vectors = u[self.track] + seen - u, heard[self.track], vectors[self.track]
        self.embeddings = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        told = seen @ tell + 2.0 * rng.normal(size=(pairs, len(VIDEO_DIMS)))
        told[:, -2:] = heard[:, -2:] + 0.9 * rng.normal(size=(pairs, 2))
        self.picture = 50.0 + 20.0 * told
        self.sound = 30.0 + 10.0 * heard
        self.frames, self.series = [], []
        for thirds in seen.reshape(pairs, ACCENTS, -1):
            length = int(rng.integers(*seconds))
            frames = rng.normal(size=(length, FRAME)) * 1.5
            series = rng.normal(size=(length, len(SERIES)))
            series[:, -1] = 0.0
            at = np.sort(rng.choice(length, ACCENTS, replace=False))
            series[at, -1] = 1.0
            frames[at] = np.einsum("ah,ahf->af", thirds, show)
            self.frames.append(frames)
            self.series.append(series)

    def write(self, folder: Path, *, clips: bool = True, embeddings: bool = True) -> Path:
        """The table and its files; four clips make a source."""
        folder.mkdir(parents=True, exist_ok=True)
        header = ["video", "source", "track", *VIDEO_DIMS, *DIMS]
        header += ["clip"] * clips + ["embedding"] * embeddings
        table = folder / "pairs.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for n in range(len(self.picture)):
                row = [f"clip{n}", f"film{n // 4}", f"track{self.track[n]}"]
                row += [f"{value:.5f}" for value in (*self.picture[n], *self.sound[n])]
                writer.writerow(
                    row + [f"clip{n}.npz"] * clips + [f"track{self.track[n]}.npy"] * embeddings
                )
                if clips:
                    self.write_clip(folder / f"clip{n}.npz", n)
                if embeddings:
                    vector = self.embeddings[n].astype(np.float32)
                    np.save(folder / f"track{n}.npy", vector)
        return table

    def write_clip(self, path: Path, n: int) -> None:
        """One clip's file."""
        np.savez(
            path,
            frames=self.frames[n].astype(np.float32),
            series=self.series[n].astype(np.float32),
            frame_model=FRAME_MODEL,
        )
