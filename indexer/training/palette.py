"""The instruments that the training music is played on: General MIDI programs by name and family.

Program numbers are those of the General MIDI 1 sound set, counted from 0.
"""

from __future__ import annotations

from dataclasses import dataclass

FAMILIES = (
    "piano",
    "mallets",
    "organ",
    "guitar",
    "bass",
    "strings",
    "voice",
    "brass",
    "reeds",
    "flutes",
    "synthesizer",
    "drums",
)
"""What a solo can be told apart as; drums are those of the percussion channel."""

MELODY, CHORDS, BASS, PAD, ARPEGGIO = "melody", "chords", "bass", "pad", "arpeggio"


@dataclass(frozen=True, slots=True)
class Timbre:
    """One instrument.

    Attributes:
        name: What captions call it.
        family: One of ``FAMILIES``.
        programs: General MIDI programs that sound like it; none for what ``singing`` renders.
        low: Lowest MIDI note it plays.
        high: Highest MIDI note it plays.
        roles: What it plays in an arrangement.
        held: Whether a note sounds as long as it is held, rather than dying away.
    """

    name: str
    family: str
    programs: tuple[int, ...]
    low: int
    high: int
    roles: frozenset[str]
    held: bool


def _timbre(  # noqa: PLR0917 - the columns of a table
    name: str, family: str, programs: str, low: int, high: int, roles: str, *, held: bool = False
) -> Timbre:
    words = {"m": MELODY, "c": CHORDS, "b": BASS, "p": PAD, "a": ARPEGGIO}
    numbers = tuple(int(number) for number in programs.split())
    return Timbre(name, family, numbers, low, high, frozenset(words[r] for r in roles), held)


