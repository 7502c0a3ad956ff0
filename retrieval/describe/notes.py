"""Notes: how many, how high, with Spotify's Basic Pitch (Bittner et al., ICASSP 2022).

Its model is 230 KB of ONNX (Apache-2.0) that comes in the wheel ``basic-pitch``. The wheel's own
requirements force TensorFlow in, and its code is not used here, so it is installed without them:
``pip install --no-deps basic-pitch`` beside the extra ``onnx``.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import PreconditionError
from retrieval.core.payload import Field, FieldType
from retrieval.describe.density import Activations, density
from retrieval.describe.protocol import RATE, Findings, Series, SeriesField, Sound

MODEL_SHA256 = "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec"
"""Of ``nmp.onnx`` in basic-pitch 0.4.0, the only model the figures are known of."""

_WINDOW = 43_844
"""Samples the model takes at once, at 22,050 Hz."""
_FRAME = 256
"""Samples from one of its 172 frames to the next."""
_MARGIN = 15
"""Frames at each end of a window that know too little of what is beyond it."""
_STEP = _WINDOW - 2 * _MARGIN * _FRAME
_BATCH = 8
_LOWEST = 21
"""MIDI number of the first of its 88 pitches."""
_ONSET, _SOUNDING = 0.5, 0.3
"""What the model's two activations reach where a note begins, and while it sounds; its authors'."""
_LEAK = 2
"""Frames by which the onset of a note may show earlier or later in the pitches next to it."""
_SHORTEST = 5
"""Frames (58 ms) that a note sounds at least."""
_BRIDGED = 11
"""Frames that a note may fall below the threshold without being over; its authors'."""
_EXTREME = 0.02
"""Share of all sounding time that may lie below or above the pitch range: a stray note is none."""

Picture = NDArray[np.float32]
_INPUT = "serving_default_input_2:0"
_OUTPUTS = ["StatefulPartitionedCall:1", "StatefulPartitionedCall:2"]


def find_model() -> Path | None:
    """The model in an installed ``basic-pitch``, none of whose code is loaded, if there is one."""
    spec = importlib.util.find_spec("basic_pitch")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        model = Path(folder) / "saved_models" / "icassp_2022" / "nmp.onnx"
        if model.is_file():
            return model
    return None


