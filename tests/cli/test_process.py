"""The real command in a process of its own: start, terminal, pipe, Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest

from retrieval.cli.app import COMMANDS, segue
from tests.cli.conftest import FEW
from tests.signals import encode, song

SEGUE = [sys.executable, "-m", "retrieval.cli"]
HEAVY = ("numpy", "grpc", "google", "qdrant_client", "qdrant_edge", "pydantic", "lark", "av")


def test_help_of_every_command_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from retrieval.cli.app import COMMANDS, segue\n"
        "for name in ('', *COMMANDS):\n"
        "    done = CliRunner().invoke(segue, [*name.split(), '--help'])\n"
        "    assert done.exit_code == 0, (name, done.output)\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches(name):
    command = segue.get_command(None, name)
    assert "Examples:" in command.help
    assert f"segue {name}" in command.help
    assert "\\b" not in command.help


def test_version():
    done = subprocess.run([*SEGUE, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("segue 0.")


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SEGUE_", "COLUMNS"))}
    return {**kept, **FEW, "TERM": "xterm", **more}


def on_terminal(*args, columns=100, **settings):
    """What a person sees."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [*SEGUE, *map(str, args)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment(COLUMNS=str(columns), NO_COLOR="1", **settings),
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            chunk = os.read(leader, 65_536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    os.close(leader)
    return child.wait(), seen.decode()


def plain(seen):
    """Without the codes for bold and dim, which take no room."""
    return re.sub("\x1b\\[[0-9;]*m", "", seen)


def test_a_table_on_a_terminal(music):
    code, seen = on_terminal("search", "--audio", music.path(3), "-k", 2, "--data", music.data)
    seen = plain(seen)
    assert code == 0
    heading = next(line for line in seen.splitlines() if "title" in line)
    assert heading.split() == ["#", "score", "title", "artist", "best", "moments", "path"]
    first = next(line for line in seen.splitlines() if line.startswith(" 1 "))
    assert "White Noise [live]" in first
    assert "0:00–0:10" in seen
    assert "2 hits in" in seen


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_tables_fit_the_terminal(music, columns):
    _, seen = on_terminal("tracks", "list", "--data", music.data, columns=columns)
    assert max(map(len, plain(seen).splitlines())) <= columns
    _, seen = on_terminal("search", "--audio", music.path(3), "--data", music.data, columns=columns)
    assert max(map(len, plain(seen).splitlines())) <= columns


def test_progress_on_a_terminal(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.wav").write_bytes(encode(song(number, 1.2)))
    code, seen = on_terminal("index", tmp_path, "--data", tmp_path / "data", "--workers", 1)
    assert code == 0
    assert "indexing" in seen
    assert "3/3" in seen
    assert "3 indexed" in seen


def test_control_characters_in_tags_never_reach_the_terminal(tmp_path):
    (tmp_path / "a.wav").write_bytes(encode(song(1, 1.2)))
    (tmp_path / "m.json").write_text('[{"path": "a.wav", "title": "evil\\u001b[2Jtitle"}]')
    data = tmp_path / "data"
    for args in (
        ("index", tmp_path / "a.wav", "--metadata", tmp_path / "m.json"),
        ("tracks", "list"),
        ("tracks", "show", tmp_path / "a.wav"),
    ):
        code, seen = on_terminal(*args, "--data", data)
        assert code == 0
        assert "\x1b[2J" not in seen


def test_a_pipe_that_closes_early_leaves_no_traceback(music):
    command = " ".join(SEGUE) + f" tracks list --data {music.data} | head -c 1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.stderr == ""


def test_an_encoding_that_lacks_a_character(music):
    done = subprocess.run(
        [*SEGUE, "search", "--audio", str(music.path(0)), "--data", str(music.data)],
        capture_output=True,
        check=False,
        env=environment(PYTHONIOENCODING="latin-1"),
    )
    assert done.returncode == 0, done.stderr
    assert rb"0:00\u20130:10" in done.stdout


def test_ctrl_c_while_indexing_keeps_what_is_done(tmp_path):
    for number in range(40):
        (tmp_path / f"{number}.wav").write_bytes(encode(song(number, 6.0)))
    data = tmp_path / "data"
    index = [*SEGUE, "index", str(tmp_path), "--data", str(data), "--workers", "1", "--json"]
    child = subprocess.Popen(
        index, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    deadline = time.monotonic() + 60
    while not (data / "music").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "Traceback" not in err
    done = subprocess.run(index, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert '"found": 40' in done.stdout
    assert out == "" or '"found"' in out


def test_ctrl_c_elsewhere(music):
    """A command that waits ends at once and says nothing but that."""
    child = subprocess.Popen(
        [*SEGUE, "tracks", "delete", "--filter", "bpm > 0", "--data", str(music.data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    shown = ""
    while "Delete 6 tracks" not in shown:
        shown += child.stderr.read(1)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "Traceback" not in err
