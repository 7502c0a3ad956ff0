"""A small synthesiser: short pieces of known character, rendered from a seed.

Used by ``segue demo`` and by tests, and as a source of training data with exact labels: every
piece carries the truth about its instruments, tempo, mode, register and drums.

::

    compose(style, seed) -> Piece(score, tags, truth)   catalogue, styles, score
    render(score, sample_rate) -> stereo sound          mixing, instruments, drums, signals
    encode + tag -> the bytes of a file                 files
    render_library(folder, pieces) -> the files         rendering, kept between runs

NumPy only. The same seed gives the same notes on every machine, and the same samples up to
floating-point rounding.
"""
