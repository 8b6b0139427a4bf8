"""What the command line makes of errors, whatever command they come from."""

from contextlib import nullcontext

import pytest

from tests.cases import cases
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


@cases(
    ValueError, ImportError, FileExistsError, FileNotFoundError, IsADirectoryError,
    NotADirectoryError, PermissionError, OSError, MemoryError, FloatingPointError,
)  # fmt: skip
def test_what_a_user_can_mend_ends_with_2_a_failed_run_with_1(result, capsys, error):
    result(error("so it is"))
    with pytest.raises(SystemExit) as ended:
        main(["data", "digits"])
    assert ended.value.code == (1 if error is FloatingPointError else 2)
    assert capsys.readouterr().err == "python -m vaelib: so it is\n"


@cases((None, "File too large"), ("x.npy", "x.npy: File too large"))
def test_what_the_disk_refuses_is_told_with_its_file_where_that_is_known(
    result, refused, file, said
):
    result(OSError(27, "File too large", file))
    assert refused("data digits") == said


def test_an_error_of_ours_is_shown_whole(result):
    result(KeyError("a fault"))
    with pytest.raises(KeyError, match="a fault"):
        main(["data", "digits"])


@pytest.mark.parametrize("status", [None, 0, 1, 3])
def test_a_command_may_end_with_a_status_of_its_own(status, result):
    result(status)
    with pytest.raises(SystemExit) if status else nullcontext() as ended:
        main(["data", "digits"])
    assert not status or ended.value.code == status


def test_without_a_command_nothing_is_done(refused):
    assert "the following arguments are required: COMMAND" in refused()
