"""The example: two real models, every promise put to the test, and a failure that is not hidden."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits.py"


def test_digits(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLE), str(tmp_path / "store")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "DIFFER" not in result.stdout
    assert result.stdout.count("  ok ") >= 9
    assert "all answers are the same" in result.stdout
    assert result.stderr == ""


def test_digits_fails_where_an_answer_differs(tmp_path: Path) -> None:
    spoil = (
        f"import sys; sys.path.insert(0, {str(EXAMPLE.parent)!r})\n"
        "import digits\n"
        "genuine = digits.train_linear\n"
        "def spoilt(experiment):\n"
        "    measured = genuine(experiment)\n"
        "    measured['linear', 'train', 'loss'][3] += 1e-15\n"
        "    return measured\n"
        "digits.train_linear = spoilt\n"
        "sys.exit(digits.main())\n"
    )
    command = [sys.executable, "-c", spoil, str(tmp_path / "store")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "SOME ANSWERS DIFFER" in result.stdout
