"""The published weights there are: where each file lies, at which commit, and what it hashes to.

No hub could be asked when this was written: commits, sizes and digests are those that public
projects have recorded; one is named beside each as ``repository: file`` of GitHub. The digest of
every file of weights, and of every tokenizer, was found alike in at least two. A digest that nobody
has published is None, and the first download pins it (``weights_lock``).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from retrieval.core.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Licence:
    """What a part of the weights may be used for.

    Attributes:
        name: SPDX identifier.
        covers: The part.
        url: Where it is declared.
        non_commercial: Has to be confirmed once before the download.
    """

    name: str
    covers: str
    url: str
    non_commercial: bool = False


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of a hub repository.

    Attributes:
        repository: ``owner/name``.
        revision: Its commit, 40 hexadecimal digits.
        path: In the repository.
        name: Below the working folder.
        size: Bytes; None if nobody has published it.
        sha256: 64 hexadecimal digits; None if nobody has published it.
    """

    repository: str
    revision: str
    path: str
    name: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """All files that make a working folder of one encoder.

    Attributes:
        name: What ``segue models`` calls it.
        encoder: The encoder that reads it.
        summary: One line.
        files: The largest one last.
        licences: Of all parts.
        refused: Why it is not to be used, or None.
    """

    name: str
    encoder: str
    summary: str
    files: tuple[WeightFile, ...]
    licences: tuple[Licence, ...]
    refused: str | None = None

    @property
    def size(self) -> int | None:
        """Bytes, but for small files of unknown size; None if that of the largest is unknown."""
        if not self.files or self.files[-1].size is None:
            return None
        return sum(file.size or 0 for file in self.files)

    @property
    def pinned(self) -> bool:
        """Whether the digest of every file is known before the first download."""
        return all(file.sha256 is not None for file in self.files)


def _hub(
    name: str,
    summary: str,
    revision: str,
    *files: tuple[str, int | None, str | None],
    refused: str | None = None,
) -> Weights:
    repository = f"laion/{name}"
    return Weights(
        name,
        "clap",
        summary,
        tuple(
            WeightFile(repository, revision, path, path, size, sha256)
            for path, size, sha256 in files
        ),
        (Licence("Apache-2.0", "CLAP", f"https://huggingface.co/{repository}"),),
        refused,
    )


_LAION = "lukewys/laion_clap"
_LAION_LICENCES = (
    Licence("CC0-1.0", "the checkpoint", f"https://huggingface.co/{_LAION}"),
    Licence("MIT", "RoBERTa's tokenizer", "https://huggingface.co/FacebookAI/roberta-base"),
)
_ROBERTA = WeightFile(
    # The python-tokenizers package of Arch Linux pins roberta-large's, which is the same file.
    "FacebookAI/roberta-base",
    "e2da8e2f811d1448a5b465c236feacd80ffbac7b",
    "tokenizer.json",
    "tokenizer.json",
    1_355_863,
    "847bbeab6174d66a88898f729d52fa8d355fafe1bea101cf960dd404581df70e",
)


def _laion(name: str, summary: str, size: int | None = None, sha256: str | None = None) -> Weights:
    checkpoint = WeightFile(
        _LAION,
        "b3708341862f581175dba5c356a4ebf74a9b6651",
        f"{name}.pt",
        f"{name}.pt",
        size,
        sha256,
    )
    return Weights(name, "clap", summary, (_ROBERTA, checkpoint), _LAION_LICENCES)


# The same for all three "larger" ones.
_LARGER_TOKENIZER = (
    "tokenizer.json",
    2_108_774,
    "dc239041d98de27ffc3975473a1a23e3db4c937b23c138c38bbc66588bd247e5",
)
_HTSAT_TOKENIZER = (
    "tokenizer.json",
    2_108_746,
    "77ef92283d67f0d97e1454909a964afcbfa2019f0fb9f18f8e88d5c25c3ba729",
)

_SAAS = (
    "weights_clamp3_saas_h_size_768_t_model_FacebookAI_xlm-roberta-base_t_length_128_a_size_768"
    "_a_layers_12_a_length_128_s_size_768_s_layers_12_p_size_64_p_length_512.pth"
)

