"""Settings: environment variables ``SEGUE_…``, overridden by command-line options."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_ENCODERS = "perceptual,lexical,ear"
"""What needs no download."""


class Settings(BaseSettings):
    """Everything that decides where a library lives and how it is served.

    Each field reads the environment variable ``SEGUE_<NAME>``. Secrets print as asterisks.
    """

    model_config = SettingsConfigDict(env_prefix="SEGUE_", extra="ignore", frozen=True)

    data_dir: Path = Field(default_factory=lambda: user_data_path("segue", appauthor=False))
    """Folder of the embedded store, of the indexer's manifests and of what is kept of models."""
    library: str = Field(default="music", pattern=r"^[a-z][a-z0-9_-]{0,47}$")
    """Name of the library: a folder of the data folder, or the prefix of a server's collections."""
    qdrant_url: str | None = None
    """``http(s)://host:6334`` of a Qdrant server's gRPC port; unset means the embedded store."""
    qdrant_api_key: SecretStr | None = None
    qdrant_timeout: float = Field(default=30.0, gt=0)
    """Seconds."""

    encoders: str = Field(
        default=DEFAULT_ENCODERS, pattern=r"^[a-z][a-z0-9_-]*(,[a-z][a-z0-9_-]*)*$"
    )
    """Names of the encoders to use, with commas; ``clap`` and ``clamp3`` need their weights."""
    clap_weights: str | None = None
    """CLAP: a local folder or LAION ``.pt`` file, or the name of a repository of the Hugging Face
    hub that has been downloaded; unset means ``models/clap`` in the data folder."""
    clap_sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$")
    """What the file of CLAP weights must hash to; unset means it is not checked."""
    clamp3_weights: Path | None = None
    """CLAMP3: a local folder; unset means ``models/clamp3`` in the data folder."""
    clamp3_sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$")
    """What the CLAMP3 checkpoint must hash to; unset means it is not checked."""
    device: str = Field(
        default="auto", pattern=r"^(auto|(cpu|mps|cuda(:\d+)?)(,(cpu|mps|cuda(:\d+)?))*)$"
    )
    """Where models run; ``auto`` means CUDA if there is any, else the CPU. Indexing uses all of
    several with commas, and every GPU if only ``auto`` or ``cuda`` is given; queries the first."""

    precision: str = Field(default="auto", pattern=r"^(auto|fp32|bf16|fp16)$")
    """What networks for sound compute in; ``auto`` means single precision, on a GPU less than that
    if it gives the same vectors. Those for text and for whole tracks keep to single precision."""
    runtime: str = Field(default="auto", pattern=r"^(auto|torch|onnx)$")
    """What networks run on, on a CPU; ``auto`` means ONNX Runtime if it is installed and gives the
    same vectors, else PyTorch."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """Of networks on a CPU; unset means all usable cores, or what ``OMP_NUM_THREADS`` says."""

    descriptors: str = Field(default="core", pattern=r"^[a-z][a-z0-9_-]*(,[a-z][a-z0-9_-]*)*$")
    """What tracks are described by as they are indexed: names with commas, ``core`` standing for
    all that need nothing more; ``core,notes`` adds note density, by Basic Pitch's model."""

    video_recommender: Path | None = None
    """A recommender trained by ``segue train recommender``; unset means the default mapping."""
    video_features: Path | None = None
    """A model trained by ``segue train video-features``: the dimensions of a clip that the picture
    does not tell of itself; unset means they stay unknown."""

    video_frames: Path | None = None
    """Folder of a CLIP model of transformers that looks at a frame per second of a clip, for
    trained models that take such vectors; unset means nobody looks."""

    text_cache: int = Field(default=1024, ge=0)
    """Vectors of repeated query texts to keep, over all spaces; 0 keeps none."""

    max_duration: float = Field(default=6 * 3600.0, gt=0)
    """Longest file to index, in seconds."""
    max_upload_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    max_upload_duration: float = Field(default=600.0, gt=0)
    """Longest sound of a query, in seconds; longer ones are refused."""

    token: SecretStr | None = None
    """Bearer token that every call to the service must carry; unset means none."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    """Certificate authority for client certificates; set it to require them (mTLS)."""
    max_concurrent: int = Field(default=64, ge=1)
    """Requests in work or waiting, per service; more are refused with RESOURCE_EXHAUSTED."""
    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=64 * 1024)
    """Largest single message; longer sounds and writes come as streams."""
    page_token_key: SecretStr | None = None
    """Signs page tokens. Set the same one on replicas behind one address; unset makes one up."""
    drain_seconds: float = Field(default=20.0, ge=0)
    log_level: str = Field(default="info", pattern=r"^(debug|info|warning|error)$")

    @property
    def graphs_dir(self) -> Path:
        """Folder of what is known of models, and exported for ONNX Runtime, so as to start fast."""
        return self.data_dir / "graphs"
