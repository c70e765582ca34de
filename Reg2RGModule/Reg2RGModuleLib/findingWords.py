"""Findings of a section in words, and which of them a card lists."""

from slicer.i18n import tr as _

LISTED = ("present", "uncertain")

OFFERED = {
    "lung": (
        "Lung nodule",
        "Lung opacity",
        "Consolidation",
        "Atelectasis",
        "Emphysema",
        "Pulmonary fibrotic sequela",
        "Interlobular septal thickening",
        "Bronchiectasis",
        "Mosaic attenuation pattern",
    ),
    "trachea and bronchie": ("Peribronchial thickening", "Bronchiectasis"),
    "pleura": ("Pleural effusion", "Pleural thickening", "Pneumothorax"),
    "mediastinum": ("Lymphadenopathy", "Arterial wall calcification", "Medical material"),
    "heart": ("Cardiomegaly", "Pericardial effusion", "Coronary artery wall calcification"),
    "esophagus": ("Hiatal hernia",),
    "thyroid": ("Thyroid nodule",),
    "breast": ("Breast mass",),
    "bone": ("Fracture", "Lytic bone lesion", "Sclerotic bone lesion"),
    "abdomen": ("Liver cyst", "Kidney stone"),
}
"""Region -> findings that a user may say are there, where the card does not list them."""


def hasHead(section):
    """Whether a finding head looked at the region; without one a card lists no findings."""
    return any(finding["probability"] is not None for finding in section["findings"])


def isListed(finding):
    """Whether a card lists it: the text claims it, the head sees it, or the user has said something about it."""
    from reg2rg.report.located_finding import SEEN_FROM

    seen = finding["probability"] is not None and finding["probability"] >= SEEN_FROM
    return finding["text"] in LISTED or seen or finding["said"] is not None


def isClaimed(finding):
    """Whether it counts as there: by the user's word, else by the text's, else by the head's."""
    if finding["said"] is not None:
        return finding["said"]
    return finding["text"] in LISTED or finding["text"] is None


def detailsOf(region, finding):
    """Place and size, how probable, and who says so; one line."""
    from reg2rg.report import probability_words

    told = [placeOf(region, finding)]
    if finding["size_mm"]:
        told.append(_("{0:.0f} mm").format(finding["size_mm"]))
    if finding["probability"] is not None:
        told.append(probability_words(finding["probability"], finding["calibrated"]))
    told.append(sourceOf(finding))
    if finding["said"] is not None:
        told.append(_("you: there") if finding["said"] else _("you: not there"))
    return " · ".join(each for each in told if each)


def placeOf(region, finding):
    """Side and lobe or level, None if neither is known."""
    from reg2rg.report.wording import place_words

    location = finding["location"]
    if location is not None and location["lobe"]:
        return location["lobe"]
    return place_words(region, finding["side"], finding["level"])


def sourceOf(finding):
    """Who claims it, in plain words."""
    if finding["text"] == "absent" and finding["source"] == "head":
        return _("seen in the image, denied in the text")
    return {
        "both": _("in text and image"),
        "text": _("in the text only"),
        "head": _("in the image only"),
    }[finding["source"]]


def offeredIn(section):
    """Labels that the user may say are there, because the card does not list them."""
    listed = {finding["label"] for finding in section["findings"] if isListed(finding)}
    return [label for label in OFFERED[section["region"]] if label not in listed]