WEIGHTS: tuple[Weights, ...] = (
    Weights(
        "clamp3",
        "clamp3",
        "a hundred languages",
        (
            # brody-0125/dart_sentencepiece_tokenizer: test/huggingface_network_test.dart
            WeightFile(
                "FacebookAI/xlm-roberta-base",
                "e73636d4f797dec63c3081bb6ed5c7b0bb3f2089",
                "tokenizer.json",
                "xlm-roberta-base/tokenizer.json",
                9_096_718,
                "a898ea75433890f6610f4e470b8ebeb0c21dce5c8dd61f892eb09eb5919d2e2c",
            ),
            # platten/playlistai: python/enhanced-audio-sources.json, and
            # discolotus/flowset: apps/api/scripts/download_semantic_models.py
            WeightFile(
                "m-a-p/MERT-v1-95M",
                "12af15fef9d0ac838c3f475bfbbf26d2060dd4f5",
                "config.json",
                "MERT-v1-95M/config.json",
                1_817,
                "ea2627c4c7825cd66f3c944b6b966331604c35928174e0100cd4a82829424e32",
            ),
            WeightFile(
                "m-a-p/MERT-v1-95M",
                "12af15fef9d0ac838c3f475bfbbf26d2060dd4f5",
                "pytorch_model.bin",
                "MERT-v1-95M/pytorch_model.bin",
                377_552_987,
                "a2b8b747f72c06e0595aeae41ae5473f4364938c6b39b2c58be38c48e6bd3fcd",
            ),
            # Alike in several projects that run CLAMP3, at this commit and at 355625c.
            WeightFile(
                "sander-wood/clamp3",
                "791815a04a3a2bd9ab64cf590ba8307930c179e6",
                _SAAS,
                f"clamp3/{_SAAS}",
                2_571_027_658,
                "5033f868e3977be3945ee416b5a1718d5589a173c7ba8982231d8c94a6441d80",
            ),
        ),
        (
            Licence("MIT", "CLAMP3", "https://huggingface.co/sander-wood/clamp3"),
            Licence(
                "CC-BY-NC-4.0",
                "MERT, its half for sound",
                "https://huggingface.co/m-a-p/MERT-v1-95M",
                non_commercial=True,
            ),
            Licence(
                "MIT", "XLM-R's tokenizer", "https://huggingface.co/FacebookAI/xlm-roberta-base"
            ),
        ),
    ),
    # tetherto/qvac-fabric-speech.cpp: scripts/benchmarks/music-alignment-model.json
    _hub(
        "larger_clap_music_and_speech",
        "music and speech",
        "195c3a3e68faebb3e2088b9a79e79b43ddbda76b",
        ("config.json", None, "04733de73869ed861b469b275a0f31d04a7004f578234bcc3d080fd38da6c4db"),
        _LARGER_TOKENIZER,
        (
            "pytorch_model.bin",
            776_444_665,
            "b73c5e596fda5b29b522a1ab3f0842977fe2b147bf8b78c2ec5f7ae6267038a1",
        ),
    ),
    # haukebri/audio-factory: qa-model.lock.json at 6d58f56
    _hub(
        "larger_clap_general",
        "any sound",
        "ada0c23a36c4e8582805bb38fec3905903f18b41",
        ("config.json", 643, "6268f76a067e3104bf9001e97d7dcc0fcfb16f3086cfb478ee72d95900d7fc1d"),
        _LARGER_TOKENIZER,
        (
            "pytorch_model.bin",
            776_444_665,
            "314eb00cce6ad68d25237b8446b659ccdb136ed4672c1bca470f142f72455026",
        ),
    ),
    # haukebri/audio-factory: qa-model.lock.json at 238d918
    _hub(
        "clap-htsat-unfused",
        "any sound, smaller",
        "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a",
        ("config.json", 5_390, "9efb9557bc804f2ca6e394486af2e45dfed0b18554909735a99c6220b84e4288"),
        _HTSAT_TOKENIZER,
        (
            "pytorch_model.bin",
            614_525_833,
            "1cd3c601bc4afe0fa87be3de4c13dd2cfadd249fac1e29acf74a9b296c3219bb",
        ),
    ),
    # YUHU-1st/StemScore-Public: stemscore/model_catalog.json, and
    # Yehor212/people-first-app: config/audio/hyperfocus-ai-models-v2.json
    _hub(
        "clap-htsat-fused",
        "any sound, smaller",
        "365dea6ef167def6676140ed93bbc43f84dabb28",
        ("config.json", 5_422, "b1d63489dc5061da229c23d2b11e9ca731639574449f82319fabb01da7fcf480"),
        _HTSAT_TOKENIZER,
        (
            "model.safetensors",
            614_496_152,
            "3f648de6d030e17494be455d323b8d191233fbae0c7ce0ba745fd21a926a63a6",
        ),
    ),
    _hub(
        "larger_clap_music",
        "not to be used",
        "a0b4534a14f58e20944452dff00a22a06ce629d1",
        refused="its text tower has collapsed: any two texts have a cosine of about 0.9993 "
        "(github.com/embeddings-benchmark/mteb/issues/5069); "
        "use music_audioset_epoch_15_esc_90.14, the same model as it was trained",
    ),
    # gchiaramonte3/SauceBunny, whose parity check against LAION's own code demands this digest
    _laion(
        "music_audioset_epoch_15_esc_90.14",
        "best for music",
        2_352_471_003,
        "fae3e9c087f2909c28a09dc31c8dfcdacbc42ba44c70e972b58c1bd1caf6dedd",
    ),
    _laion("music_speech_epoch_15_esc_89.25", "music and speech"),
    # huggingface.co/lukewys/laion_clap, commit 4226474e38defca6fc9272a7848bb7b0355ccd7a
    _laion(
        "music_speech_audioset_epoch_15_esc_89.98",
        "any sound",
        2_352_471_003,
        "51c68f12f9d7ea25fdaaccf741ec7f81e93ee594455410f3bca4f47f88d8e006",
    ),
    # discolotus/flowset: apps/api/scripts/download_semantic_models.py
    _laion(
        "630k-audioset-best",
        "any sound, smaller",
        1_863_587_645,
        "8053c9775516af2f4902e1e8281e356cc1bf7a85e8b761908170767b77c3f037",
    ),
    _laion("630k-audioset-fusion-best", "any sound, smaller"),
)
DEFAULTS = {"clap": "larger_clap_music_and_speech", "clamp3": "clamp3"}
"""What the name of an encoder stands for."""


def every() -> tuple[Weights, ...]:
    """All there are, also those to refuse."""
    return WEIGHTS


def find(name: str) -> Weights:
    """The weights of this name; an encoder's name stands for its default.

    Raises:
        InvalidInputError: INVALID_SETTING, with a near name, if there are none.
    """
    known = {weights.name: weights for weights in every()}
    wanted = DEFAULTS.get(name, name).removesuffix(".pt").removeprefix("laion/")
    if wanted in known:
        return known[wanted]
    close = difflib.get_close_matches(wanted, [*DEFAULTS, *known], n=1)
    meant = f"did you mean {close[0]!r}?" if close else "segue models list shows what there is"
    raise InvalidInputError(
        f"there are no published weights {name!r}; {meant}",
        reason="INVALID_SETTING",
        metadata={"name": name},
    )
