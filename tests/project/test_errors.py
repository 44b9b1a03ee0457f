"""Errors: their problems, sentences, exit codes and JSON records."""

from __future__ import annotations

import copy
import errno
import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

import unetgen
from support.command_line import RunCli
from unetgen import errors
from unetgen.atomic_files import is_disk_failure
from unetgen.errors import (
    ExitCode,
    FileWriteError,
    FormatError,
    ImageError,
    MissingDependencyError,
    PlansError,
    PluginError,
    Problem,
    RunEnvironmentError,
    RunError,
    SizeError,
    SourceLocation,
    SpecError,
    UnetgenError,
    UnetgenWarning,
    WeightsError,
)
from unetgen.graph.base_builder import UnknownSizeError
from unetgen.graph.size_rule import SizeConstraintError

EXIT_CODES: dict[type[UnetgenError], tuple[str, int]] = {
    SpecError: ("spec", 1),
    SizeError: ("size", 1),
    WeightsError: ("weights", 1),
    ImageError: ("image", 1),
    PlansError: ("plans", 1),
    FormatError: ("format", 2),
    RunError: ("run", 2),
    PluginError: ("plugin", 3),
    RunEnvironmentError: ("environment", 5),
    FileWriteError: ("environment", 5),
}

SENTENCE = "net.safetensors: file not found: see A; B; check the path"


def all_error_classes(base: type[UnetgenError] = UnetgenError) -> Iterator[type[UnetgenError]]:
    for error_class in base.__subclasses__():
        yield error_class
        yield from all_error_classes(error_class)


# Construction


@pytest.mark.parametrize("error_class", EXIT_CODES)
def test_a_plain_sentence_becomes_one_problem(error_class: type[UnetgenError]) -> None:
    error = error_class(SENTENCE)
    code, exit_code = EXIT_CODES[error_class]
    message = "net.safetensors: file not found: see A; B"
    assert str(error) == SENTENCE
    assert error.problems == (Problem(code, "", message, "check the path"),)
    assert (error.args, error.exit_code) == ((SENTENCE,), exit_code)


def test_a_sentence_without_a_hint_has_none() -> None:
    assert RunError("no trial was given").problems == (Problem("run", "", "no trial was given"),)
    assert str(RunError("")) == ""


def test_each_line_is_a_problem_and_indented_lines_are_details() -> None:
    error = WeightsError("a; fix a\nb; fix b\n  detail; of b\n\nc")
    assert [(problem.message, problem.hint) for problem in error.problems] == [
        ("a", "fix a"),
        ("b; fix b\n  detail; of b\n", ""),
        ("c", ""),
    ]
    assert str(error) == "a; fix a\nb; fix b\n  detail; of b\n\nc"


def test_problems_and_sentences_mix_and_repeat_once() -> None:
    location = SourceLocation("plans.json", 3, 7)
    problem = Problem("stride", "configurations.2d", "must be 2", "replan", location)
    error = PlansError([problem, "b; fix b", problem])
    assert str(error) == "plans.json:3:7: configurations.2d: must be 2; replan\nb; fix b"
    assert error.problems == (problem, Problem("plans", "", "b", "fix b"))


def test_problems_of_a_spec_are_in_file_order() -> None:
    late, early = (Problem("x", "p", "m", "", SourceLocation("a.yaml", line, 1)) for line in (9, 2))
    assert SpecError([late, early]).problems == (early, late)
    assert PlansError([late, early]).problems == (late, early)


def test_a_missing_dependency_names_package_and_extra() -> None:
    error = MissingDependencyError("a figure as PNG", "resvg-py", "draw")
    sentence = "a figure as PNG needs resvg-py, which is not installed; run: pip install 'unetgen[draw]'"
    assert (str(error), error.msg) == (sentence, sentence)
    assert (error.package, error.extra, error.exit_code) == ("resvg-py", "draw", 2)
    assert isinstance(error, ImportError)
    (problem,) = error.problems
    assert (problem.code, problem.hint) == ("missing_dependency", "run: pip install 'unetgen[draw]'")


