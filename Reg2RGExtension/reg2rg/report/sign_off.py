"""Sign a reviewed report, and amend a signed one."""

from __future__ import annotations

from dataclasses import replace

from reg2rg.errors import InputError
from reg2rg.regions import get_region
from reg2rg.report.report import Report
from reg2rg.report.review import MAX_NAME_LENGTH, ReviewState, Signature, is_name, now
from reg2rg.report.review_changes import logged
from reg2rg.report.seal import content_sha256
from reg2rg.report.serialization import parse_report, sealed
from reg2rg.runtime.dataclass_io import to_plain

ADDENDUM = "addendum"
"""Action in the log that begins the changes of an addendum."""


def sign(report: Report, reviewer: str) -> Report:
    """Sign a report. A signed report is final: it cannot be changed, only amended by an addendum.

    Args:
        report: a report in which every section has been accepted, edited or rejected.
        reviewer: name of the person who signs.

    Returns:
        The signed report.

    Raises:
        InputError: the report has not been reviewed completely, is signed already, is an addendum that changes nothing,
            or the name is not valid.
    """
    reviewer = reviewer.strip()
    if not is_name(reviewer):
        raise InputError(f"The reviewer's name is not valid; expected 1 to {MAX_NAME_LENGTH} characters in one line.")
    if report.review is None or not report.review.sections:
        raise InputError("The report cannot be signed, because it has not been reviewed.")
    states = {region: section.state for region, section in report.review.sections.items()}
    drafts = [get_region(region).display_name for region, state in states.items() if state is ReviewState.DRAFT]
    if drafts:
        raise InputError(f"The report cannot be signed; accept, edit or reject these sections: {', '.join(drafts)}.")
    if _changes_nothing(report):
        raise InputError("The addendum cannot be signed, because nothing has changed since the report was signed.")
    report = replace(
        parse_report(logged(report, "sign", "").to_json()), folder=report.folder
    )  # as a reader will get it
    assert report.review is not None
    return sealed(replace(report, review=replace(report.review, signature=Signature(reviewer, now(), ""))))


def addendum(report: Report) -> Report:
    """Return a new version of a signed report that can be changed and names the signed one.

    Raises:
        InputError: the report is not signed.
    """
    if report.review is None or report.review.signature is None:
        raise InputError("Only a signed report can be amended; this one is a draft and can be changed.")
    earlier = (*report.review.earlier_signatures, report.review.signature)
    amended = replace(report, review=replace(report.review, signature=None, earlier_signatures=earlier))
    return logged(amended, ADDENDUM, "")


def _changes_nothing(report: Report) -> bool:
    """Return whether a report is an addendum with the content of the version that it amends."""
    assert report.review is not None
    review = report.review
    begun = [index for index, change in enumerate(review.log) if change.action == ADDENDUM]
    if not review.earlier_signatures or not begun:
        return False
    *earlier, signature = review.earlier_signatures
    before = replace(review, signature=signature, earlier_signatures=tuple(earlier), log=review.log[: begun[-1]])
    return content_sha256(to_plain(replace(report, review=before))) == signature.content_sha256
