"""Configuration: one frozen object, and a refusal that names the key."""

from pathlib import Path

import pytest

from regionwise import config
from regionwise.exits import Exit, Stop


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGIONWISE_DATA", raising=False)


def test_defaults_are_the_demo() -> None:
    settings = config.load()
    assert (settings.services, settings.regions, settings.days, settings.seed) == (150, 5, 90, 42)


def test_environment_beats_the_file_and_the_command_beats_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "regionwise.toml").write_text("seed = 1\nservices = 75\n")
    monkeypatch.setenv("REGIONWISE_SERVICES", "50")
    settings = config.load(days=30)
    assert (settings.seed, settings.services, settings.days) == (1, 50, 30)


@pytest.mark.parametrize(
    ("text", "key"),
    [("sede = 7\n", "sede"), ("seed = -1\n", "seed"), ("threads = 'many'\n", "threads")],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "regionwise.toml").write_text(text)
    with pytest.raises(Stop) as stop:
        config.load()
    assert stop.value.code == Exit.USAGE
    assert key in stop.value.message


def test_a_broken_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "regionwise.toml").write_text("seed = = 1")
    with pytest.raises(Stop) as stop:
        config.load()
    assert stop.value.code == Exit.USAGE


def test_the_data_folder_is_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIONWISE_DATA", "somewhere/else")
    assert config.load().data.is_absolute()