def test_a_third_party_message_is_not_searched_for_a_hint() -> None:
    error = PluginError.from_failure("plugin a failed to load: ImportError: libx; see ldd", "a 1.0")
    assert error.problems == (Problem("plugin", "", "plugin a failed to load: ImportError: libx; see ldd"),)
    assert error.provider == "a 1.0"


# Properties of all classes


def test_every_name_ends_in_error() -> None:
    assert all(error_class.__name__.endswith("Error") for error_class in all_error_classes())


def test_every_class_is_in_the_docstring_with_its_exit_code() -> None:
    lines = (errors.__doc__ or "").splitlines()
    public = [error_class for error_class in all_error_classes() if error_class.__module__ == "unetgen.errors"]
    for error_class in public:
        (line,) = (line for line in lines if f" {error_class.__name__} " in line)
        assert f"(exit code {int(error_class.exit_code)}" in line


@pytest.mark.parametrize(
    "error",
    [
        *(error_class(SENTENCE) for error_class in EXIT_CODES),
        MissingDependencyError("a", "b", "c"),
        PluginError("a", provider="acme 1.0"),
        SizeConstraintError(3, "which conv cannot halve"),
        SpecError([Problem("x", "p", "m", "h", SourceLocation("a.yaml", 1, 2))]),
    ],
)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_are_pickled_whole(error: UnetgenError, copied: Any) -> None:
    again = copied(error)
    assert (type(again), str(again), again.args) == (type(error), str(error), error.args)
    assert (again.__dict__, again.to_dict()) == (error.__dict__, error.to_dict())


def test_the_record_is_plain_data() -> None:
    location = SourceLocation("a.yaml", 3, 7)
    error = SpecError([Problem("unknown_key", "wdth", "unknown key", "did you mean 'widths'?", location)])
    assert json.loads(json.dumps(error.to_dict())) == {
        "error": "SpecError",
        "exit_code": 1,
        "problems": [
            {
                "file": "a.yaml",
                "line": 3,
                "column": 7,
                "code": "unknown_key",
                "path": "wdth",
                "message": "unknown key",
                "hint": "did you mean 'widths'?",
            }
        ],
    }
    assert PluginError("a", provider="acme 1.0").to_dict()["provider"] == "acme 1.0"


def test_internal_errors_are_structured_too() -> None:
    assert SizeConstraintError(3, "which conv cannot halve").problems[0].message == "3 which conv cannot halve"
    assert UnknownSizeError.exit_code == ExitCode.INTERNAL


def test_every_warning_has_one_base() -> None:
    from unetgen.tiling.predict import InexactTiling

    assert issubclass(InexactTiling, UnetgenWarning)
    assert unetgen.UnetgenWarning is UnetgenWarning


# The environment


@pytest.mark.parametrize(
    ("number", "is_failure"), [(errno.ENOSPC, True), (errno.EIO, True), (errno.ENOENT, False), (errno.EACCES, False)]
)
def test_a_disk_failure_is_not_a_wrong_path(number: int, is_failure: bool) -> None:
    assert is_disk_failure(OSError(number, "")) is is_failure


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, method: str) -> Iterator[None]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, method, fail)
        yield


