"""
Renal function and its words: eGFR, acute kidney injury, impaired or unknown, never "normal" (RULES.md 6).

Sources: CKD-EPI 2021 creatinine equation without race (Inker et al., NEJM 2021;385:1737); KDIGO AKI guideline (2012).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from rules.draws import Draw, Draws
from rules.events import DAY, Demographics, Instant
from rules.rulebook import Rulebook
from rules.units import CREATININE_UMOL_L_PER_MG_DL

IMPAIRED, NOT_IMPAIRED, UNKNOWN = "impaired", "not impaired", "unknown"


class RenalFunction(NamedTuple):
    """
    ``status`` is impaired, not impaired or unknown; ``egfr`` the figure that stands, None without one.

    ``why`` names causes.
    """

    status: str
    egfr: Decimal | None
    creatinine: Draw | None
    why: tuple[str, ...]

    @property
    def impaired(self) -> bool:
        """Say whether the kidneys are known to be impaired."""
        return self.status == IMPAIRED


@lru_cache(maxsize=4_096)
def ckd_epi_2021(creatinine_umol_l: Decimal, age_years: int, sex: str) -> Decimal:
    """
    Return the eGFR in mL/min/{1.73_m2}, rounded to a whole number; with *sex* unknown the lower of the two.

    Source: CKD-EPI 2021 creatinine equation. The formula uses floats; its result is rounded before it is compared
    (RULES.md 1 and 6).
    """
    if sex not in ("F", "M"):
        return min(ckd_epi_2021(creatinine_umol_l, age_years, "F"), ckd_epi_2021(creatinine_umol_l, age_years, "M"))
    mg_dl = float(creatinine_umol_l / CREATININE_UMOL_L_PER_MG_DL)
    kappa, alpha, factor = (0.7, -0.241, 1.012) if sex == "F" else (0.9, -0.302, 1.0)
    ratio = mg_dl / kappa
    egfr = 142 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.200 * 0.9938**age_years * factor
    return Decimal(round(egfr))


def age_years(demographics: Demographics | None, now: Instant) -> int | None:
    """Return the age in whole years at *now* (UTC), or None where the birth date is unknown."""
    birth = demographics.birth_date if demographics else ""
    if len(birth) < 4 or not birth.isdigit():
        return None
    year, month, day = int(birth[:4]), int(birth[4:6] or 1), int(birth[6:8] or 1)
    now_year, now_month, now_day = civil_date(now)
    age = now_year - year - ((now_month, now_day) < (month, day))
    return age if 0 <= age <= 130 else None


def civil_date(now: Instant) -> tuple[int, int, int]:
    """Return year, month and day of an instant, in UTC."""
    return _civil_date(now // DAY)


@lru_cache(maxsize=1_024)
def _civil_date(day: int) -> tuple[int, int, int]:
    """
    Return the date so many days after 1970 began.

    Source: Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days. (The rules import no clock.)
    """
    era, day_of_era = divmod(day + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day_of_month = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_month


def last_injury(creatinine: Draws, rulebook: Rulebook) -> Instant | None:
    """
    Return the draw of the newest creatinine that shows acute kidney injury, whatever its age; None without any.

    A rise of 26.5 umol/L or more within 48 h, or to 1.5 times the lowest of the 7 days before (and at least 62), that
    is not followed within 24 h by one below 1.25 times that lowest (RULES.md 6).

    Source: KDIGO AKI guideline (2012), section 2.1.1.
    """
    at, values = creatinine.at, creatinine.values
    if not values:
        return None
    least = min(values)  # whatever rises has risen above it
    enough = min(least + rulebook.aki_rise, max(rulebook.aki_ratio * least, rulebook.aki_minimum))
    for n in range(len(at) - 1, -1, -1):
        if values[n] < enough:
            continue
        week = values[bisect_left(at, at[n] - rulebook.aki_within) : n]
        if not week:
            continue
        lowest = min(week)
        near = values[bisect_left(at, at[n] - rulebook.aki_rise_within) : n]
        rise = bool(near) and values[n] - min(near) >= rulebook.aki_rise
        ratio = values[n] >= rulebook.aki_ratio * lowest and values[n] >= rulebook.aki_minimum
        if (rise or ratio) and not _undone(creatinine, n, lowest, rulebook):
            return at[n]
    return None


def _undone(creatinine: Draws, n: int, lowest: Decimal, rulebook: Rulebook) -> bool:
    """Say whether the n-th creatinine is followed within 24 h by one below 1.25 times *lowest*."""
    end = bisect_right(creatinine.at, creatinine.at[n] + rulebook.aki_undone_within)
    return any(value < rulebook.aki_undone_ratio * lowest for value in creatinine.values[n + 1 : end])


def newest(draws: Draws, since: Instant) -> Draw | None:
    """Return the newest of *draws*, when it was drawn at *since* or later."""
    return draws[-1] if draws.at and draws.at[-1] >= since else None


def renal_function(
    creatinine: Draw | None,
    egfr: Draw | None,
    *,
    age: int | None,
    sex: str,
    causes: Iterable[str],
    rulebook: Rulebook,
) -> RenalFunction:
    """
    Return the renal function (RULES.md 6): impaired by eGFR or one of the *causes*, else known or unknown.

    Args:
        creatinine: The newest creatinine within 7 days.
        egfr: The newest reported eGFR within 7 days.
        age: In years; None: unknown.
        sex: F, M, or anything else for unknown.
        causes: Dialysis, diagnosis, injury: what there is of them.
        rulebook: For the limit, and the age at which one is adult.
    """
    value: Decimal | None = None
    highest_possible: Decimal | None = None
    if egfr is not None and (creatinine is None or egfr.at >= creatinine.at):
        value = egfr.value
    elif creatinine is not None:
        if age is None:
            highest_possible = ckd_epi_2021(creatinine.value, int(rulebook.adult_years), sex)
        else:
            value = ckd_epi_2021(creatinine.value, age, sex)
    why = []
    if value is not None and value < rulebook.egfr_impaired:
        why.append(f"eGFR {value}")
    if highest_possible is not None and highest_possible < rulebook.egfr_impaired:
        why.append(f"eGFR {highest_possible} or lower, age unknown")
    why += causes
    status = IMPAIRED if why else (UNKNOWN if value is None else NOT_IMPAIRED)
    return RenalFunction(status, value, creatinine, tuple(why))
