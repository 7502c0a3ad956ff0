"""The library a service serves: encoders loaded, store and decoders in processes of their own."""

from __future__ import annotations

from retrieval.audio import IsolatedDecoder, Limits
from retrieval.encoders.registry import default_encoders
from retrieval.search import LocalLibrary
from retrieval.search.calibration_file import folder_of
from retrieval.search.pictures import load_pictures
from retrieval.settings import Settings
from retrieval.store import open_store
from retrieval.store.series import SeriesFolder


class OwnLibrary(LocalLibrary):
    """A ``LocalLibrary`` that also owns the decoders of its uploads."""

    def __init__(self, settings: Settings) -> None:
        """Open everything the settings name.

        Raises:
            SegueError: If the store is locked or gone, or an encoder cannot load.
        """
        encoders = default_encoders(settings)
        self._decoder = IsolatedDecoder()
        super().__init__(
            open_store(settings, service=True),
            encoders,
            self._decoder,
            limits=Limits(
                max_duration=settings.max_upload_duration, max_bytes=settings.max_upload_bytes
            ),
            text_cache=settings.text_cache,
            calibrations=folder_of(settings),
            series=SeriesFolder.of(settings),
            pictures=load_pictures(settings),
        )
        self._decoder.start()
        for encoder in encoders.text():
            # Networks are made ready at their first call, which no caller should wait for.
            encoder.forward_text([encoder.prepare_text("music")])

    def close(self) -> None:
        """Close the store and end the decoders."""
        self._decoder.close()
        super().close()
