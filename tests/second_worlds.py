"""Which small worlds ask every question of the rules, on both sides of each edge?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from second_price import Row, World
from second_rules import SecondPolicy

TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

COLUMNS = {
    "brands": "brand_id name brand_type stage",
    "programmes": "programme_id name rules",
    "enrolments": "brand_id programme_id valid_from valid_to committed_at",
    "skus": "sku_id brand_id title category standardness supply_type unit units_per_pack list_price_fen stock "
    "rating_x100 review_count refund_rate launched_on retired_on status authorised_until min_tier "
    "denied_anchor_ids sample channel_exclusive equivalent_sku_id equivalent_ratio",
    "plans": "plan_id sku_id plan_type rate anchor_ids service_fee_rate status valid_from valid_to",
    "cps_quotes": "quote_id sku_id platform plan_scope rate rate_high base base_fen observed_at valid_from valid_to",
    "offers": "offer_id sku_id platform shop_kind event_id quantity item_price_fen shipping_fen units_per_pack unit "
    "gift_same_units gift_other audience deposit_fen balance_fen quota event_units welfare mapping evidence "
    "currency observed_at valid_from valid_to",
    "offer_promotions": "promotion_id offer_id layer kind n off_fen off_rate threshold_fen cap_fen exclusive_group "
    "valid_from valid_to",
    "events": "event_id platform kind name starts_at ends_at counts_as_big_promo goods_focus",
    "anchors": "anchor_id name account_kind tier joined_on home_city_tier denied_categories own_brand_ids",
    "live_sessions": "live_session_id anchor_id started_at ended_at exposure_follow exposure_public exposure_paid "
    "entries watch_seconds peak_viewers fans_gained",
    "listings": "live_session_id sku_id role slot explained_seconds impressions clicks orders units gmv_fen buyers "
    "repeat_buyers refund_fen settled_at",
    "retractions": "table key at",
}

RATES = (100_000, 150_000, 200_000, 200_000, 200_001)
PACKS = ((1000, 1), (1000, 1), (1000, 1), (2000, 2), (5000, 5), (990, 1), (1010, 1), (2001, 2))
SOURCES = ("operator", "operator", "operator", "operator", "operator", "job", "job", "brand:b1")
AGES = (
    *(timedelta(0), TICK, HOUR, HOUR, HOUR, 12 * HOUR, 12 * HOUR, 12 * HOUR),
    *(24 * HOUR, 24 * HOUR, 24 * HOUR + TICK, 72 * HOUR, 72 * HOUR + TICK),
)
YOUNG = (timedelta(0), TICK, HOUR, 12 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR, 24 * HOUR + TICK, 72 * HOUR)


class Maker:
    """Draws one world: a year, a focus among its events, and rows around one instant."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.world: World = {table: [] for table in COLUMNS}
        self.year = rng.choice((2024, 2025, 2025, 2025, 2026))
        self.numbers = rng.sample(range(10, 100), 90)
        self.now = datetime(self.year, 3, 1, tzinfo=UTC)
        self.deep = self.chance(0.8)
        plain: Row = {}
        self.abroad = self.rng.choice(
            (*(plain,) * 22, {"unit": "g"}, {"currency": "USD"}, {"item_price_fen": 0})
        )

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.rng.random() < probability

    def fresh_id(self, letter: str) -> str:
        """An id whose order says nothing about when its row was made."""
        return f"{letter}{self.numbers.pop()}"

    def add(
        self, table: str, /, *, known_at: datetime = LONG_AGO, source: str = "operator", **values: Any
    ) -> Row:
        """A row with every column of its table."""
        row: Row = dict.fromkeys(COLUMNS[table].split())
        assert set(values) <= set(row), set(values) - set(row)
        row |= values | {"known_at": known_at, "source": source}
        self.world[table].append(row)
        return row

    def window(self, around: datetime, always: float) -> tuple[datetime | None, datetime | None]:
        """A window, mostly open on both sides, else with edges at and beside `around`."""
        if self.chance(always):
            return None, None
        starts = self.rng.choice(
            (None, around - 2 * DAY, around - 2 * DAY, around, around + TICK, around + HOUR)
        )
        ends = self.rng.choice((None, around, around + TICK, around + HOUR, around + 3 * DAY))
        if starts is not None and ends is not None and ends <= starts:
            ends = starts + HOUR
        return starts, ends

    def moment(self, month: int, day: int, hour: int = 16, years: int = 0) -> datetime:
        """An instant of the world's year; 16:00 UTC is midnight in Shanghai."""
        return datetime(self.year + years, month, day, hour, tzinfo=UTC)

    def event(self, platform: str, kind: str, starts: datetime, ends: datetime, *, big: bool | None) -> Row:
        """An event."""
        return self.add(
            "events",
            event_id=self.fresh_id("e"),
            platform=platform,
            kind=kind,
            name=kind,
            starts_at=starts,
            ends_at=ends,
            counts_as_big_promo=big,
        )

    def third_event(self, end_of_new: datetime) -> Row:
        """The third big event: plain, beside the end of the Double 11, or beside the turn of the year."""
        turn = self.moment(12, 31)
        kind, starts, length = self.rng.choice(
            (
                ("818", self.moment(8, 10), 10 * DAY),
                ("818", self.moment(8, 10), 10 * DAY),
                ("1212", end_of_new, 20 * DAY),
                ("1212", end_of_new - TICK, 20 * DAY),
                ("eve", turn - TICK, 8 * DAY),
                *((("eve", turn, 8 * DAY),) if not self.deep else ()),
            )
        )
        return self.event("kuaishou", kind, starts, starts + length, big=True)

    def calendar(self) -> tuple[Row | None, list[Row]]:
        """The events; the one we look at, and the reference events."""
        old = self.event(
            "tmall", "double_11", self.moment(10, 14, 12, -1), self.moment(11, 11, 16, -1), big=True
        )
        new = self.event("tmall", "double_11", self.moment(10, 15, 12), self.moment(11, 14), big=True)
        summer = self.event("kuaishou", "616", self.moment(5, 31), self.moment(6, 18), big=True)
        autumn = self.event("kuaishou", "116", self.moment(10, 19), self.moment(11, 11), big=True)
        third = self.third_event(new["ends_at"])
        if self.chance(0.12):
            big = self.rng.choice((True, True, False, None))
            starts = summer["starts_at"] + 5 * DAY
            extra = self.event("kuaishou", "brand_day", starts, starts + 7 * DAY, big=big)
            if big and self.chance(0.6):
                self.world["events"].remove(third)
                third = extra
        if self.chance(0.12):
            self.event("tmall", "double_11", self.moment(10, 14, 12, 1), self.moment(11, 11, 16, 1), big=None)
        references = [old, new]
        for row, probability in ((old, 0.2), (new, 0.3), (summer, 0.1), (third, 0.1)):
            if not self.deep and self.chance(probability):
                self.world["events"].remove(row)
                references = [other for other in references if other is not row]
        if not self.deep and self.chance(0.05):
            self.world["events"].clear()
            references = []
        focus = self.rng.choice((summer, summer, summer, autumn, autumn, autumn, third, third))
        return (None if not self.deep and self.chance(0.5) else focus), references

    def members(self) -> None:
        """Brands, programmes and enrolments."""
        now = self.now
        for brand_id in ("b1", "b2"):
            self.add("brands", brand_id=brand_id, name=brand_id)
        both = ("cps_floor", "price_parity")
        rules = both if self.deep else self.rng.choice((both, both, ("cps_floor",), ("price_parity",)))
        self.add("programmes", programme_id="g1", name="C", rules=rules)
        self.add("programmes", programme_id="g2", name="D", rules=self.rng.choice((both, ("cps_floor",))))
        starts, ends, committed = now - 700 * DAY, None, None
        if self.chance(0.1):
            starts = self.rng.choice((now - DAY, now, now + TICK))
        if self.chance(0.15):
            ends = self.rng.choice((now, now + TICK, now + HOUR)) if starts < now else now + HOUR
        if self.chance(0.3):
            committed = self.rng.choice((starts, now - DAY, now - DAY, now, now + TICK))
        if self.deep or self.chance(0.9):
            self.enrol("g1", starts, ends, committed)
        if self.chance(0.06):
            self.enrol("g2", now - 300 * DAY, self.rng.choice((None, now + HOUR, now + DAY)), None)

    def goods(self) -> None:
        """SKUs and anchors."""
        now = self.now
        exclusive = self.rng.choice((*(None,) * 6, *(False,) * 6, True, True))
        equivalent = "s2" if self.chance(0.6 if exclusive else 0.1) else None
        sku: dict[str, Any] = {
            "channel_exclusive": exclusive,
            "equivalent_sku_id": equivalent,
            "equivalent_ratio": self.rng.choice((None, 1, 2)) if equivalent else None,
            "min_tier": self.rng.choice((None, None, None, None, "waist", "head")),
            "denied_anchor_ids": self.rng.choice(((), (), (), (), ("a2",))),
        }
        self.sku("s1", LONG_AGO, sku)
        if equivalent or self.chance(0.3):
            self.sku("s2", LONG_AGO, {})
        if self.chance(0.08):
            change = self.rng.choice(
                (
                    {"brand_id": "b2"},
                    {"channel_exclusive": None},
                    {"min_tier": "head"},
                    {"denied_anchor_ids": ("a1",)},
                )
            )
            self.sku("s1", self.rng.choice((now - DAY, now, now + TICK, now + HOUR)), sku | change)

        for anchor_id in ("a1", "a2"):
            self.add(
                "anchors",
                anchor_id=anchor_id,
                name=anchor_id,
                tier=self.rng.choice(("head", "waist", "tail")),
            )
        if self.chance(0.08):
            self.add("anchors", known_at=now - DAY, anchor_id="a1", name="a1", tier="tail")
        for row in self.world["anchors"]:
            row |= {"denied_categories": (), "own_brand_ids": ()}

    def enrol(
        self, programme_id: str, starts: datetime, ends: datetime | None, committed: datetime | None
    ) -> None:
        """An enrolment of the first brand, known since its commitment."""
        self.add(
            "enrolments",
            known_at=min(starts, committed or starts),
            brand_id="b1",
            programme_id=programme_id,
            valid_from=starts,
            valid_to=ends,
            committed_at=committed,
        )

    def sku(self, sku_id: str, known_at: datetime, values: dict[str, Any]) -> None:
        """One row of a SKU's history."""
        plain: dict[str, Any] = {
            "brand_id": "b1",
            "title": sku_id,
            "category": "beauty/mask",
            "unit": "piece",
            "units_per_pack": 1,
            "list_price_fen": 2000,
            "status": "on",
            "denied_anchor_ids": (),
        }
        self.add("skus", known_at=known_at, sku_id=sku_id, **(plain | values))

    def plans(self) -> None:
        """Plans, some with a fall or a rise, and the sessions that make a lock."""
        now, rng = self.now, self.rng
        falls = [now - DAY]
        for place in range(rng.choice((1, 1, 2, 2, 3, 4) if self.deep else (0, 1, 2, 3, 4))):
            deep = place == 0 and self.chance(0.95)
            kinds = ("open", "target_item", "target_shop", "exclusive", "leader", "leader_exclusive")
            starts = now - rng.choice((200, 200, 7, 1)) * DAY
            ends = rng.choice((*(None,) * 12, now + HOUR, now + DAY, now + TICK))
            if not deep:
                starts = rng.choice((starts, starts, starts, now, now + TICK, now + HOUR))
                ends = rng.choice((ends, ends, now, now - HOUR))
                ends = starts + DAY if ends is not None and ends <= starts else ends
            values: dict[str, Any] = {
                "plan_id": self.fresh_id("p"),
                "sku_id": "s1" if deep or self.chance(0.95) else self.world["skus"][-1]["sku_id"],
                "plan_type": "open" if deep else rng.choice(kinds),
                "rate": rng.choice(RATES),
                "anchor_ids": () if deep else rng.choice(((), ("a1",), ("a1",), ("a2",), ("a1", "a2"))),
                "service_fee_rate": rng.choice((None, None, 50_000)),
                "status": "on" if deep else rng.choice(("on", "on", "on", "on", "paused", "off")),
                "valid_from": starts,
                "valid_to": ends,
            }
            if values["plan_type"] == "open" and self.chance(0.9):
                values["anchor_ids"] = ()
            known_at = starts if self.chance(0.5) else starts - 10 * DAY
            self.add("plans", known_at=known_at, **values)
            falls += [] if ends is None else [ends]
            for change_at in rng.sample(
                (now - 30 * DAY, now - 7 * DAY, now - DAY, now), rng.choice((0, 0, 0, 1, 2))
            ):
                if change_at > known_at:
                    status = "on" if self.chance(0.9) else "off"
                    self.add(
                        "plans",
                        known_at=change_at,
                        **(values | {"rate": rng.choice(RATES), "status": status}),
                    )
                    falls.append(change_at)
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            before = rng.choice((timedelta(0), TICK, HOUR, 5 * DAY, 5 * DAY, 90 * DAY, 90 * DAY + TICK))
            self.session(rng.choice(falls) - before)

    def session(self, starts: datetime) -> None:
        """A live session with one listing."""
        session_id = self.fresh_id("l")
        ends = self.rng.choice((None, starts + HOUR, starts + 2 * HOUR))
        known_at = ends or starts
        anchor_id = self.rng.choice(("a1", "a1", "a2"))
        self.add(
            "live_sessions",
            known_at=known_at,
            live_session_id=session_id,
            anchor_id=anchor_id,
            started_at=starts,
            ended_at=ends,
        )
        sku_id = "s1" if self.chance(0.9) else self.world["skus"][-1]["sku_id"]
        self.add(
            "listings", known_at=known_at, live_session_id=session_id, sku_id=sku_id, units=1, gmv_fen=1000
        )

    def quotes(self) -> None:
        """What others pay."""
        rng = self.rng
        with_base = rng.choice((0.6, 1.0, 1.0, 1.0))
        for _ in range(rng.choice((1, 2, 2, 3, 4, 6) if self.deep else (0, 1, 2, 4, 6))):
            observed_at = self.now - rng.choice(AGES)
            starts, ends = self.window(self.now, 0.8)
            rate = rng.choice(RATES)
            has_base = self.chance(with_base)
            self.add(
                "cps_quotes",
                known_at=observed_at,
                source=rng.choice(SOURCES),
                quote_id=self.fresh_id("q"),
                sku_id="s1" if self.chance(0.95) else self.world["skus"][-1]["sku_id"],
                platform=rng.choice((*("tmall",) * 4, *("douyin",) * 4, *("jd",) * 2, "kuaishou")),
                plan_scope=rng.choice((*("open",) * 5, *(None,) * 5, "exclusive")),
                rate=rate,
                rate_high=rng.choice((None, None, None, None, None, rate, max(rate, 200_000))),
                base=rng.choice(("list", "paid", "after_coupon")) if has_base else None,
                base_fen=rng.choice((500, 900, 900, 1000, 1000, 1100)) if has_base else None,
                observed_at=observed_at,
                valid_from=starts,
                valid_to=ends,
            )

    def offer(self, platform: str, sku_id: str, observed_at: datetime, *, plain: bool) -> Row:
        """One observation of a price, with its promotions."""
        rng = self.rng
        price, units_per_pack = rng.choice(PACKS)
        presale = rng.choice(
            (*((None, None),) * 40, (100, 900), (100, 900), (100, 910), (100, None), (None, 900))
        )
        starts, ends = self.window(observed_at, 0.9)
        row = self.add(
            "offers",
            known_at=observed_at,
            source=rng.choice(SOURCES),
            offer_id=self.fresh_id("o"),
            sku_id=sku_id,
            platform=platform,
            shop_kind=rng.choice(("flagship", "flagship", "official", "reseller", None)),
            quantity=rng.choice((None, None, None, None, 1, 2, 3)),
            item_price_fen=price,
            shipping_fen=rng.choice((None, None, None, 0, 10)),
            units_per_pack=units_per_pack,
            unit=rng.choice((*("piece",) * 24, "g", None)),
            gift_same_units=rng.choice((None, None, None, None, None, 0, 1)),
            gift_other="pouch" if self.chance(0.2 if platform == "tmall" else 0.05) else None,
            audience=rng.choice(("all", "all", "all", "all", "old_fan", "new_fan")),
            deposit_fen=presale[0],
            balance_fen=presale[1],
            mapping=rng.choice((*("code",) * 9, "manual", "title", None)),
            evidence="shot" if self.chance(0.5) else None,
            currency=rng.choice((*(None,) * 20, *("CNY",) * 5, "USD")),
            observed_at=observed_at,
            valid_from=starts,
            valid_to=ends,
        )
        if plain:
            row |= {
                "audience": "all",
                "mapping": "code",
                "source": "operator",
                "currency": None,
                "unit": "piece",
            }
            row |= {"deposit_fen": None, "balance_fen": None, "valid_from": None, "valid_to": None}
        if self.chance(0.4):
            for _ in range(rng.choice((1, 1, 2, 3, 4))):
                self.promotion(row)
        return row

    def promotion(self, offer: Row) -> None:
        """One promotion of an offer."""
        rng = self.rng
        kinds = ("direct", "percent_off", "threshold_off", "coupon", "nth_item", "subsidy", "red_packet")
        kind = rng.choice(kinds)
        by_rate = kind in {"percent_off", "nth_item"}
        starts, ends = self.window(offer["observed_at"], 0.8)
        self.add(
            "offer_promotions",
            known_at=offer["observed_at"],
            promotion_id=self.fresh_id("m"),
            offer_id=offer["offer_id"],
            layer=rng.choice(("item", "item", "shop", "shop", "platform", "platform", "payment", "identity")),
            kind=kind,
            n=rng.choice((2, 3)) if kind == "nth_item" else None,
            off_fen=None if by_rate else rng.choice((10, 10, 50, 100)),
            off_rate=rng.choice((10_000, 50_000, 100_000)) if by_rate else None,
            threshold_fen=rng.choice((None, None, 900, 990, 1000, 1001)),
            cap_fen=rng.choice((None, 30)) if kind == "percent_off" else None,
            exclusive_group=rng.choice((None, None, "x", "y")),
            valid_from=starts,
            valid_to=ends,
        )

    def offers(self, references: list[Row]) -> None:
        """Our prices around the instant, and those of the reference events."""
        rng, now = self.rng, self.now
        for _ in range(rng.choice((1, 1, 1, 1, 2, 3) if self.deep else (0, 0, 1, 2, 3))):
            plain = self.chance(0.6)
            row = self.offer("kuaishou", "s1", now - rng.choice(YOUNG[:6] if plain else YOUNG), plain=plain)
            if self.chance(0.2):
                row["item_price_fen"] = 900 * (row["units_per_pack"] or 1)
            if self.chance(0.05):
                row |= {"welfare": True, "item_price_fen": rng.choice((0, 0, 0, 1000)), "shipping_fen": None}
            elif self.chance(0.02):
                row |= {"item_price_fen": 0, "shipping_fen": None}
        exclusive = self.world["skus"][0]["channel_exclusive"]
        names = [row["sku_id"] for row in self.world["skus"]]
        favourite = rng.choice(references[:1] * 2 + references) if references else None
        for _ in range(rng.choice((1, 2, 3, 4, 5) if self.deep else (0, 1, 2, 3, 4)) if references else 0):
            event = favourite if favourite and self.chance(0.7) else rng.choice(references)
            observed_at = rng.choice(
                (
                    *(event["starts_at"], event["starts_at"] + DAY, event["starts_at"] + 6 * DAY),
                    *(event["starts_at"] + DAY, event["starts_at"] + 6 * DAY, event["ends_at"] - TICK),
                    rng.choice((event["ends_at"], event["starts_at"] - TICK, event["ends_at"] - TICK)),
                )
            )
            sku_id = "s2" if "s2" in names and self.chance(0.8 if exclusive else 0.1) else "s1"
            row = self.offer("tmall", sku_id, observed_at, plain=self.chance(0.6))
            row["event_id"] = rng.choice((None, event["event_id"]))
            quotas = ((None, None), (9, 1000), (10, 1000), (50, 1000), (0, 1000), (9, None))
            row["quota"], row["event_units"] = rng.choice(quotas) if self.chance(0.2) else (None, None)
            if self.chance(0.02):
                row |= {"item_price_fen": 0, "shipping_fen": None}
            row |= self.abroad

    def withdrawals(self) -> None:
        """A quote or an offer that no longer counts from some instant on."""
        for table, key in (("cps_quotes", "quote_id"), ("offers", "offer_id")):
            if self.world[table] and self.chance(0.06):
                row = self.rng.choice(self.world[table])
                at = max(
                    row["observed_at"] + TICK, self.rng.choice((self.now - HOUR, self.now, self.now + TICK))
                )
                self.add("retractions", known_at=at, table=table, key=row[key], at=at)

    def instants(self, focus: Row | None, references: list[Row]) -> list[datetime]:
        """The instant, its neighbours, edges of rows around it, and moments after the events."""
        near = []
        for rows in self.world.values():
            for row in rows:
                near += [value for value in row.values() if isinstance(value, datetime)]
        near += [row["observed_at"] + age * HOUR for row in self.world["cps_quotes"] for age in (24, 72)]
        near += [row["observed_at"] + 24 * HOUR for row in self.world["offers"]]
        near += [self.now + 7 * DAY, self.now + 6 * DAY]
        reach = self.rng.choice((DAY, DAY, 10 * DAY))
        near = sorted({moment for moment in near if abs(moment - self.now) <= reach})
        edges = self.rng.sample(near, min(2, len(near)))
        chosen = {self.now, self.now - TICK, self.now + TICK}
        for edge in edges:
            chosen |= {edge - TICK, edge, edge + TICK}
        ends = [row["ends_at"] for row in ([focus] if focus else []) + references[-1:]]
        end = self.rng.choice(ends or [self.now])
        return sorted(chosen | {end - TICK, end, max([self.now, *ends]) + 30 * DAY})

    def draw(self) -> tuple[World, str, list[datetime]]:
        """The world, the SKU to ask about, and when to ask."""
        focus, references = self.calendar()
        if focus is None:
            self.now = self.rng.choice((self.moment(3, 1), self.moment(7, 20), self.moment(9, 9)))
        else:
            starts, ends = focus["starts_at"], focus["ends_at"]
            self.now = self.rng.choice(
                (
                    starts,
                    starts + TICK,
                    starts + 2 * DAY,
                    starts + 5 * DAY,
                    starts + 6 * DAY,
                    ends - 2 * DAY,
                    ends - TICK,
                )
            )
        self.members()
        self.goods()
        self.plans()
        self.quotes()
        self.offers(references)
        self.withdrawals()
        for rows in self.world.values():
            self.rng.shuffle(rows)
        return self.world, "s1", self.instants(focus, references)


