"""Good files damaged at random: a model or a LoadError comes out, and never another model than was saved.

Some hundreds in the usual run. KERASETTE_MUTATIONS=20000 (`make mutations`) asks for more.
"""

import os
import shutil
import sys

import pytest

from tests.attacks import mutations
from tests.attacks.arena import EXTRA, SECONDS, Arena
from tests.attacks.good import ENDINGS, Good

COUNT = int(os.environ.get("KERASETTE_MUTATIONS", "250"))
FIRST = int(os.environ.get("KERASETTE_MUTATIONS_FROM", "0"))
LONGEST = 400

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts memory as Linux does")


def wrong(found, kind, sound):
    """Returns what one mutation did that no file may do, in words, or None."""
    if "died" in found:
        return f"the process died: {found['died']}"
    if found["events"]:
        return f"events {found['events'][:3]}"
    if found["peak"] > EXTRA or found["seconds"] > SECONDS:
        return f"{found['peak'] >> 20} MiB, {found['seconds']:.1f} s"
    if found["error"] is None:
        return "another model" if kind not in ("json", "layers") and found["digest"] != sound else None
    if found["error"] != "LoadError" or len(found["text"]) > LONGEST or found["changed"]:
        return f"{found['error']} ({len(found['text'])} characters, changed: {found['changed']})"
    return None


def test_damaged_files(tmp_path):
    (tmp_path / "good").mkdir()
    good = Good(tmp_path / "good")
    arena = Arena(good.folder)
    bad, counts = [], {}
    try:
        sound = {entry: arena.run(entry, good.path(entry))["digest"] for entry in ENDINGS}
        for seed in range(FIRST, FIRST + COUNT):
            folder = tmp_path / "one"
            folder.mkdir()
            kind, entry, path = mutations.mutate(good, seed, folder)
            found = arena.run(entry, path)
            why = wrong(found, kind, sound[entry])
            key = kind, "loaded" if found.get("error") is None else "refused"
            counts[key] = counts.get(key, 0) + 1
            if why:
                bad.append(f"seed {seed}, {kind}, {entry}: {why}; {str(found.get('text'))[:150]}")
            shutil.rmtree(folder)
    finally:
        arena.close()
    print(counts)
    assert not bad, "\n".join([f"{len(bad)} of {COUNT}", *bad[:40]])
    assert counts["flips", "refused"] > COUNT // 20
    assert counts["json", "loaded"] > 0 and counts["json", "refused"] > 0
    assert counts["layers", "loaded"] > 0 and counts["layers", "refused"] > 0
