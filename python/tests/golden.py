"""The golden messages that the TypeScript tests read too."""

import json
from pathlib import Path
from typing import Any, Dict

FIXTURES: Dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[2] / "protocol" / "fixtures" / "channel-v1.json").read_text("utf-8")
)
