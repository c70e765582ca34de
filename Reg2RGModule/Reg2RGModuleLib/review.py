"""A report under review: what the model wrote, what the radiologist makes of it, and the way back.

The stored form is JSON: the engine's report as it was written, and beside it the states, edits and the impression. The
model's own words are never overwritten; a section that is written again goes to the end of "replaced".
"""

import copy
import datetime
import json

from Reg2RGModuleLib.signal import Signal

FORM = "Reg2RG review"
VERSION = 1
DRAFT, EDITED, ACCEPTED, REJECTED = "draft", "edited", "accepted", "rejected"
LOW_PROBABILITY = 0.8
"""A sentence whose words had a lower mean probability is marked."""


class Review:
    """The report of one volume under review.

    Signals:
        changed(str): something about the section of that region has changed; "" if it concerns the whole report.
    """

    def __init__(self, document):
        self.changed = Signal()
        self._document = document
        self._undo = []

    @classmethod
    def ofReport(cls, report):
        """A new review of a report (plain JSON types, as in report.json): everything is a draft."""
        from reg2rg.report.impression import draft_impression

        sections = {section["region"]: {"state": DRAFT, "text": section["text"]} for section in report["sections"]}
        impression = draft_impression((section["region"], section["text"]) for section in report["sections"])
        return cls(
            {
                "form": FORM,
                "version": VERSION,
                "report": report,
                "sections": sections,
                "impression": {"text": impression, "edited": False},
                "replaced": [],
                "log": [],
            }
        )

    @classmethod
    def fromJson(cls, text):
        """Read what ``toJson`` wrote; ValueError says what is wrong with anything else."""
        from reg2rg.report import Report

        try:
            document = json.loads(text)
            if document["form"] != FORM or document["version"] != VERSION:
                raise ValueError(f"it is {document['form']!r}, version {document['version']!r}")
            report = Report.from_json(json.dumps(document["report"]))
            document["report"] = json.loads(report.to_json())  # older reports in today's form
            regions = {section.region for section in report.sections}
            if set(document["sections"]) != regions:
                raise ValueError("its sections are not those of its report")
            for entry in document["sections"].values():
                if entry["state"] not in (DRAFT, EDITED, ACCEPTED, REJECTED) or not isinstance(entry["text"], str):
                    raise ValueError(f"a section has the state {entry['state']!r}")
            if not isinstance(document["impression"]["text"], str):
                raise ValueError("its impression is no text")
        except Exception as error:
            raise ValueError(f"The review stored in the scene cannot be read ({error}).") from error
        return cls(document)

    def toJson(self):
        return json.dumps(self._document, ensure_ascii=False)

    @property
    def report(self):
        """The report as the model wrote it."""
        return self._document["report"]

    @property
    def regions(self):
        """Regions that have a section, in reading order."""
        return [section["region"] for section in self.report["sections"]]

    @property
    def allReviewed(self):
        return bool(self.regions) and all(self.isReviewed(region) for region in self.regions)

    @property
    def impression(self):
        return self._document["impression"]["text"]

    @property
    def canUndo(self):
        return bool(self._undo)

    @property
    def hasDecisions(self):
        """Whether the user has done anything that a new report would lose."""
        decided = any(self.state(region) != DRAFT or self.said(region) for region in self.regions)
        return decided or self._document["impression"]["edited"]

    def isReviewed(self, region):
        return self.state(region) in (ACCEPTED, REJECTED)

    def section(self, region):
        """The section as the model wrote it."""
        return next(section for section in self.report["sections"] if section["region"] == region)

    def state(self, region):
        return self._document["sections"][region]["state"]

    def text(self, region):
        """The section's text as it stands now."""
        return self._document["sections"][region]["text"]

    def said(self, region):
        """What the user said of the region's findings, with which it was written: label -> whether it is there."""
        findings = self.section(region)["findings"]
        return {finding["label"]: finding["said"] for finding in findings if finding["said"] is not None}

    @property
    def segments(self):
        """IDs of the segments of findings that are spots; one seen all over a region is shown by that region."""
        findings = [finding for section in self.report["sections"] for finding in section["findings"]]
        return [each["segment"] for each in findings if each["segment"] and each["location"]["focal"]]

    def located(self, region):
        """Indices of the findings of a section that have a place."""
        findings = self.section(region)["findings"]
        return [index for index, finding in enumerate(findings) if finding["location"] is not None]

    def isEdited(self, region):
        return self.text(region) != self.section(region)["text"]

    def accept(self, region):
        self._setState(region, ACCEPTED)

    def reject(self, region):
        self._setState(region, REJECTED)

    def edit(self, region, text):
        """Give a section other words; it is to be accepted anew."""
        if text == self.text(region):
            return
        with_ = {"state": EDITED, "text": text}
        if text == self.section(region)["text"]:
            with_["state"] = DRAFT
        self._change(region, "edit", lambda document: document["sections"].__setitem__(region, with_))

    def replace(self, section):
        """Put a section that was written again in the place of the old one; it is a draft."""
        region = section["region"]

        def change(document):
            sections = document["report"]["sections"]
            index = next(index for index, old in enumerate(sections) if old["region"] == region)
            document["replaced"].append({"section": sections[index], **document["sections"][region]})
            sections[index] = section
            document["sections"][region] = {"state": DRAFT, "text": section["text"]}

        self._change(region, "regenerate", change)

    def setImpression(self, text):
        """What the user wrote; no step of undo, for the text field has its own."""
        if text != self.impression:
            self._document["impression"] = {"text": text, "edited": True}
            self.changed.emit("")

    def undo(self):
        """Take the last change back; returns the region it concerned, None if there was none."""
        if not self._undo:
            return None
        region, before = self._undo.pop()
        impression = self._document["impression"]
        self._document = before
        if impression["edited"]:
            self._document["impression"] = impression
        self._note("undo", region)
        self._refreshImpression()
        self.changed.emit(region)
        return region

    def asText(self):
        """The whole report as text, with its label, to be copied."""
        from reg2rg import DRAFT_LABEL
        from reg2rg.regions import get_region

        label = "Reviewed by a user. Research software, not for clinical use." if self.allReviewed else DRAFT_LABEL
        lines = [label, ""]
        for region in self.regions:
            if self.state(region) == REJECTED:
                continue
            mark = "" if self.isReviewed(region) else " [not reviewed]"
            lines.append(f"{get_region(region).display_name}{mark}: {self.text(region)}")
        for region, reason in self.report["without_section"].items():
            lines.append(f"{get_region(region).display_name}: not described ({reason})")
        return "\n".join([*lines, "", "Impression:", self.impression or "(none written)", "", label, ""])

    def _setState(self, region, state):
        if self.state(region) != state:
            self._change(region, state, lambda document: document["sections"][region].update(state=state))

    def _change(self, region, action, change):
        self._undo.append((region, copy.deepcopy(self._document)))
        change(self._document)
        self._note(action, region)
        self._refreshImpression()
        self.changed.emit(region)

    def _note(self, action, region):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self._document["log"].append({"time": now, "action": action, "region": region})

    def _refreshImpression(self):
        """Until the user writes in it, the impression follows the sections; rejected ones are left out."""
        if self._document["impression"]["edited"]:
            return
        from reg2rg.report.impression import draft_impression

        kept = [(region, self.text(region)) for region in self.regions if self.state(region) != REJECTED]
        self._document["impression"]["text"] = draft_impression(kept)


def lowProbability(sentence):
    """Whether the model was unsure of a sentence's words (which says little about what they claim)."""
    return sentence["mean_probability"] is not None and sentence["mean_probability"] < LOW_PROBABILITY
