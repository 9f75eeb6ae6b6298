"""Wall clocks and instants: which instant a local time means, and where a zone's clock is set forward or back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

SECOND = timedelta(seconds=1)


def wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks of the zone show at an instant, without a zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time, in UTC: the first one when clocks show it twice; when they skip it, the first
    instant after the gap."""
    found = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall(found, zone) == local.replace(fold=0):
        return found
    # zoneinfo reads a skipped time by the offset before the gap, or (fold=1) by the one after it: the clock was set
    # forward between the two.
    return changed(local.replace(tzinfo=zone, fold=1).astimezone(UTC), found, zone)


def instant_after(local: datetime, zone: ZoneInfo, moment: datetime) -> datetime:
    """The same, but the second instant when clocks show the time twice and the first one is not after `moment`."""
    found = instant(local, zone)
    return found if found > moment else local.replace(tzinfo=zone, fold=1).astimezone(UTC)


def changed(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The first whole second after `low` at which the zone's offset is another, known to be so at `high`."""
    before = low.astimezone(zone).utcoffset()
    while high - low > SECOND:
        middle = low + timedelta(seconds=(high - low) // SECOND // 2)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


__all__ = ["SECOND", "changed", "instant", "instant_after", "wall"]
