"""Events, requests, and failures as plain data."""

from __future__ import annotations

import errno
import json

import pytest

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.pipeline import events
from reg2rg.pipeline.failures import as_failure
from reg2rg.pipeline.request import ReportRequest

EXAMPLES = [
    events.Progress(events.Stage.SEGMENT, 0.5, "half"),
    events.Notice("It runs in 8bit."),
    events.RegionsFound("thresholds", "why", ("lung",), ("lung",), {"breast": "none"}, "/a/regions.seg.nrrd"),
    events.FindingsLocated("/a/findings.seg.nrrd"),
    events.SectionText("lung", None, "The"),
    events.SectionWritten({"region": "lung", "text": "Clear."}),
    events.ReportDone("/a", 1.5),
    events.Measured({"measurements": []}, {"lung": {"volume_ml": 4000.0, "mean_hu": -850.0}}, "/a", 1.5),
    events.Exported("/a/report.txt"),
    events.Sending(0.5, "Sending to dicom://A@host:104"),
    events.Answered("dicom://A@host:104"),
    events.Sent("https://host/dicom-web", 6, 1),
    events.Failure("no", 2, "command"),
    events.Stopped(),
    events.Ready("1"),
    events.Heartbeat(True),
]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_every_event_round_trips_through_json(event) -> None:
    assert events.from_dict(json.loads(json.dumps(events.to_dict(event)))) == event


def test_every_event_class_is_in_the_examples() -> None:
    assert {type(event) for event in EXAMPLES} == set(events.Event.__args__)


@pytest.mark.parametrize(
    "values", [{}, {"event": "party"}, {"event": "stopped", "x": 1}, {"event": "progress", "stage": "party"}]
)
def test_values_that_are_not_an_event_are_refused(values) -> None:
    with pytest.raises(InputError):
        events.from_dict(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "request lacks required fields: volume, output"),
        ({"volume": "a"}, "request lacks required fields: output"),
        ({"volume": "a", "output": "b", "colour": 1}, "unknown fields: 'colour'; expected some of: volume, series"),
        ({"volume": "a", "output": 3}, "output"),
        ({"volume": "a", "output": "b", "max_new_tokens": True}, "max_new_tokens"),
        ({"volume": "a", "output": "b", "max_new_tokens": 0}, "1 or more"),
        ({"volume": "a", "output": "b", "mapping": {"x": 1}}, "mapping"),
        ({"volume": "a", "output": "b", "use_cues": "no"}, "request.use_cues is 'no'; expected true or false"),
        (
            {"volume": "a", "output": "b", "corrections": {"lung": {"Nodule": "no"}}},
            "lung.Nodule is 'no'; expected true",
        ),
        (
            {"volume": "a", "output": "b", "corrections": {"lung": True}},
            "corrections.lung is True; expected named values",
        ),
        ({"volume": "a", "output": "b", "corrections": {"knee": {"Lung nodule": True}}}, "'knee'"),
        ({"volume": "a", "output": "b", "corrections": {"lung": {"Nodul": True}}}, "Unknown finding 'Nodul'; expected"),
    ],
)
def test_an_invalid_request_gives_an_error_that_names_the_field(values, message) -> None:
    with pytest.raises(InputError, match=message):
        ReportRequest.from_dict(values)


def test_null_fields_of_a_request_take_their_default_values() -> None:
    request = ReportRequest.from_dict({"volume": "a", "output": "b", "model": None, "max_new_tokens": None})
    assert request.model is None and request.max_new_tokens == 500


def caused_by(error: Exception, cause: Exception) -> Exception:
    """Return an error that was raised from another one, as pydicom does."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "message", "exit_code"),
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
        (OSError(errno.ENOSPC, "x", "/from/a.txt", None, "/to/a.txt"), "/to/a.txt: the disk is full", 1),
        (RuntimeError("Error while serializing: I/O error: No space left (os error 28)"), "The disk is full", 1),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 2 vs 1"), "The disk is full", 1),
        (caused_by(OSError("With tag"), OSError(errno.ENOSPC, "x")), "The disk is full", 1),
        (RuntimeError("could not create a primitive"), "Not enough memory", 1),
        (ModuleNotFoundError("No module named 'a.b'", name="a.b"), "The Python package 'a' is not installed", 1),
        (PermissionError(errno.EACCES, "x", "/a"), "/a: permission denied", 1),
        (ZeroDivisionError("division\nby zero"), "Unexpected ZeroDivisionError: division by zero", 1),
    ],
)
def test_every_error_becomes_a_one_line_message_and_an_exit_code(error, message, exit_code) -> None:
    failure = as_failure(error)
    assert failure.message.startswith(message) and failure.exit_code == exit_code
    assert "\n" not in failure.message