TIMBRES: dict[str, Timbre] = {
    timbre.name: timbre
    for timbre in (
        _timbre("piano", "piano", "0 1 2", 28, 100, "mca"),
        _timbre("honky-tonk piano", "piano", "3", 36, 92, "mc"),
        _timbre("electric piano", "piano", "4 5", 36, 92, "mca"),
        _timbre("harpsichord", "piano", "6", 36, 88, "mca"),
        _timbre("clavinet", "piano", "7", 36, 84, "mc"),
        _timbre("celesta", "mallets", "8", 60, 103, "ma"),
        _timbre("glockenspiel", "mallets", "9", 72, 105, "m"),
        _timbre("music box", "mallets", "10", 60, 100, "ma"),
        _timbre("vibraphone", "mallets", "11", 53, 89, "mca"),
        _timbre("marimba", "mallets", "12", 45, 96, "mca"),
        _timbre("xylophone", "mallets", "13", 65, 105, "m"),
        _timbre("tubular bells", "mallets", "14", 60, 77, "m"),
        _timbre("dulcimer", "mallets", "15", 48, 84, "ma"),
        _timbre("hammond organ", "organ", "16 17 18", 36, 96, "mcp", held=True),
        _timbre("church organ", "organ", "19", 36, 96, "mcp", held=True),
        _timbre("reed organ", "organ", "20", 41, 89, "mcp", held=True),
        _timbre("accordion", "organ", "21 23", 48, 89, "mc", held=True),
        _timbre("harmonica", "reeds", "22", 60, 96, "m", held=True),
        _timbre("acoustic guitar", "guitar", "24 25", 40, 83, "mca"),
        _timbre("jazz guitar", "guitar", "26", 40, 86, "mc"),
        _timbre("electric guitar", "guitar", "27 28", 40, 86, "mca"),
        _timbre("distorted guitar", "guitar", "29 30", 38, 86, "mc", held=True),
        _timbre("double bass", "bass", "32", 28, 55, "b"),
        _timbre("bass guitar", "bass", "33 34 35", 28, 60, "b"),
        _timbre("slap bass", "bass", "36 37", 28, 60, "b"),
        _timbre("synth bass", "bass", "38 39", 24, 60, "b"),
        _timbre("violin", "strings", "40", 55, 100, "m", held=True),
        _timbre("viola", "strings", "41", 48, 86, "m", held=True),
        _timbre("cello", "strings", "42", 36, 76, "mb", held=True),
        _timbre("contrabass", "strings", "43", 28, 55, "b", held=True),
        _timbre("tremolo strings", "strings", "44", 43, 91, "cp", held=True),
        _timbre("pizzicato strings", "strings", "45", 40, 91, "mcab"),
        _timbre("harp", "guitar", "46", 36, 98, "ca"),
        _timbre("timpani", "drums", "47", 36, 57, "b"),
        _timbre("string orchestra", "strings", "48 49", 36, 96, "mcp", held=True),
        _timbre("synth strings", "synthesizer", "50 51", 36, 96, "cp", held=True),
        _timbre("choir", "voice", "52 53", 48, 81, "mcp", held=True),
        _timbre("synth voice", "voice", "54", 48, 84, "mcp", held=True),
        _timbre("singing voice", "voice", "", 45, 81, "m", held=True),
        _timbre("trumpet", "brass", "56", 54, 86, "m", held=True),
        _timbre("trombone", "brass", "57", 40, 72, "mb", held=True),
        _timbre("tuba", "brass", "58", 29, 58, "b", held=True),
        _timbre("muted trumpet", "brass", "59", 54, 82, "m", held=True),
        _timbre("french horn", "brass", "60", 41, 77, "mp", held=True),
        _timbre("brass section", "brass", "61 62 63", 40, 86, "mc", held=True),
        _timbre("soprano saxophone", "reeds", "64", 56, 88, "m", held=True),
        _timbre("alto saxophone", "reeds", "65", 49, 81, "m", held=True),
        _timbre("tenor saxophone", "reeds", "66", 44, 76, "m", held=True),
        _timbre("baritone saxophone", "reeds", "67", 36, 69, "mb", held=True),
        _timbre("oboe", "reeds", "68", 58, 91, "m", held=True),
        _timbre("english horn", "reeds", "69", 52, 81, "m", held=True),
        _timbre("bassoon", "reeds", "70", 34, 72, "mb", held=True),
        _timbre("clarinet", "reeds", "71", 50, 91, "m", held=True),
        _timbre("piccolo", "flutes", "72", 74, 108, "m", held=True),
        _timbre("flute", "flutes", "73", 60, 96, "m", held=True),
        _timbre("recorder", "flutes", "74", 60, 96, "m", held=True),
        _timbre("pan flute", "flutes", "75", 60, 96, "m", held=True),
        _timbre("bottle flute", "flutes", "76 77", 60, 93, "m", held=True),
        _timbre("whistle", "flutes", "78 79", 60, 96, "m", held=True),
        _timbre("synth lead", "synthesizer", "80 81 82 84 86 87", 48, 96, "ma", held=True),
        _timbre("synth pad", "synthesizer", "88 89 90 91 92 94 95", 36, 96, "cp", held=True),
        _timbre("sitar", "guitar", "104", 48, 79, "m"),
        _timbre("banjo", "guitar", "105", 48, 84, "ma"),
        _timbre("shamisen", "guitar", "106", 50, 79, "m"),
        _timbre("koto", "guitar", "107", 48, 84, "ma"),
        _timbre("kalimba", "mallets", "108", 48, 84, "ma"),
        _timbre("bagpipes", "reeds", "109", 50, 84, "m", held=True),
        _timbre("fiddle", "strings", "110", 55, 96, "m", held=True),
        _timbre("steel drums", "mallets", "114", 52, 84, "m"),
    )
}
"""By name. Sound effects and unpitched programs are left out."""


def playing(role: str, *, families: tuple[str, ...] = ()) -> tuple[Timbre, ...]:
    """Timbres that play a role, of these families if any are named."""
    return tuple(
        timbre
        for timbre in TIMBRES.values()
        if role in timbre.roles and (not families or timbre.family in families)
    )