def random_world(rng: Random) -> tuple[World, str, list[datetime]]:
    """A small world of few distinct values, the SKU to ask about, and the instants to ask at."""
    return Maker(rng).draw()


def random_policy(rng: Random) -> SecondPolicy:
    """A policy; most fields mostly at their defaults, each sometimes not."""
    plain = SecondPolicy()
    others: dict[str, tuple[Any, ...]] = {
        "precedence": (tuple(rng.sample(plain.precedence, len(plain.precedence))),),
        "rate_lock_days": (7, 30, 1),
        "home_platform": ("douyin",),
        "quote_max_age_hours": (24, 12),
        "quote_max_age_event_hours": (12,),
        "floor_platforms": (("tmall", "douyin"), ("tmall", "douyin"), ("jd",)),
        "floor_statistic": ("median",),
        "allow_partial": (True,),
        "rate_tolerance_ppm": (1, 50_000),
        "basis": ("amount", "both", "both"),
        "trusted_sources": (("operator",), ("operator", "job", "brand:b1")),
        "reference_platform": ("jd",),
        "reference_kind": ("616",),
        "provisional_kinds": ((), ("616",), ("116", "616")),
        "reference_year": ("same_year", "lower_of_both"),
        "price_tolerance_fen": (1, 10),
        "quota_floor_ppm": (50_000,),
        "platform_threshold_on": ("p2",),
        "offer_max_age_hours": (72,),
    }
    often = {"rate_lock_days": 0.5, "basis": 0.6, "floor_statistic": 0.3, "reference_year": 0.3}
    rare = {"home_platform": 0.02, "reference_platform": 0.02, "reference_kind": 0.02}
    probabilities = often | rare
    changed = {
        name: rng.choice(values)
        for name, values in others.items()
        if rng.random() < probabilities.get(name, 0.2)
    }
    return replace(plain, **changed)
