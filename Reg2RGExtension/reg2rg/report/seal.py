"""The seal of a signed report: a hash of its content, by which a later change is noticed.

The hash is the SHA-256 of everything in ``report.json`` except the hash itself: the model's text, findings and
measurements, the states, edits and corrections of the reviewer, and who signed and when. The values are hashed as JSON
with sorted keys, no white space and ASCII characters only, so that neither formatting nor encoding matters. The files
with segmentations and pictures are not covered.

A seal protects against accidents, such as a file edited by hand or a program that changes a report after it was signed.
It is not a cryptographic signature: anyone can compute a new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from reg2rg.errors import InputError


class ChangedReportError(InputError):
    """The content of a signed report is not what was signed."""


def content_sha256(values: Mapping[str, Any]) -> str:
    """Return the hash of a signed report.

    Args:
        values: the values of ``report.json``.
    """
    review = values["review"]
    unsealed = {**values, "review": {**review, "signature": {**review["signature"], "content_sha256": ""}}}
    text = json.dumps(unsealed, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def check_seal(values: Mapping[str, Any]) -> None:
    """Check that the content of a signed report is what was signed. Reports without a signature are drafts.

    Args:
        values: the values of ``report.json``.

    Raises:
        ChangedReportError: the content has changed since.
    """
    review = values.get("review")
    signature = review.get("signature") if isinstance(review, Mapping) else None
    if isinstance(signature, Mapping) and signature.get("content_sha256") != content_sha256(values):
        raise ChangedReportError(
            f"The report was changed after {signature.get('reviewer')!r} signed it; its content does not match the "
            "signature. Restore the signed report, or remove the signature to make it a draft."
        )