class Notes:
    """Note density and pitch range, and the notes as a series."""

    name = "notes"
    version = 3
    fields = (
        Field("note_density", FieldType.FLOAT, "pitched notes that begin, per second, 0..50", True),
        Field("note_density_confidence", FieldType.FLOAT, "clearness of the notes, 0..1", True),
        Field("pitch_low", FieldType.INTEGER, "lowest pitch, MIDI number, 21..108", True),
        Field("pitch_low_confidence", FieldType.FLOAT, "clearness of its notes, 0..1", True),
        Field("pitch_high", FieldType.INTEGER, "highest pitch, MIDI number, 21..108", True),
        Field("pitch_high_confidence", FieldType.FLOAT, "clearness of its notes, 0..1", True),
    )
    series = (SeriesField("notes", "MIDI number", "pitch of each note, while it sounds"),)

    def __init__(self, model: Path | None = None) -> None:
        """Look for the model, and load nothing yet.

        Args:
            model: ``nmp.onnx``; None for that of an installed ``basic-pitch``.

        Raises:
            PreconditionError: MODEL_MISSING if there is none or ONNX Runtime is not installed,
                MODEL_INVALID if it is another file.
        """
        found = model or find_model()
        if found is None or not found.is_file() or importlib.util.find_spec("onnxruntime") is None:
            raise PreconditionError(
                "descriptor 'notes' needs ONNX Runtime and the model of Basic Pitch: pip install "
                "'segue[onnx]' and pip install --no-deps basic-pitch",
                reason="MODEL_MISSING",
                metadata={"descriptor": "notes", "extra": "onnx"},
            )
        self._model = found

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        graph = self._model.read_bytes()
        if hashlib.sha256(graph).hexdigest() != MODEL_SHA256:
            raise PreconditionError(
                f"{self._model}: not the model of basic-pitch 0.4.0", reason="MODEL_INVALID"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def __getstate__(self) -> dict[str, Any]:
        # Sent to workers; a session stays where it was made.
        return {"_model": self._model}

    def describe(self, sound: Sound) -> Findings:
        """A pitch range only if there are any notes."""
        if not np.any(sound.samples):
            return Findings({})
        activations = self.activations(sound.samples)
        times = activations[0]
        starts, ends, pitches, strengths = transcribe(*activations[1:])
        begin = times[starts]
        inside = begin < sound.seconds
        begin, pitches, strengths = begin[inside], pitches[inside], strengths[inside]
        finish = np.minimum(times[ends[inside]], sound.seconds)
        finish = np.maximum(finish, begin)
        clear = float(strengths.mean()) if len(begin) else 0.0
        found, sure = density(sound, activations, len(begin) / sound.seconds, clear)
        scalars: dict[str, Any] = {
            "note_density": round(found, 3),
            "note_density_confidence": round(sure, 3),
        }
        if len(begin):
            low, high = _range(pitches, finish - begin)
            for name, pitch in (("pitch_low", low), ("pitch_high", high)):
                sure = float(strengths[pitches == pitch].mean())
                scalars |= {name: pitch, f"{name}_confidence": round(sure, 3)}
        notes = Series("notes", pitches.astype(np.uint8), times=begin, ends=finish)
        return Findings(scalars, (notes,))

    def activations(self, samples: NDArray[np.float32]) -> Activations:
        """What the model makes of samples at ``RATE``, of shape (n,).

        Windows overlap by twice the margin, which is cut off. Frame ``j`` of the window that
        begins at sample ``b`` is at ``b + 256 j``: the windows' step is no multiple of a frame.
        """
        count = -(-len(samples) // _STEP)
        margin = _MARGIN * _FRAME
        padded = np.pad(samples, (margin, count * _STEP + _WINDOW - margin - len(samples)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_STEP][:count]
        parts = []
        for start in range(0, count, _BATCH):
            batch = np.ascontiguousarray(windows[start : start + _BATCH])[:, :, None]
            parts.append(self._session.run(_OUTPUTS, {_INPUT: batch}))
        # As many frames as the step is long: the last one of a window is the first of the next.
        kept = slice(_MARGIN, _MARGIN + _STEP // _FRAME)
        sounding, onsets = (
            np.concatenate([p[k] for p in parts])[:, kept].reshape(-1, 88) for k in (0, 1)
        )
        inside = np.arange(_STEP // _FRAME) * _FRAME
        begins = np.arange(count)[:, None] * _STEP
        return (begins + inside).ravel() / RATE, sounding, onsets


def transcribe(
    sounding: Picture, onsets: Picture
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Notes from activations of shape (frames, 88).

    A note begins where its onset peaks in time and among its neighbours, and sounds until its
    activation stays low or it begins again.

    Returns:
        First frame, last frame, MIDI number and mean activation of each note, in order of time.
    """
    if not len(sounding):
        nothing = np.empty(0, dtype=np.intp)
        return nothing, nothing, nothing, np.empty(0, dtype=np.float32)
    before, after = np.pad(onsets, ((1, 0), (0, 0)))[:-1], np.pad(onsets, ((0, 1), (0, 0)))[1:]
    padded = np.pad(onsets, ((_LEAK, _LEAK), (1, 1)))
    near = np.max([padded[k : k + len(onsets)] for k in range(2 * _LEAK + 1)], axis=0)
    peak = (onsets >= _ONSET) & (onsets > before) & (onsets >= after)
    peak &= (onsets >= near[:, :-2]) & (onsets >= near[:, 2:])
    starts, ends, pitches, strengths = [], [], [], []
    for pitch in np.flatnonzero(peak.any(axis=0)):
        begins = np.flatnonzero(peak[:, pitch])
        low = sounding[:, pitch] < _SOUNDING
        for begin, following in zip(begins, np.append(begins[1:], len(low)), strict=True):
            end = _end(low[begin + 1 : following]) + begin + 1
            if end - begin > _SHORTEST:
                starts.append(begin)
                ends.append(min(end, len(low) - 1))
                pitches.append(pitch + _LOWEST)
                strengths.append(sounding[begin:end, pitch].mean())
    order = np.lexsort((pitches, starts))
    return (
        np.array(starts, dtype=np.intp)[order],
        np.array(ends, dtype=np.intp)[order],
        np.array(pitches, dtype=np.intp)[order],
        np.array(strengths, dtype=np.float32)[order],
    )


def _end(low: NDArray[np.bool_]) -> int:
    """Frames until a note has ended for good, gaps of less than ``_BRIDGED`` being none."""
    sums = np.cumsum(low, dtype=np.intp)
    runs = sums[_BRIDGED - 1 :] - np.concatenate([[0], sums])[: max(0, len(low) - _BRIDGED + 1)]
    over = np.flatnonzero(runs == _BRIDGED)
    if len(over):
        return int(over[0])
    high = np.flatnonzero(~low)
    return int(high[-1]) + 1 if len(high) else 0


def _range(pitches: NDArray[np.intp], lengths: NDArray[np.float64]) -> tuple[int, int]:
    order = np.argsort(pitches, kind="stable")
    share = np.cumsum(lengths[order] + 1e-9)
    share /= share[-1]
    low, high = np.searchsorted(share, (_EXTREME, 1.0 - _EXTREME))
    return int(pitches[order][low]), int(pitches[order][min(high, len(order) - 1)])
