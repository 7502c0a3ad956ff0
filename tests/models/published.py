"""Tiny models published on a hub of this machine, and a catalogue that knows them."""

from __future__ import annotations

from pathlib import Path

from retrieval.encoders.weights_catalogue import Licence, Weights
from tests.models.hub import Hub
from tests.models.tiny import CLAMP3_NAME, write_clamp3, write_tokenizer
from tests.models.tiny_clap import tiny_clap, write_hub, write_laion

FREE = Licence("Apache-2.0", "all of it", "https://example.org")
UNFREE = Licence("CC-BY-NC-4.0", "its half for sound", "https://example.org", non_commercial=True)
CLAMP3_REPOSITORIES = {
    "clamp3": "sander-wood/clamp3",
    "MERT-v1-95M": "m-a-p/MERT-v1-95M",
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
}
_SAAS = CLAMP3_NAME.format(flavour="saas")


def publish(hub: Hub, place: Path) -> tuple[Weights, ...]:
    """Write tiny models below ``place``, serve them, and describe them as the catalogue does."""
    write_clamp3(place / "clamp3")
    hub.add(place / "clamp3", CLAMP3_REPOSITORIES)
    clamp3 = Weights(
        "clamp3",
        "clamp3",
        "tiny",
        tuple(
            hub.entry(CLAMP3_REPOSITORIES[sub], path, f"{sub}/{path}")
            for sub, path in (
                ("xlm-roberta-base", "tokenizer.json"),
                ("MERT-v1-95M", "config.json"),
                ("MERT-v1-95M", "pytorch_model.bin"),
                ("clamp3", _SAAS),
            )
        ),
        (FREE, UNFREE),
    )
    write_hub(place / "clap")
    hub.add(place, {"clap": "laion/larger_clap_music_and_speech"})
    names = ("config.json", "tokenizer.json", "model.safetensors")
    clap = Weights(
        "larger_clap_music_and_speech",
        "clap",
        "tiny",
        tuple(hub.entry("laion/larger_clap_music_and_speech", name, name) for name in names),
        (FREE,),
    )
    (place / "laion").mkdir()
    model = tiny_clap(write_tokenizer(place / "laion" / "tokenizer.json"), seed=1)
    write_laion(place / "laion" / "tiny.pt", model)
    hub.add(place, {"laion": "lukewys/laion_clap"})
    laion = Weights(
        "tiny",
        "clap",
        "LAION's own",
        tuple(
            hub.entry("lukewys/laion_clap", name, name, pinned=False)
            for name in ("tokenizer.json", "tiny.pt")
        ),
        (FREE,),
    )
    bad = Weights("larger_clap_music", "clap", "tiny", (), (FREE,), "its text tower has collapsed")
    return (clamp3, clap, laion, bad)
