"""What the command line makes of errors, whatever command they come from."""

import pytest

from vaelib.__main__ import main
from vaelib.commands import data


@pytest.fixture
def result(monkeypatch):
    """A function that says what the command ``data`` does; it ends with the status, if any."""

    def set_to(outcome):
        def run(options):
            assert (options.name, options.folder) == ("digits", None)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(data, "run", run)

    return set_to


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError, 2),
        (ImportError, 2),
        (FileExistsError, 2),
        (FileNotFoundError, 2),
        (IsADirectoryError, 2),
        (NotADirectoryError, 2),
        (PermissionError, 2),
        (OSError, 2),
        (MemoryError, 2),
        (FloatingPointError, 1),
    ],
)
def test_what_a_user_can_mend_ends_with_2_a_failed_run_with_1(error, status, result, capsys):
    result(error("so it is"))
    with pytest.raises(SystemExit) as ended:
        main(["data", "digits"])
    assert ended.value.code == status
    assert capsys.readouterr().err == "python -m vaelib: so it is\n"


def test_an_error_of_ours_is_shown_whole(result):
    result(KeyError("a fault"))
    with pytest.raises(KeyError, match="a fault"):
        main(["data", "digits"])


@pytest.mark.parametrize(("status", "code"), [(3, 3), (1, 1)])
def test_a_command_may_end_with_a_status_of_its_own(status, code, result):
    result(status)
    with pytest.raises(SystemExit) as ended:
        main(["data", "digits"])
    assert ended.value.code == code


@pytest.mark.parametrize("status", [None, 0])
def test_a_command_that_went_well_ends_with_nothing(status, result):
    result(status)
    assert main(["data", "digits"]) is None


def test_without_a_command_nothing_is_done(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "the following arguments are required: COMMAND" in capsys.readouterr().err