def test_a_figure_on_a_full_disk(run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "net.svg"
    with full_disk(monkeypatch, "write_bytes"):
        outcome = run_cli("draw", "unet_tutorial", "-o", str(target))
    assert outcome.code == 5
    assert outcome.err.startswith(f"{target}: cannot be written: No space left on device; ")


@pytest.mark.parametrize("output_format", ["text", "json"])
def test_a_table_on_a_full_disk(
    output_format: str, run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "table.json"
    with full_disk(monkeypatch, "write_text"):
        outcome = run_cli("compare", "unet_paper", "unet_tutorial", "-o", str(target), "--format", output_format)
    assert outcome.code == 5
    assert outcome.err == f"cannot write {target}: no space left on device; choose another file\n"
    if output_format == "text":
        assert outcome.out == ""
        return
    record = json.loads(outcome.out)
    assert (record["error"], record["exit_code"]) == ("FileWriteError", 5)
    assert record["problems"][0]["code"] == "environment"


# The command line


def test_json_errors_of_a_command(run_cli: RunCli) -> None:
    outcome = run_cli("inspect", "unet_paper", "--set", "depth=40", "--format", "json")
    assert (outcome.code, outcome.err) == (1, "--set depth=40: depth: 40 is not between 1 and 12\n")
    record = json.loads(outcome.out)
    assert (record["error"], record["exit_code"]) == ("SpecError", 1)
    assert [(p["file"], p["path"], p["code"]) for p in record["problems"]] == [("--set depth=40", "depth", "depth")]


def test_text_errors_of_a_command_leave_stdout_empty(run_cli: RunCli) -> None:
    outcome = run_cli("inspect", "unet_paper", "--set", "depth=40")
    assert (outcome.code, outcome.out) == (1, "")


def test_validate_reports_every_kind_of_error(run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unetgen import api

    def graph_of(spec: Any, **_: Any) -> Any:
        if spec.name == "unet_paper":
            raise MissingDependencyError("this spec", "monai", "monai")
        if spec.name == "unet_tutorial":
            raise PluginError.from_failure("plugin acme failed: ValueError: x; y", "acme 1.0")
        return None

    monkeypatch.setattr(api, "graph_of", graph_of)
    outcome = run_cli("validate", "unet_paper", "unet_tutorial", "unet_3d", "--format", "json")
    assert (outcome.code, outcome.err) == (3, "")
    missing, failed, valid = json.loads(outcome.out)
    assert (missing["valid"], failed["valid"], valid) == (
        False,
        False,
        {"spec": "unet_3d", "valid": True, "problems": []},
    )
    place = {"file": "", "line": 0, "column": 0, "path": ""}
    assert missing["problems"] == [
        {
            **place,
            "code": "missing_dependency",
            "message": "this spec needs monai, which is not installed",
            "hint": "run: pip install 'unetgen[monai]'",
        }
    ]
    assert failed["problems"] == [
        {**place, "code": "plugin", "message": "plugin acme failed: ValueError: x; y", "hint": ""}
    ]


def test_run_reports_wrong_usage_as_json(run_cli: RunCli, tmp_path: Path) -> None:
    pytest.importorskip("filelock")
    sweep = tmp_path / "s.yaml"
    sweep.write_text("base: unet_tutorial\naxes: {skip.fusion: [add]}\n", encoding="utf-8")
    outcome = run_cli("run", str(sweep), "-o", str(tmp_path / "out"), "--format", "json")
    record = json.loads(outcome.out)
    assert (outcome.code, record["error"], record["exit_code"]) == (2, "RunError", 2)
    assert [problem["code"] for problem in record["problems"]] == ["run"]
    assert "add --trial module:function" in outcome.err


def test_an_unreadable_results_file_is_not_wrong_usage(run_cli: RunCli, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "results.sqlite").write_bytes(b"not a database at all" * 99)
    outcome = run_cli("report", str(folder), "--format", "json")
    record = json.loads(outcome.out)
    assert (outcome.code, record["error"], record["exit_code"]) == (5, "RunEnvironmentError", 5)
    assert "file is not a database" in record["problems"][0]["message"]
    assert isinstance(RunEnvironmentError("x"), RunError)  # callers who catch RunError catch this one too


def test_help_lists_every_exit_code(run_cli: RunCli) -> None:
    text = " ".join(run_cli("--help").out.split())
    assert text.endswith(
        "Exit codes: 0 success, 1 the spec is invalid, 2 wrong usage, 3 a plugin or a trial failed, 4 a bug in "
        "unetgen, 5 the disk, the results file or the cluster failed."
    )
