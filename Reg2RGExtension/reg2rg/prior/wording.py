"""Changes as sentences."""

from __future__ import annotations

from reg2rg.report.prior import ChangeKind, days_earlier

_WORDS = {
    ChangeKind.NEW: "is new",
    ChangeKind.LARGER: "is larger",
    ChangeKind.SMALLER: "is smaller",
    ChangeKind.STABLE: "is unchanged",
}


def change_sentence(
    subject: str, kind: ChangeKind, days: int | None, *, now: str = "", before: str = "", remark: str = ""
) -> str:
    """Return a change as a sentence.

    Args:
        subject: what changed, such as "the lung nodule in the right upper lobe".
        kind: how it changed.
        days: the interval in days; None if unknown.
        now: the current value with its unit; empty if there is none.
        before: the prior value with its unit; empty if there is none.
        remark: what follows the values; for what is not comparable, the reason.
    """
    prior = "the prior CT" if days is None else f"the prior CT {days_earlier(days)}"
    if kind is ChangeKind.NOT_COMPARABLE:
        return f"{subject[0].upper()}{subject[1:]} cannot be compared with {prior}: {remark}."
    if kind is ChangeKind.RESOLVED:
        return f"Compared with {prior}, {subject} is no longer seen (previously {before})."
    values = now if not before else f"{now}, previously {before}"
    details = "; ".join(part for part in (values, remark) if part)
    return f"Compared with {prior}, {subject} {_WORDS[kind]} ({details})."
