"""Bounds that hold on every path (P11), as protocol/src/limits.ts has them. Names end in their unit."""

FRAME_BYTES = 32 * 1024 * 1024
OUTPUT_BYTES = 1024 * 1024
STEP_VALUE_BYTES = 1024 * 1024
INPUT_VARIABLE_BYTES = 64 * 1024
NESTING_LEVELS = 500
KEY_CHARACTERS = 512
STATE_OPS_PER_TRANSACTION = 100
ID_CHARACTERS = 200
OPEN_WAITS_PER_RUN = 1_000
CODE_FILES = 5_000
SPAN_MS = 3_650 * 86_400_000
LOG_LINE_BYTES = 64 * 1024
ERROR_TEXT_BYTES = 64 * 1024
"""Beyond this, whole numbers of JSON are rounded by whoever reads them as doubles."""
SAFE_INTEGER = 2**53 - 1
