"""The models for pictures of this machine, safe to use from several request threads."""

from __future__ import annotations

import dataclasses

from retrieval.core.budget import Budget
from retrieval.core.errors import PreconditionError
from retrieval.core.spaces import EmbeddingSpace, Statistics
from retrieval.core.video import Prediction, VideoFeatures
from retrieval.search.faults import at_fault
from retrieval.settings import Settings
from retrieval.video.clips import ClipDecoder
from retrieval.video.features import FEATURE_SET, Recommender
from retrieval.video.frame_model import FrameModel
from retrieval.video.learned_features import FeatureModel, load_feature_model
from retrieval.video.limits import VideoLimits
from retrieval.video.looking import load_frame_model, look
from retrieval.video.mapping import DefaultMapping
from retrieval.video.recommender import load_recommender

UPLOAD_SECONDS = 300.0
"""Of processor or wall time that decoding an uploaded clip may take."""


class Pictures:
    """Looks at clips, and predicts the music for them."""

    def __init__(
        self,
        recommender: Recommender | None = None,
        features: FeatureModel | None = None,
        *,
        frames: FrameModel | None = None,
        limits: VideoLimits | None = None,
    ) -> None:
        """Take the models; no process starts before the first clip.

        Args:
            recommender: None means the default mapping.
            features: Gives the dimensions that a picture does not tell of itself.
            frames: Looks at frames, for models that take what it sees.
            limits: Bounds on uploaded clips.
        """
        self._frames = frames
        self._recommender = recommender
        self._features = features
        self._limits = limits or VideoLimits()
        self._decoder = ClipDecoder(timeout=UPLOAD_SECONDS)

    def look(self, clip: bytes, where: str, budget: Budget) -> VideoFeatures:
        """Measure an uploaded clip.

        Args:
            clip: A whole file.
            where: The field of the request it came in.
            budget: Checked every second of the clip.

        Raises:
            VideoError: If it is no usable video within the limits.
            DeadlineError: If the deadline passes meanwhile.
            CancelledError: If the caller goes away meanwhile.
            PreconditionError: MODEL_MISSING or MODEL_INVALID if the image model is none.
        """
        with at_fault(where):
            return look(
                clip,
                self._decoder,
                self._frames,
                self._limits,
                name=where,
                progress=lambda *_: budget.check("the clip was measured"),
            )

    def complete(self, features: VideoFeatures) -> VideoFeatures:
        """What was measured with what the model of dimensions adds, where that is of use.

        Raises:
            PreconditionError: FEATURE_SET_MISMATCH.
        """
        wanted = None if self._recommender is None else self._recommender.video_set
        if not features.feature_set:
            return dataclasses.replace(features, feature_set=wanted or FEATURE_SET)
        model = self._features
        if model is None or features.feature_set != model.measured_set:
            return features
        return model.complete(features) if wanted in {None, model.feature_set} else features

    def predict(
        self, features: VideoFeatures, space: EmbeddingSpace, statistics: Statistics
    ) -> Prediction:
        """The music for a clip, in the units of a library's space.

        Raises:
            PreconditionError: REVISION_MISMATCH if the recommender was made for another space,
                FEATURE_SET_MISMATCH or MODEL_MISSING as recommenders do.
        """
        if self._recommender is None:
            return DefaultMapping(space.dims, statistics).predict(features)
        revision = self._recommender.revision
        if revision is not None and revision != space.revision:
            raise PreconditionError(
                f"the recommender predicts music of feature set {revision}, the library's "
                f"{space.name!r} is of {space.revision}; train one for it (segue train "
                "recommender), or unset SEGUE_VIDEO_RECOMMENDER",
                reason="FEATURE_SET_MISMATCH",
                metadata={"library_revision": space.revision, "recommender_revision": revision},
            )
        return self._recommender.predict(features)

    def close(self) -> None:
        """End the decoder's process."""
        self._decoder.close()


def load_pictures(settings: Settings) -> Pictures:
    """The models that the settings name.

    Raises:
        PreconditionError: MODEL_MISSING or MODEL_INVALID if a file is not there or unusable.
    """
    recommender, features = settings.video_recommender, settings.video_features
    return Pictures(
        None if recommender is None else load_recommender(recommender),
        None if features is None else load_feature_model(features),
        frames=load_frame_model(settings),
        limits=VideoLimits(
            max_duration=settings.max_upload_duration, max_bytes=settings.max_upload_bytes
        ),
    )
