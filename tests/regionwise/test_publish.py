"""Publishing: all at once or not at all, with every comment, and old builds make room."""

import hashlib
import json
from pathlib import Path

import duckdb
import pytest

from regionwise import publish
from regionwise.config import Settings
from regionwise.exits import Stop

DESCRIPTION = '**Grain:** one row per service\'s "home".'


def _node(name: str, access: str = "public") -> dict[str, object]:
    return {
        "name": name,
        "resource_type": "model",
        "config": {"access": access},
        "description": DESCRIPTION,
        "columns": {"id": {"name": "id", "description": "It's the key.", "data_type": "bigint"}},
    }


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    build = tmp_path / "build"
    (build / "dbt_marts").mkdir(parents=True)
    nodes = {"model.a": _node("dim_a"), "model.b": _node("int_b", "private")}
    (build / "dbt_marts" / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    with duckdb.connect(str(build / "warehouse.duckdb")) as connection:
        connection.execute("create table dim_a as select range as id from range(5) order by 1 desc")
        connection.execute("create table int_b as select 1 as id")
    return Settings(data=tmp_path, keep_builds=2)


def test_only_public_marts_are_published_with_their_comments(settings: Settings) -> None:
    assert publish.publish(settings, "b1") == {"dim_a": 5}
    with duckdb.connect(str(publish.current(settings)), read_only=True) as connection:
        tables = connection.execute("select table_name, comment from duckdb_tables()").fetchall()
        columns = connection.execute("select comment from duckdb_columns()").fetchall()
        assert connection.execute("select id from dim_a").fetchall() == [(i,) for i in range(5)]
    assert tables == [("dim_a", DESCRIPTION)]
    assert ("It's the key.",) in columns


def test_the_manifest_holds_the_hash_of_every_file(settings: Settings) -> None:
    publish.publish(settings, "b1")
    folder = publish.current(settings).parent
    said = json.loads((folder / "manifest.json").read_text())["marts"]["dim_a"]
    assert said["sha256"] == hashlib.sha256((folder / said["file"]).read_bytes()).hexdigest()
    assert said["rows"] == 5


def test_a_failing_publish_leaves_readers_where_they_were(settings: Settings) -> None:
    publish.publish(settings, "b1")
    with duckdb.connect(str(settings.data / "build" / "warehouse.duckdb")) as connection:
        connection.execute("drop table dim_a")
    with pytest.raises(duckdb.Error):
        publish.publish(settings, "b2")
    assert publish.current(settings).parent.name == "b1"


def test_the_same_build_cannot_be_published_twice(settings: Settings) -> None:
    publish.publish(settings, "b1")
    with pytest.raises(Stop):
        publish.publish(settings, "b1")


def test_a_reader_keeps_its_build_and_the_next_look_sees_the_new_one(settings: Settings) -> None:
    publish.publish(settings, "b1")
    with duckdb.connect(str(publish.current(settings)), read_only=True) as reader:
        with duckdb.connect(str(settings.data / "build" / "warehouse.duckdb")) as connection:
            connection.execute("insert into dim_a values (99)")
        publish.publish(settings, "b2")
        assert reader.execute("select count(*) from dim_a").fetchone() == (5,)
    with duckdb.connect(str(publish.current(settings)), read_only=True) as reader:
        assert reader.execute("select count(*) from dim_a").fetchone() == (6,)


def test_old_builds_make_room(settings: Settings) -> None:
    for name in ("b1", "b2", "b3"):
        publish.publish(settings, name)
    kept = sorted(p.name for p in (settings.data / "serving").iterdir() if p.is_dir())
    assert kept == ["b2", "b3"]


def test_the_same_marts_give_the_same_bytes(settings: Settings) -> None:
    publish.publish(settings, "b1")
    first = (settings.data / "serving" / "b1" / "dim_a.parquet").read_bytes()
    publish.publish(settings, "b2")
    assert (settings.data / "serving" / "b2" / "dim_a.parquet").read_bytes() == first


def test_nothing_published_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(Stop) as stop:
        publish.current(Settings(data=tmp_path))
    assert "make build" in stop.value.hint
