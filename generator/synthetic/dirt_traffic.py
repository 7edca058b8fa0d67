"""Damage to the hourly traffic, done on codes instead of names: it is by far the largest table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generator.synthetic.dirt import CLEAN, ORPHAN_ID, Ledger, RegionEvents, alias_of, kinds
from generator.synthetic.params import DirtParams
from generator.synthetic.rng import counter, uniform

_TABLE = "traffic_patterns"


@dataclass(frozen=True)
class Hours:
    """Rows of traffic as codes; arrays of one length.

    Attributes:
        service: Code of the service; the number of services is the orphan's code.
        origin: Code of the origin; the number of origins is added for its other spelling.
        hour: Hours since day 0.
        requests: Requests.
    """

    service: np.ndarray
    origin: np.ndarray
    hour: np.ndarray
    requests: np.ndarray

    def take(self, rows: np.ndarray) -> Hours:
        """Return some rows, in the given order."""
        return Hours(self.service[rows], self.origin[rows], self.hour[rows], self.requests[rows])

    @staticmethod
    def concat(parts: list[Hours]) -> Hours:
        """Return the rows of all parts, one after another."""
        return Hours(
            np.concatenate([p.service for p in parts]),
            np.concatenate([p.origin for p in parts]),
            np.concatenate([p.hour for p in parts]),
            np.concatenate([p.requests for p in parts]),
        )


@dataclass(frozen=True)
class TrafficSoiler:
    """Soils chunks of traffic.

    Attributes:
        seed: Seed of the world.
        service_ids, origin_ids: Names behind the codes.
        first_hour: Time of hour 0.
        hours: Hours in the window; a late row that would arrive after it is absent.
        events: Damage to whole origins.
        params: Rates of damage.
        ledger: Remembers every touched value.
    """

    seed: int
    service_ids: tuple[str, ...]
    origin_ids: tuple[str, ...]
    first_hour: np.datetime64
    hours: int
    events: RegionEvents
    params: DirtParams
    ledger: Ledger

    def names(self) -> tuple[list[str], list[str]]:
        """Return the names of all codes, of services and of origins."""
        aliases = [alias_of(o) for o in self.origin_ids]
        return [*self.service_ids, ORPHAN_ID], [*self.origin_ids, *aliases]

    def soil(self, clean: Hours) -> tuple[Hours, Hours]:
        """Return the damaged rows in file order, and those that arrive late, for the file's end."""
        rates = {
            "duplicate": self.params.duplicate,
            "conflict": self.params.conflict,
            "late": self.params.late,
            "alias": self.params.alias,
            "orphan": self.params.orphan,
        }
        cells = counter(clean.service, clean.origin, clean.hour)
        kind = kinds(self.seed, "traffic", cells, rates)
        rows = np.arange(clean.hour.size)
        shifted, gone, requests = self._events(clean, kind)
        kind[shifted | gone] = CLEAN
        origin = clean.origin + np.where(kind == "alias", len(self.origin_ids), 0)
        dirty = Hours(clean.service, origin, clean.hour, requests)
        named = np.array(self.names()[1])
        self._note("alias", clean, kind == "alias", "origin_region", named[origin])
        u = uniform(self.seed, "dirt_size", cells)
        wrong = Hours(dirty.service, origin, clean.hour, (requests * (1.1 + u)).astype(int) + 1)
        self._note("conflict", clean, kind == "conflict", "requests", wrong.requests)
        self._note("duplicate", clean, kind == "duplicate", "requests", requests)
        orphan = Hours(np.full(rows.size, len(self.service_ids)), origin, clean.hour, requests)
        self._note("orphan", clean, kind == "orphan", "service_id", np.full(rows.size, ORPHAN_ID))
        late = kind == "late"
        delay = 1 + (u * 3).astype(int)
        arrives = clean.hour // 24 + delay
        self._note("late", clean, late, "requests", np.char.add("+days ", delay.astype(str)))
        here = ~late & ~gone
        kept = [(wrong, kind == "conflict"), (dirty, here), (dirty, kind == "duplicate")]
        parts = [(part.take(mask), rows[mask]) for part, mask in kept]
        parts.append((orphan.take(kind == "orphan"), rows[kind == "orphan"]))
        order = np.argsort(np.concatenate([r for _, r in parts]), kind="stable")
        whole = Hours.concat([p for p, _ in parts]).take(order)
        return whole, dirty.take(late & (arrives < self.hours // 24))

    def _events(self, clean: Hours, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows of shifted days, rows that are missing, and the reported requests."""
        requests = clean.requests.copy()
        shifted = np.zeros(clean.hour.size, dtype=bool)
        # Rows lie by service, origin and hour: the row before is the hour before.
        before = np.r_[0, clean.requests[:-1]]
        follows = np.r_[False, (np.diff(clean.hour) == 1) & (np.diff(clean.origin) == 0)]
        for origin, day in self.events.shifted:
            hit = (clean.origin == origin) & (clean.hour // 24 == day) & follows
            requests[hit] = before[hit]
            shifted |= hit
        origin, first, end = self.events.gap
        gone = (clean.origin == origin) & (clean.hour >= first) & (clean.hour < end)
        shifted &= ~gone
        self._note("shifted_hour", clean, shifted, "requests", requests)
        self._note("gap", clean, gone, "requests", np.full(clean.hour.size, "absent"))
        return shifted, gone, requests

    def _note(
        self, kind: str, clean: Hours, rows: np.ndarray, column: str, dirty: np.ndarray
    ) -> None:
        hit = clean.take(rows)
        origins = np.array(self.origin_ids)[hit.origin]
        services = np.array(self.service_ids)[hit.service]
        value = {"origin_region": origins, "service_id": services}.get(column, hit.requests)
        self.ledger.add(
            kind,
            _TABLE,
            column,
            service_id=services,
            region_id=origins,
            observed_at=self.first_hour + hit.hour.astype("timedelta64[h]"),
            clean_value=value.astype(str),
            dirty_value=dirty[rows].astype(str),
        )
