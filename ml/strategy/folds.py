"""Judging the forest on services it never saw, after the days it learned from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from ml.strategy.forest import feature_matrix, fit_forest, probabilities
from ml.strategy.labels import CLASSES
from ml.strategy.settings import StrategySettings


@dataclass(frozen=True)
class Fold:
    """Row numbers of one fold: other services, and label windows that end before the test's."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def make_folds(service: pd.Series, cut_on: pd.Series, settings: StrategySettings) -> Iterator[Fold]:
    """Yield folds grouped by service and forward in time.

    The window of a label is the ``label_days`` days after its cut; a row may teach only if its
    window has ended by the cut of the rows it is judged on.
    """
    group = np.array([_fold_of(str(s), settings) for s in service])
    cuts = pd.to_datetime(cut_on)
    days = pd.Timedelta(days=settings.label_days)
    for cut in sorted(cuts.unique()):
        is_past = (cuts + days <= cut).to_numpy()
        for number in range(settings.folds):
            test = np.flatnonzero((cuts == cut).to_numpy() & (group == number))
            train = np.flatnonzero(is_past & (group != number))
            if test.size and train.size:
                yield Fold(train, test)


def _fold_of(service: str, settings: StrategySettings) -> int:
    digest = hashlib.sha256(f"{settings.seed}/{service}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % settings.folds


@dataclass(frozen=True)
class Judgement:
    """Out-of-fold answers for the labelled rows.

    Attributes:
        at: Rows that some fold judged.
        probability: Their probabilities, shape (len(at), 3).
        majority: Largest class of each fold's training rows.
        importance: Loss of balanced accuracy when a feature is permuted.
    """

    at: NDArray[np.int64]
    probability: NDArray[np.float64]
    majority: NDArray[np.object_]
    importance: dict[str, float]


def judge(labelled: pd.DataFrame, names: list[str], settings: StrategySettings) -> Judgement:
    """Fit one forest per fold and collect its answers.

    Args:
        labelled: Features with ``service_id``, ``cut_on`` and ``optimal_class``, sorted by key.
        names: Feature columns.
        settings: Folds, forest, repetitions.
    """
    features = feature_matrix(labelled, names)
    labels = labelled["optimal_class"].to_numpy(object)
    rng = np.random.default_rng(settings.seed)
    at, found, majority, shuffled = [], [], [], []
    for fold in make_folds(labelled["service_id"], labelled["cut_on"], settings):
        if len(set(labels[fold.train])) < 2:
            continue
        forest = fit_forest(features[fold.train], labels[fold.train], settings)
        at.append(fold.test)
        found.append(probabilities(forest, features[fold.test]))
        majority.append(np.full(fold.test.size, _largest(labels[fold.train]), dtype=object))
        shuffled.append(_permuted(forest, features[fold.test], settings, rng))
    if not at:
        empty = np.zeros(0)
        return Judgement(empty.astype(np.int64), np.zeros((0, 3)), empty.astype(object), {})
    rows = np.concatenate(at)
    votes = np.concatenate(found)
    truth = np.array([CLASSES.index(str(name)) for name in labels[rows]])
    base = balanced_accuracy(truth, votes.argmax(axis=1))
    answers = np.concatenate(shuffled, axis=2)
    loss = {
        name: base - float(np.mean([balanced_accuracy(truth, a) for a in answers[i]]))
        for i, name in enumerate(names)
    }
    return Judgement(rows, votes, np.concatenate(majority), loss)


def _largest(labels: NDArray[np.object_]) -> str:
    counts = [int((labels == name).sum()) for name in CLASSES]
    return CLASSES[int(np.argmax(counts))]


def _permuted(
    forest: RandomForestClassifier,
    features: NDArray[np.float32],
    settings: StrategySettings,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return answers with one feature permuted, shape (features, repetitions, rows).

    All copies go through the forest at once: one call costs as much as sixty small ones.
    """
    rows, columns = features.shape
    copies = np.repeat(features[None], columns * settings.permutations, axis=0)
    for i in range(columns):
        for j in range(settings.permutations):
            copies[i * settings.permutations + j, :, i] = features[rng.permutation(rows), i]
    votes = probabilities(forest, copies.reshape(-1, columns)).argmax(axis=1)
    answers: NDArray[np.int64] = votes.reshape(columns, settings.permutations, rows)
    return answers


def balanced_accuracy(truth: NDArray[np.int64], answer: NDArray[np.int64]) -> float:
    """Return the mean recall over the classes that occur.

    >>> balanced_accuracy(np.array([0, 0, 1]), np.array([0, 0, 0]))
    0.5
    """
    present = np.unique(truth)
    return float(np.mean([np.mean(answer[truth == k] == k) for k in present]))
