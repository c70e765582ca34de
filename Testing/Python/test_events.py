"""Events, requests and failures as plain data."""

from __future__ import annotations

import errno
import json

import pytest

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.pipeline import events
from reg2rg.pipeline.failures import as_failure
from reg2rg.pipeline.request import ReportRequest

EVENTS = [
    events.Progress(events.Stage.SEGMENT, 0.5, "half"),
    events.Notice("It runs in 8bit."),
    events.RegionsFound("thresholds", "why", ("lung",), ("lung",), {"breast": "none"}, "/a/regions.seg.nrrd"),
    events.FindingsLocated("/a/findings.seg.nrrd"),
    events.SectionText("lung", None, "The"),
    events.SectionWritten({"region": "lung", "text": "Clear."}),
    events.ReportDone("/a", 1.5),
    events.Failure("no", 2, "command"),
    events.Stopped(),
    events.Ready("1"),
    events.Heartbeat(True),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_comes_back_from_json_as_it_was(event) -> None:
    assert events.from_dict(json.loads(json.dumps(events.to_dict(event)))) == event


def test_every_kind_of_event_was_tried_above() -> None:
    assert {type(event) for event in EVENTS} == set(events.Event.__args__)


@pytest.mark.parametrize(
    "values", [{}, {"event": "party"}, {"event": "stopped", "x": 1}, {"event": "progress", "stage": "party"}]
)
def test_what_is_no_event_is_refused(values) -> None:
    with pytest.raises(ValueError):
        events.from_dict(values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "needs volume and output"),
        ({"volume": "a"}, "needs output"),
        ({"volume": "a", "output": "b", "colour": 1}, "no colour"),
        ({"volume": "a", "output": 3}, "output"),
        ({"volume": "a", "output": "b", "max_new_tokens": True}, "max_new_tokens"),
        ({"volume": "a", "output": "b", "max_new_tokens": 0}, "1 or more"),
        ({"volume": "a", "output": "b", "mapping": {"x": 1}}, "mapping"),
        ({"volume": "a", "output": "b", "cues": "no"}, "cues of a run is 'no'; expected bool"),
        ({"volume": "a", "output": "b", "said": {"lung": {"Lung nodule": "no"}}}, "said .*{finding: true or false}"),
        ({"volume": "a", "output": "b", "said": {"lung": True}}, "said .*{finding: true or false}"),
        ({"volume": "a", "output": "b", "said": {"knee": {"Lung nodule": True}}}, "Unknown region 'knee'"),
        ({"volume": "a", "output": "b", "said": {"lung": {"Nodul": True}}}, "No finding is called 'Nodul'. Findings"),
    ],
)
def test_a_request_with_wrong_fields_is_refused_by_name(values, words) -> None:
    with pytest.raises(InputError, match=words):
        ReportRequest.from_dict(values)


def test_null_fields_of_a_request_take_their_defaults() -> None:
    request = ReportRequest.from_dict({"volume": "a", "output": "b", "model": None, "max_new_tokens": None})
    assert request.model is None and request.max_new_tokens == 500


@pytest.mark.parametrize(
    ("error", "words", "exit_code"),
    [
        (InputError("Give a CT."), "Give a CT.", 2),
        (Reg2RGError("It broke.\nBadly."), "It broke. Badly.", 1),
        (MemoryError(), "Not enough memory", 1),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes"), "Not enough memory", 1),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "Not enough memory", 1),
        (ImportError("a.so: failed to map segment from shared object"), "Not enough memory", 1),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "Not enough memory", 1),
        (OSError(errno.ENOSPC, "x", "/a/report.json"), "/a/report.json: the disk is full", 1),
        (OSError(errno.ENOSPC, "x", "/a/.reg2rg-12/report.json"), "The disk is full", 1),
        (PermissionError(errno.EACCES, "x", "/a"), "/a: access is denied", 1),
        (ZeroDivisionError("division\nby zero"), "Unexpected ZeroDivisionError: division by zero", 1),
    ],
)
def test_every_error_becomes_one_line_and_an_exit_code(error, words, exit_code) -> None:
    failure = as_failure(error)
    assert failure.message.startswith(words) and failure.exit_code == exit_code
    assert "\n" not in failure.message
