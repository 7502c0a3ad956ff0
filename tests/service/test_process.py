"""The service as a process: with its store out of process, told to stop by signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.client import Client
from retrieval.core.queries import AudioQuery, SearchRequest, WeightedQuery
from tests.service.gated import eventually
from tests.service.running import local_library, tracks
from tests.service.sounds import tone

CODE = """
import sys
from pathlib import Path
from retrieval.service import serve
from retrieval.settings import Settings
folder = Path(sys.argv[1])
serve(Settings(data_dir=folder), "127.0.0.1:0", port_file=folder / "port")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_serves_and_stops_cleanly(tmp_path: Path, number: int) -> None:
    local_library(tmp_path, tracks(20)).close()
    port_file = tmp_path / "port"
    with subprocess.Popen(
        [sys.executable, "-c", CODE, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            eventually(lambda: port_file.exists() or child.poll() is not None, 150)
            eventually(lambda: port_file.read_text().endswith("\n"), 5)
            address = f"127.0.0.1:{port_file.read_text().strip()}"
            with Client(address) as client:
                assert client.count_tracks() == 20
                audio = SearchRequest((WeightedQuery(AudioQuery(tone(2.0))),))
                assert len(client.search(audio).hits) == 10
            if number is signal.SIGINT:
                os.killpg(child.pid, number)  # as a terminal does: the store's process gets it too
            else:
                child.send_signal(number)
            out, err = child.communicate(timeout=150)
        finally:
            child.kill()
    assert child.returncode == 0, err
    assert out.strip() == address
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert events[-2:] == ["draining", "stopped"]
    assert "listening" in events
    assert not port_file.exists()
    # Nothing holds the library any more.
    again = local_library(tmp_path)
    assert again.count_tracks() == 20
    again.close()


def test_a_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    library = local_library(tmp_path, tracks(3))
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=150,
    )
    library.close()
    assert done.returncode != 0
    assert "STORE_LOCKED" in done.stderr or "another process" in done.stderr
    assert not (tmp_path / "port").exists()
