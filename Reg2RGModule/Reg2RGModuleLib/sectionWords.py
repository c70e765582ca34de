"""What a card says about its section, in words."""

import html

from slicer.i18n import tr as _

from Reg2RGModuleLib import review as reviewing

SPOT_MARK = "◎"
"""Stands behind a sentence that a click goes to the spot of."""


def bodyHtml(section, text, state, ink):
    """The text as HTML. As long as the words are the model's, sentences it was unsure of are underlined and marked,
    and those about a finding that has a place are links to it, in the colour ``ink`` of the other text.
    """
    if not text:
        return f"<i>{_('no text')}</i>"
    if text != section["text"]:
        body = html.escape(text)
    else:
        body, place = "", 0
        for sentence in section["sentences"]:
            body += html.escape(text[place : sentence["start"]])
            body += _sentenceHtml(section, sentence, text[sentence["start"] : sentence["end"]], ink)
            place = sentence["end"]
        body += html.escape(text[place:])
    return f"<s>{body}</s>" if state == reviewing.REJECTED else body


def spotOf(section, sentence):
    """Index of the finding whose spot a sentence leads to: a focal one before others; None if none has a place."""
    located = [index for index in sentence["findings"] if section["findings"][index]["location"] is not None]
    return min(located, key=lambda index: not section["findings"][index]["location"]["focal"], default=None)


def warningsOf(section):
    """What a reviewer must know, in words."""
    from reg2rg.regions import REGION_NAMES, get_region

    told = []
    if not section["grounded"]:
        name = section["recognised"]
        if name is None:
            told.append(_("The model named no region here."))
        else:
            shown = get_region(name).display_name if name in REGION_NAMES else name
            told.append(_("The model took this region for: {0}.").format(shown))
    if not section["complete"]:
        told.append(_("The text was cut off at the length limit."))
    return told + section["disagreements"]


def factsOf(section, text):
    """What was measured in the region, and what the marks in the text mean if it has any, one line."""
    facts = [_("{0:,.0f} mL").format(section["volume_ml"]), _("mean {0:.0f} HU").format(section["mean_hu"])]
    if section["approximate"]:
        facts.append(_("region estimated, not segmented"))
    if text == section["text"] and any(reviewing.lowProbability(each) for each in section["sentences"]):
        facts.append(_("(?) the model was unsure of these words"))
    return " · ".join(facts)


def _sentenceHtml(section, sentence, words, ink):
    shown = html.escape(words)
    if reviewing.lowProbability(sentence):
        shown = f"<u>{shown}</u>&nbsp;<b>(?)</b>"
    spot = spotOf(section, sentence)
    if spot is None:
        return shown
    plain = f"color: {ink}; text-decoration: none"
    return f'<a href="{spot}" style="{plain}">{shown}</a>&nbsp;<a href="{spot}">{SPOT_MARK}</a>'
