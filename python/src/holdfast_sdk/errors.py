"""Failures that a caller can act on."""

from __future__ import annotations

from typing import Any, Optional


class AppError(Exception):
    """A refusal by Holdfast. ``code`` is one of docs/errors.md; ``hint`` says what to do about it."""

    def __init__(self, code: str, message: str, *, hint: Optional[str] = None, details: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.details = details


def is_app_error(error: BaseException, *codes: str) -> bool:
    """True for an AppError; with codes, only for one of these."""
    return isinstance(error, AppError) and (not codes or error.code in codes)
