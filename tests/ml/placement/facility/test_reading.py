"""Files are read as published, and a damaged one is named with its line and rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.placement.facility import DamagedFileError, Medians, Warehouses, read
from tests.ml.placement.facility.families import euclidean, written

GRAPH = " 4 5 2 \n 1 2 30 \n 2 3 7 \n 3 4 1 \n 4 1 2 \n 1 3 9 \n"
SITES = " 2 3 \n 10 5. \n 20 7.5 \n 4 \n 1 2 \n 5 \n 3. 4 \n 6 \n 5 6.25 \n"


def _file(folder: Path, text: str) -> Path:
    path = folder / "problem.txt"
    path.write_text(text)
    return path


def test_distances_are_shortest_paths_both_ways(tmp_path: Path) -> None:
    problem = read(_file(tmp_path, GRAPH)).problem
    assert isinstance(problem, Medians)
    assert problem.p == 2
    assert problem.distance.tolist() == [[0, 10, 3, 2], [10, 0, 7, 8], [3, 7, 0, 1], [2, 8, 1, 0]]


def test_the_last_mention_of_an_edge_counts_even_when_longer(tmp_path: Path) -> None:
    text = " 3 4 1 \n 1 2 5 \n 2 3 5 \n 3 2 50 \n 1 3 70 \n"
    problem = read(_file(tmp_path, text)).problem
    assert isinstance(problem, Medians)
    assert problem.distance[1, 2] == 50
    assert problem.distance[0, 2] == 55


def test_an_edge_of_no_length_joins_and_a_loop_does_nothing(tmp_path: Path) -> None:
    problem = read(_file(tmp_path, "3 3 1\n1 2 0\n2 3 4\n2 2 9\n")).problem
    assert isinstance(problem, Medians)
    assert problem.distance.tolist() == [[0, 0, 4], [0, 0, 4], [4, 4, 0]]


def test_sites_and_customers_are_read_wherever_lines_break(tmp_path: Path) -> None:
    for text in (SITES, SITES.replace("\n", "\r\n"), "2 3\n" + " ".join(SITES.split()[2:])):
        problem = read(_file(tmp_path, text)).problem
        assert isinstance(problem, Warehouses)
        assert problem.capacity.tolist() == [10, 20]
        assert problem.fixed_cost.tolist() == [5, 7.5]
        assert problem.demand.tolist() == [4, 5, 6]
        assert problem.cost.tolist() == [[1, 3, 5], [2, 4, 6.25]]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    problem = euclidean(1, 9, 20, 400.0, (10, 90))
    again = read(written(problem, tmp_path / "a.txt")).problem
    assert isinstance(again, Warehouses)
    for name in ("capacity", "fixed_cost", "demand", "cost"):
        assert np.array_equal(getattr(problem, name), getattr(again, name))


def test_a_capacity_left_open_is_given_once_for_all_sites(tmp_path: Path) -> None:
    problem = euclidean(1, 9, 20, 400.0, (10, 90))
    published = read(written(problem, tmp_path / "a.txt", word="capacity"))
    assert published.is_capacity_open
    assert published.at(400.0).capacity.tolist() == [400.0] * 9
    with pytest.raises(ValueError, match="capacity == 0"):
        published.at(0)
    stated = read(written(problem, tmp_path / "b.txt"))
    assert not stated.is_capacity_open
    with pytest.raises(ValueError, match="states its own"):
        stated.at(400.0)


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        ("", 1, "the file is empty"),
        ("\n\n 5 \n", 3, "1 words, must be 2 .* or 3"),
        ("2 x\n", 1, "number of customers == 'x', must be a number"),
        ("0 3\n", 1, "number of sites == 0, must be a whole number, at least 1"),
        ("2.5 3\n", 1, "number of sites == 2.5"),
        (SITES[: SITES.index(" 5. ")], 2, "the file ends where fixed cost of site 1"),
        (SITES[: SITES.index("6.25")], 9, "the file ends where cost of customer 3 at site 2"),
        (SITES.replace("4 \n 6", "4x \n 6"), 7, "cost of customer 2 at site 2 == '4x'"),
        (SITES.replace("7.5", "nan"), 3, "fixed cost of site 2 == nan, must be finite"),
        (SITES.replace("7.5", "-7.5"), 3, "fixed cost of site 2 == -7.5, must be finite and not"),
        (SITES.replace(" 20 ", " capacity "), 3, "capacity of site 2 == 'capacity', site 1 says"),
        (SITES.replace(" 10 ", " much "), 2, "capacity of site 1 == 'much', must be a number"),
        (SITES + "8\n", 10, "'8' follows the last number, must end after 2 sites and 3 cust"),
        (SITES.replace(" 2 3 ", " 3 3 "), 9, "the file ends where"),
        ("900000000 900000000\n 1 2\n", 2, "the file ends where capacity of site 2"),
        (GRAPH.replace("4 5 2", "4 6 2"), 6, "the file ends where first node of edge 6"),
        (GRAPH.replace("4 5 2", "4 4 2"), 6, "'1' follows the last number"),
        (GRAPH.replace("4 5 2", "4 5 5"), 1, "number of medians == 5, must be .*, 1 to 4"),
        (GRAPH.replace("3 4 1", "3 7 1"), 4, "second node of edge 3 == 7, must be .*, 1 to 4"),
        (GRAPH.replace("2 3 7", "2 3 ?"), 3, "length of edge 2 == '\\?', must be a number"),
        ("900000000 1 1\n1 2 3\n", 2, "1 edges cannot join 900000000 nodes"),
        ("4 3 1\n1 2 1\n1 2 1\n3 4 1\n", 4, "no path leads from node 1 to node 3"),
    ],
)
def test_a_damaged_file_is_refused_with_file_line_and_rule(
    tmp_path: Path, text: str, line: int, rule: str
) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(DamagedFileError, match=rule) as caught:
        read(path)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{path}: line {line}: ")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "problem.txt"
    path.write_bytes(b"2 3\n10 5\n\xff\xfe 1\n")
    with pytest.raises(DamagedFileError, match="line 3: a byte is no ASCII"):
        read(path)
