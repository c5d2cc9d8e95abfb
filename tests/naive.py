"""Slow, obvious twins of the compiled parts: plain numbers, lists and whole histories, to be compared with."""

import math
from datetime import date, timedelta
from itertools import combinations, takewhile
from statistics import median

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from streamforest.compiled import compiled
from streamforest.features import band, tails
from streamforest.features import observe as fast
from streamforest.features import season as seasons
from streamforest.features.band import OLD_LEVEL
from streamforest.features.vector import new_buffers
from streamforest.judging import threshold as limits

EULER = 0.5772156649015329
LOG_5, LOG_10, LOG_50 = math.log(5), math.log(10), math.log(50)


# The forest


def path_length(n):
    """Mean depth of an unsuccessful search among n samples: Liu, Ting and Zhou 2008, equation 1."""
    if n <= 1:
        return 0.0
    return 1.0 if n == 2 else 2.0 * (math.log(n - 1.0) + EULER) - 2.0 * (n - 1.0) / n


def walk(tree, vector, features):
    """The leaf of a scikit-learn tree that a float32 vector falls into, and its depth."""
    node, depth = 0, 0
    while tree.children_left[node] >= 0:
        x = vector[features[tree.feature[node]]]
        goes_left = tree.missing_go_to_left[node] if math.isnan(x) else float(x) <= tree.threshold[node]
        node = tree.children_left[node] if goes_left else tree.children_right[node]
        depth += 1
    return int(node), depth


def forest_score(model, vector):
    """2 ** -(mean path length / expected path length): Liu, Ting and Zhou 2008, equation 2."""
    lengths = []
    for estimator, features in zip(model.estimators_, model.estimators_features_, strict=True):
        leaf, depth = walk(estimator.tree_, vector, features)
        lengths.append(depth + path_length(estimator.tree_.n_node_samples[leaf]))
    usual = path_length(model._max_samples)
    return 2.0 ** (-sum(lengths) / len(lengths) / usual) if usual > 0 else 1.0


# The threshold


class NaiveThreshold:
    """Three quantiles of the surprises, carried on as an exponential tail, and a correction."""

    def __init__(self):
        self.body, self.correction = [math.log(2), LOG_10, LOG_50], limits.FIRST_CORRECTION
        self.alarms, self.flags, self.highs = 0.0, [], []
        self.cluster = self.high = 0

    @property
    def slope(self):
        return min(max((self.body[2] - self.body[1]) / LOG_5, 0.7), 1.3)

    def limit(self, rate):
        wanted = -math.log(rate)
        if wanted >= LOG_50:
            guess = self.body[2] + self.slope * (wanted - LOG_50)
        else:
            guess = float(np.interp(wanted, [math.log(2), LOG_10, LOG_50], self.body))
        if wanted > limits.GUESSED_WELL:
            guess += limits.FAR_SLOPE * (wanted - limits.GUESSED_WELL)
        return max(guess + self.correction, self.least(rate))

    def least(self, rate):
        return min(limits.LEAST_LIMIT, -math.log(rate) / 2)

    def learn(self, surprise, rate, is_anomaly):
        n, weight, alarm = len(self.flags), 1.0, 0.0
        is_held = self.limit(rate) <= self.least(rate)
        if is_anomaly:
            self.cluster = self.cluster + 1 if any(self.flags[-10:]) else 1
            doubt = 2.0 - (surprise - self.limit(rate)) / (limits.FULL_EXCESS * self.slope)
            plain = min(max(doubt, limits.LEAST_WEIGHT), 1.0)
            weight = min(max(plain, (self.alarms / limits.FULL_SHARE) ** 2), 1.0)
            alarm = plain * self.cluster**-0.5
        self.alarms += 0.01 * (is_anomaly - self.alarms)
        self.highs.append(surprise > self.body[2])
        if self.highs[-1]:
            self.high = self.high + 1 if any(self.highs[-11:-1]) else 1
            weight = min(weight, max(1.0 / self.high, (self.alarms / limits.FULL_SHARE) ** 2))
        mean_weight = limits.MEAN_WEIGHT
        if rate > 0.02:
            weight, mean_weight, alarm = 1.0, 1.0, float(is_anomaly)
        kinds = zip(limits.BODY_SHARES, limits.BODY_MEMORY, limits.BODY_PRIOR, strict=True)
        for k, (share, memory, prior) in enumerate(kinds):
            step = weight / (share * min(n + prior, memory))
            self.body[k] += step * ((surprise > self.body[k]) - share)
        self.body = [max(self.body[: k + 1]) for k in range(3)]
        alarms_wanted = min(n * rate + limits.ALARM_PRIOR, limits.ALARM_MEMORY)
        if is_anomaly or not is_held:
            self.correction += self.slope / alarms_wanted * (alarm - mean_weight * rate)
        self.flags.append(is_anomaly)


# The evidence


class NaiveEvidence:
    """The score of each point, from all that was said of the stream before."""

    def __init__(self):
        self.locals, self.rarities, self.tail = [], [], [0.58, 1.32, 2.0]

    def rarity(self, local):
        a, b, c = self.tail
        if local > b:
            surprise = LOG_50 + LOG_10 * (local - b) / (c - b)
        else:
            surprise = float(np.interp(local, [0.0, a, b], [0.0, LOG_5, LOG_50]))
        return 4.0 * math.log(1.0 + surprise / 4.0)

    def recent(self):
        """The plain mean of the first three, from then on each new one counts 0.3."""
        mean = sum(self.locals[:3]) / len(self.locals[:3])
        for local in self.locals[3:]:
            mean = 0.7 * mean + 0.3 * local
        return mean

    def lasting(self):
        """What is above 1.5, up to 3.5: each new one counts a two-hundredth; before the first it is 0."""
        n = len(self.rarities)
        return sum(
            0.005 * 0.995 ** (n - 1 - i) * min(max(rarity - 1.5, 0.0), 3.5) for i, rarity in enumerate(self.rarities)
        )

    def learn(self, local):
        n = len(self.locals) - 1
        for k, (share, memory, prior) in enumerate(TAILS):
            step = 1.0 / (share * -math.log(share) * min(n + 100.0 * prior, 10.0 * memory))
            self.tail[k] *= 1.0 + step * ((local > self.tail[k]) - share)
        a = max(self.tail[0], 0.01)
        b = max(self.tail[1], 1.2 * a)
        self.tail = [a, b, min(max(self.tail[2], b + 0.3 * (b - a)), b + 2.0 * (b - a))]

    def weigh(self, isolation, strangeness, stillness, novelties):
        seen = len(self.locals)
        plain = 0.5 * math.log(1.0 + isolation / 3.0) + 0.5 * max(strangeness, stillness)
        self.locals.append(max(plain, 0.75 * stillness))
        local = 0.7 * self.locals[-1] + 0.3 * self.recent()
        rarity = self.rarity(local)
        self.rarities.append(rarity)
        self.learn(local)
        new = sum(math.log(1.0 + novelty) for novelty in novelties) / len(novelties) * seen / (seen + 2000.0)
        total = new + 0.04 * (rarity + self.lasting())
        return total / (total + 0.25)


# The features

TAILS = [(0.2, 250.0, 10.0), (0.02, 1000.0, 40.0), (0.002, 5000.0, 400.0)]
DAY, SLOT = 86_400.0, 900.0
f4 = np.float32


class NaiveTail:
    """Three quantiles of a deviation, learned one deviation at a time."""

    def __init__(self, guess, finest, memory=1.0, prior=1.0, far_weight=0.1):
        self.at, self.finest, self.count = [guess, guess * 2.0, guess * 3.2], finest, 0
        self.memory, self.prior, self.far_weight = memory, prior, far_weight

    def surprise(self, deviation):
        a, b, c = self.at
        known = [0.0, LOG_5, LOG_50]
        if deviation > b:
            return LOG_50 + LOG_10 * (deviation - b) / (c - b)
        return float(np.interp(deviation, [0.0, a, b], known))

    def deviation(self, surprise):
        a, b, c = self.at
        if surprise > LOG_50:
            return b + (c - b) * (surprise - LOG_50) / LOG_10
        return float(np.interp(surprise, [0.0, LOG_5, LOG_50], [0.0, a, b]))

    def learn(self, deviation):
        is_far = self.surprise(deviation) > 9.0
        for k, (share, memory, prior) in enumerate(TAILS):
            step = 1.0 / (share * -math.log(share) * min(self.count + self.prior * prior, self.memory * memory))
            step *= self.far_weight if is_far and k else 1.0
            self.at[k] *= 1.0 + step * ((deviation > self.at[k]) - share)
        a = max(self.at[0], self.finest)
        b = max(self.at[1], 1.2 * a)
        nearest, farthest = b + tails.SHORTEST_TAIL * (b - a), b + tails.LONGEST_TAIL * (b - a)
        self.at = [a, b, min(max(self.at[2], nearest), farthest)]
        self.count += 1


class NaiveCover:
    """Centres with one radius, at most so many, which cover all that a signal was."""

    def __init__(self, most):
        self.most, self.centres, self.radius, self.newest = most, [], 0.0, 0.0

    def nearest(self, signal):
        return min((float(abs(centre - f4(signal))) for centre in self.centres), default=math.inf)

    def grown(self, signal):
        """The novelty of the next signal; 0 where it is less than that of the one before."""
        before, self.newest = self.newest, self.novelty(signal)
        return self.newest if self.newest >= before else 0.0

    def novelty(self, signal):
        return max(self.nearest(signal) / max(self.radius, 0.2) - 1.0, 0.0) if self.centres else 0.0

    def learn(self, signal):
        self.radius *= 1.0 - 3e-5
        if self.nearest(signal) > self.radius:
            while len(self.centres) == self.most:
                self.coarsen()
            self.centres.append(f4(signal))

    def coarsen(self):
        closest = min(abs(one - other) for one, other in combinations(self.centres, 2))
        self.radius = max(self.radius * 1.2, float(closest) * 1.0001)
        for i in range(self.most):
            j = i + 1
            while j < len(self.centres):
                if abs(self.centres[i] - self.centres[j]) > self.radius:
                    j += 1
                elif j == len(self.centres) - 1:
                    self.centres.pop()
                else:
                    self.centres[j] = self.centres.pop()


class NaiveClock:
    """All readings by their stays in a quarter of an hour of the day."""

    def __init__(self):
        self.stays = []  # (quarter of the day, readings), the last still going on

    def usual(self, time):
        mean, days = f4(0.0), 0
        for slot, readings in self.stays[:-1]:
            if slot == time % DAY // SLOT:
                days += 1
                mean += f4(max(0.1, 1.0 / days) * (sum(readings) / len(readings) - float(mean)))
        return float(mean) if days else math.nan

    def learn(self, time, y):
        if math.isnan(time):
            return
        if not self.stays or self.stays[-1][0] != time % DAY // SLOT:
            self.stays.append((time % DAY // SLOT, []))
        self.stays[-1][1].append(y)


class NaiveWeek:
    """Slots of the week by the clock, and the evidence that a day is an odd one."""

    KINDS = ("early", "late", "other", "still")

    def __init__(self):
        self.means, self.spreads, self.weeks, self.days = {}, {}, [0] * 7, 0
        self.level, self.ahead, self.turned, self.slot, self.readings = 0.0, 0.0, 0.0, None, []
        self.alike, self.unlike, self.stillest, self.middle, self.usual_spread = [], [], math.inf, 0.0, 0.0
        self.errors, self.plain, self.seen, self.offs, self.yesterday = 0.0, 0.0, 0, [], 0.0
        self.evidence, self.today, self.farthest = [0.0] * 4, [f4(0.0)] * 4, [f4(0.0)] * 4
        self.square, self.product, self.last = 0.0, 0.0, 0.0
        self.odd, self.before, self.odd_weekdays, self.was_said = set(), set(), set(), False

    def tells(self):
        return self.days >= 21 and self.errors < 0.7 * self.plain

    def place(self, time):
        day = math.floor((time + self.ahead) / DAY)
        return day, int(min((time + self.ahead) % DAY / DAY * 96, 95.0))

    def expected(self, days, slot):
        known = [(min(self.weeks[k], 6.0), float(self.means[k, slot])) for k in days if (k, slot) in self.means]
        total = sum(weight for weight, _ in known)
        return sum(weight * mean for weight, mean in known) / total if total else math.nan

    def is_usual(self, y, time, interval, reach):
        if math.isnan(time) or not self.tells() or interval > 7200:
            return False
        slot = self.place(time)[1]
        kinds = self.odd | {self.change()}
        foretold = [self.expected(self.alike, slot)]
        foretold += [one for kind, one in zip(self.KINDS, self.instead(slot), strict=True) if kind in kinds]
        off = min((abs(y - self.level - one) for one in foretold if not math.isnan(one)), default=math.nan)
        return off <= reach and 1.2533 * float(self.spreads.get(slot, math.nan)) <= reach

    def hold(self, y, time, interval, rate, is_alone, to_sunday=0):
        """How far beyond what is enough the evidence for an odd day is, where that is news; else 0."""
        if math.isnan(time) or interval > 7200:
            return 0.0
        at, excess = (*self.place(time), to_sunday), 0.0
        if at != self.slot:
            if self.readings:
                excess = self.end_slot(rate, is_alone=False)
            before = self.slot
            if before is not None and (at[0], at[2]) != (before[0], before[2]):
                self.end_day()
                if self.days == 10:
                    self.move_midnight()
                    return excess
            if before is None or (at[0], at[2]) != (before[0], before[2]):
                self.begin_day(at[0], to_sunday)
            self.slot = at
        if not is_alone or interval >= 810:
            self.readings.append(y)
            if interval >= 810:
                excess = max(excess, self.end_slot(rate, is_alone))
        return excess

    def end_slot(self, rate, is_alone):
        slot, to_sunday = self.slot[1:]
        y = sum(self.readings) / len(self.readings) - self.level
        self.readings = []
        if to_sunday:
            return 0.0
        expected, excess = self.expected(self.alike, slot), 0.0
        if not math.isnan(expected):
            off = y - expected
            self.seen += 1
            most = 4.0 * self.plain if self.days >= 10 else math.inf
            self.plain += (min(abs(y - self.middle), most) - self.plain) / min(self.seen, 500)
            self.errors += (min(abs(off), most) - self.errors) / min(self.seen, 500)
            if self.days >= 10:
                excess = self.gather(y, off, max(math.log(rate) / math.log(0.001), 1.0))
            if is_alone:
                return excess
            if not self.odd:
                self.learn_spread(slot, off)
            self.offs.append(min(max(off, -most), most))
        self.learn_mean((self.slot[0] + 3) % 7, slot, y)
        return excess

    def learn_spread(self, slot, off):
        spread = self.spreads.get(slot)
        if spread is None:
            self.spreads[slot] = f4(abs(off))
            return
        size = abs(off) if self.days < 10 else min(abs(off), 4.0 * float(spread))
        self.spreads[slot] += f4(max(0.08, 1.0 / max(self.days - 6, 1)) * (size - float(spread)))

    def learn_mean(self, weekday, slot, y):
        if self.odd:
            if weekday in self.odd_weekdays and (weekday, slot) in self.means:
                self.means[weekday, slot] += f4(0.5 * (y - float(self.means[weekday, slot])))
            return
        if (weekday, slot) not in self.means:
            self.means[weekday, slot] = f4(y)
            return
        off = y - float(self.means[weekday, slot])
        if self.days >= 10 and slot in self.spreads:
            reach = 4.0 * float(self.spreads[slot])
            off = min(max(off, -reach), reach)
        self.means[weekday, slot] += f4(max(0.15, 1.0 / (self.weeks[weekday] + 1)) * off)

    def instead(self, slot):
        return [
            self.expected(self.alike, slot + 4),
            self.expected(self.alike, slot - 4),
            self.expected(self.unlike, slot),
            self.stillest,
        ]

    def change(self):
        """Which kind a change of clocks would seem on this day; none where it is not one."""
        if self.slot is None or self.slot[0] <= self.turned + 7:
            return None
        today = date(1970, 1, 1) + timedelta(days=self.slot[0])
        sunday = today - timedelta(days=(today.weekday() + 1) % 7)
        if (today - sunday).days > 2:
            return None
        forward = {3: (*range(8, 15), *range(25, 32)), 9: range(24, 31), 10: range(1, 8)}
        back = {4: range(1, 8), 10: range(25, 32), 11: range(1, 8)}
        if sunday.day in forward.get(sunday.month, ()):
            return "early"
        return "late" if sunday.day in back.get(sunday.month, ()) else None

    def gather(self, y, off, farther):
        def improbability(z):
            return 0.5 * z * z if abs(z) < 2.5 else 2.5 * (abs(z) - 1.25)

        slot = self.slot[1]
        own = float(self.spreads.get(slot, math.nan))
        spread = 1.2533 * max(own, 0.5 * (own + self.usual_spread))
        if not spread > 0.0:
            return 0.0
        change, most, instead = self.change(), 0.0, dict(zip(self.KINDS, self.instead(slot), strict=True))
        changed = instead.get(change, math.nan)
        share = self.new_share(off / spread)
        usual = improbability(off / spread)
        explained = usual if math.isnan(changed) else min(usual, improbability((changed - y) / spread))
        alike, unlike = (sum(min(self.weeks[k], 6.0) for k in days) for days in (self.alike, self.unlike))
        for k, kind in enumerate(self.KINDS):
            if math.isnan(instead[kind]):
                continue
            apart = instead[kind] - (y - off)
            variance = spread**2 / alike + spread**2 / (unlike if kind == "other" else alike)
            apart = apart if apart**2 > 4.0 * variance else 0.0
            gain = share * ((usual if kind == change else explained) - improbability((off - apart) / spread))
            evidence = max(self.evidence[k] + min(max(gain, -2.5), 2.5), -2.5)
            self.evidence[k] = evidence
            enough = farther * max(5.0, 1.5 * float(self.farthest[k]))
            if kind == change:
                if evidence > max(enough, 7.0) and self.tells():
                    self.ahead += 3600.0 if kind == "early" else -3600.0
                    self.turned, self.evidence = self.slot[0], [0.0] * 4
                    return 0.0
                continue
            if evidence > enough and kind not in self.odd and self.tells():
                is_news = not self.was_said and kind not in self.before
                most = max(most, evidence / enough) if is_news else most
                self.was_said = self.was_said or is_news
                self.odd.add(kind)
            self.today[k] = max(self.today[k], f4(min(evidence, enough if self.days >= 21 else 1.5 * enough)))
        return most

    def new_share(self, off):
        """Share of the evidence of a slot that those before it did not tell, by the correlation of neighbours."""
        r = min(max(self.product / self.square, 0.0), 0.8) if self.square else 0.0
        if not self.odd:
            off = min(max(off, -2.5), 2.5)
            self.square += (off * off - self.square) / min(self.seen, 2000)
            self.product += (off * self.last - self.product) / min(self.seen, 2000)
            self.last = off
        return (1.0 - r) / (1.0 + r)

    def end_day(self):
        if self.slot[2]:
            return
        weekday = (self.slot[0] + 3) % 7
        self.odd_weekdays = self.odd_weekdays | {weekday} if self.odd else self.odd_weekdays - {weekday}
        self.weeks[weekday] += 1
        self.days += 1
        for k, kind in enumerate(self.KINDS):
            seen = float(self.today[k]) if kind in self.odd or not self.odd else 0.0
            self.farthest[k] = f4(max(seen, float(self.farthest[k]) * (1.0 - 1.0 / min(self.days, 128))))
        self.today = [f4(0.0)] * 4
        if not self.offs:
            return
        off, before, reach = sum(self.offs) / len(self.offs), self.yesterday, 2.0 * self.errors
        self.offs, self.yesterday = [], off
        if abs(off) > reach and off * before > 0.0 and abs(before) > 0.5 * abs(off):
            self.level, self.yesterday, self.evidence = self.level + off, 0.0, [0.0] * 4
        elif not self.odd:
            self.level += 0.2 * min(max(off, -reach), reach)

    def move_midnight(self):
        """Let days begin in the middle of the four hours in which all days together vary least."""

        def variance(middle):
            near = {slot % 96 for slot in range(middle - 8, middle + 8)}
            known = [float(mean) for (_, slot), mean in self.means.items() if slot in near]
            return np.var(known) if known else math.inf

        night = min(range(96), key=variance)
        ahead = 96 - night if night > 48 else -night
        moved = {(96 * k + slot + ahead) % 672: mean for (k, slot), mean in self.means.items()}
        self.means = {divmod(at, 96): mean for at, mean in moved.items()}
        self.spreads = {(slot + ahead) % 96: spread for slot, spread in self.spreads.items()}
        self.ahead += 900.0 * ahead
        self.slot = None

    def begin_day(self, day, to_sunday):
        self.slot = (day, -1, to_sunday)
        self.before, self.odd, self.was_said = self.odd, set(), False
        change = self.change()
        if (day + 3) % 7 == 6:
            change = None
        self.evidence = [self.evidence[k] if kind == change else 0.0 for k, kind in enumerate(self.KINDS)]
        apart = {}
        for one, other in combinations(range(7), 2):
            known = [{s for s in range(96) if (k, s) in self.means} for k in (one, other)]
            both, most = known[0] & known[1], max(map(len, known))
            offs = [abs(float(self.means[one, s]) - float(self.means[other, s])) for s in sorted(both)]
            apart[one, other] = apart[other, one] = sum(offs) / len(offs) if 2 * len(both) > most else math.inf
        weekday, least = (day + 3 + to_sunday) % 7, min(apart.values())
        apart[weekday, weekday] = 0.0
        self.alike = [k for k in range(7) if apart[weekday, k] <= 1.5 * least] if self.weeks[weekday] else []
        self.unlike = [k for k in range(7) if 3.0 * least < apart[weekday, k] < math.inf]
        self.middle = float(np.mean([float(mean) for mean in self.means.values()] or [0.0]))
        known = [self.expected(self.alike, slot) for slot in range(96)]
        self.stillest = min([one for one in known if not math.isnan(one)], default=math.inf)
        self.usual_spread = float(np.mean([float(spread) for spread in self.spreads.values()] or [0.0]))


def lag_distances(history, points):
    """Mean squared difference of the last values from those at each lag, lag 1 first, up to the longest kept.

    A difference that is so many points old weighs (1 - 1 / points) to that power.
    """
    length = 28 * points + 60  # what is older weighs less than 1e-14
    weights = (1.0 - 1.0 / points) ** np.arange(length)[::-1] / points
    kept = np.array(history[-length - seasons.LONGEST_SEASON :], dtype=float)
    padded = np.pad(kept, (length + seasons.LONGEST_SEASON - kept.size, 0), constant_values=np.nan)
    past = sliding_window_view(padded, length)[::-1]
    differences = past[1:] - past[0]
    differences *= differences
    return np.nan_to_num(differences, copy=False) @ weights


def likeness_distance(history, points):
    """How far the last values are from the nearest values before, NaN where there are too few."""
    first, last = 10, min(len(history) - 1 - points, seasons.LONGEST_SEASON)
    return math.sqrt(lag_distances(history, points)[first - 1 : last].min()) if first <= last else math.nan


@compiled
def _hold(states, y, forecast, scratch):
    band.hold_against_band(states[0], y, forecast, scratch[0])


@compiled
def _learn_band(states, y, level, rate, scratch):
    """Whether the level has jumped, and the scale then."""
    has_jumped = band.learn_band(states[0], y, level, rate, scratch[0])
    return has_jumped, band.scale_now(states[0])


@compiled
def _scale(states):
    return band.scale_now(states[0])


@compiled
def _widths(states, rate, forecast):
    band.look_at_band(states[0], rate, forecast)
    return band.half_width(states[0], 0), band.half_width(states[0], 1)


@compiled
def _forget_sizes(states):
    band.forget_sizes(states[0])


@compiled
def _begin_band(states):
    band.begin_band(states[0])


def same_season(one, other):
    return abs(one - other) <= max(2, int(0.025 * other))


class NaiveFeatures:
    """The surprises and novelties of a stream, from its whole history.

    The band of usual residuals is no twin: what it says of a value is asked of the compiled one, on a state of its own
    that is told of the season and the value before.
    """

    def __init__(self):
        self.first, self.history, self.clean = [], [], []
        self.squares = {n: np.zeros(seasons.LONGEST_SEASON) for n in (3, 16)}
        self.bands, self.scratch = fast.new_state(), new_buffers()
        self.banded, self.buffers = self.bands[0], self.scratch[0]
        self.last_time, self.interval, self.jitter, self.missing = math.nan, 0.0, 0.0, 0.0
        self.season, self.phase, self.cycle, self.phase_spread, self.usual_spread = 0, 0, [], [], 0.0
        self.phase_outliers, self.ahead, self.slopes = {}, 0.0, 0.0
        self.lag_means = np.zeros(seasons.LONGEST_SEASON + 1, dtype=f4)
        self.found_lag = self.found_times = 0
        self.difference = 0.0
        self.week = NaiveWeek()
        self.clock, self.covers = NaiveClock(), [NaiveCover(most) for most in [16, 32, 32, 32, 8, 16]]
        self.shapes, self.usual_distances, self.distances = {}, {3: 0.0, 16: 0.0}, {3: 0, 16: 0}
        self.sides, self.offs, self.unrest = [], [], 0.0
        self.new_round()

    def new_round(self):
        self.lag, self.most, self.best, self.best_lag = seasons.SHORTEST_SEASON, 0.0, math.inf, 0

    # The way of one reading

    def observe(self, value, time, rate):
        """Surprises, novelties and outlook; None during the warm-up."""
        late = self.lateness(time)
        if len(self.first) < fast.WARM_UP:
            if not math.isnan(value):
                self.first.append(value)
                if len(self.first) == fast.WARM_UP:
                    self.begin()
            return None
        if late >= 0.5 and self.jitter < 0.2:
            self.pass_over(int(late + 0.5))
        self.tell_band()
        forecast, is_missing = self.corrected(), math.isnan(value)
        widths = [self.unit * width for width in _widths(self.bands, rate, float(forecast))]
        expected = [self.zero + self.unit * forecast, *widths]
        gap = self.missing + late + is_missing
        if is_missing:
            gap_surprise = self.tails[fast.GAP].surprise(gap)
            self.missing += 1.0
            self.tails[fast.GAP].learn(gap)
            self.pass_over(1)
            return [0.0] * fast.GAP + [gap_surprise], [0.0] * 6, [*expected, *[0.0] * 6, self.season, 0.0, 0.0, 0.0]
        self.missing, whole = 0.0, self.scaled(value)
        usual = self.usual(time)
        bounded = self.held_to_band(whole, forecast)
        far = self.buffers["is_far"] and 0.25 * abs(float(self.buffers["residual"]))
        if far and self.week.is_usual(whole, time, self.interval, far):
            self.is_alone = False
        self.week.hold(bounded, time, self.interval, rate, self.is_alone)
        y = bounded if abs(whole - self.long_level) > self.tails[fast.EXTREME].at[2] else whole
        deviations, signals = self.deviations(y, gap, usual), self.signals(y, usual)
        surprises = [0.0 if math.isnan(d) else t.surprise(d) for t, d in zip(self.tails, deviations, strict=True)]
        novelties = [0.0 if math.isnan(s) else c.grown(s) for c, s in zip(self.covers, signals, strict=True)]
        off_level = whole - self.seasonal() - self.levels[2]
        strangeness = self.strangeness(3) + 0.6 * self.strangeness(16)
        self.follow(off_level, deviations[fast.RESIDUAL])
        outlook = [*expected, whole - forecast, off_level, strangeness, *self.run(), self.unrest]
        visible, excess = float(self.banded["visible"]), float(self.buffers["excess"])
        self.learn(y, time, rate, deviations, signals)
        return surprises, novelties, [*outlook, self.season, visible, excess, deviations[fast.REPEAT]]

    def begin(self):
        self.zero = median(self.first)
        distances = sorted(abs(value - self.zero) for value in self.first)
        self.unit = 1.4826 * distances[fast.WARM_UP // 2] or distances[-1] / 3.0
        if not self.unit > 1e-12 * abs(self.zero):
            self.unit = 0.01 * abs(self.zero) or 1.0
        self.last = min(max(self.scaled(self.first[0]), -3.0), 3.0)
        self.fast, self.slope = [self.last] * 4, 0.0
        self.errors = [1.0] * 4
        self.recent, self.median_wins = [self.last] * 9, 0.5
        self.last_usual, self.last_error, self.inputs = self.last, 0.0, np.zeros(3)
        self.input_weights, self.input_squares, self.input_errors = np.zeros(3), np.zeros((3, 3)), np.zeros(3)
        self.levels, self.long_level, self.novelty_levels = [0.0] * 3, 0.0, [0.0] * 5
        self.spread = self.motion = 0.8
        self.repeat = 0.0
        guesses = [1.3, 1.8, 1.3, 1.0, 0.8, 1.2, 3.0, 1.0, 1.3, 0.8, 1.0]
        self.tails = [NaiveTail(g, 0.5 if f in (fast.REPEAT, fast.GAP) else 0.01) for f, g in enumerate(guesses)]
        self.off_tail = NaiveTail(1.3, 0.01)
        _begin_band(self.bands)
        for value in self.first:
            self.tell_band()
            self.corrected()
            y = self.held_to_band(self.scaled(value), self.expected)
            self.learn(y, math.nan, 0.001, self.deviations(y, 0.0, math.nan), self.signals(y, math.nan))

    def tell_band(self):
        """Let the band know of the season and of the value before."""
        self.banded["count"], self.banded["last"] = len(self.history), self.last
        self.banded["season"], self.banded["phase"] = self.season, self.phase
        self.banded["cycle"][: self.season] = self.cycle[: self.season]
        self.banded["phase_spread"][: self.season] = self.phase_spread[: self.season]
        self.banded["usual_spread"] = self.usual_spread
        newest = np.array(self.history[-seasons.LONGEST_SEASON :], dtype=f4)
        self.banded["ring"] = 0.0  # a band that looks at it sees zeros where nothing was yet
        self.banded["ring"][: newest.size] = newest

    def held_to_band(self, y, forecast):
        _hold(self.bands, float(y), float(forecast), self.scratch)
        self.is_alone, self.far = bool(self.buffers["is_alone"]), float(self.buffers["reach"])
        return float(self.buffers["bounded"])

    def scaled(self, value):
        return min(max((value - self.zero) / self.unit, -1e15), 1e15)

    def seasonal(self):
        return float(self.cycle[self.phase]) if self.season else 0.0

    def level(self):
        return self.fast[self.errors.index(min(self.errors))]

    def forecast(self):
        return median(self.recent) if self.median_wins > 0.55 else self.level() + self.seasonal()

    def corrected(self):
        """The forecast with what least squares expect of its error."""
        self.expected = self.forecast()
        if self.season:
            scale = _scale(self.bands)
            offs = [self.last_usual - self.expected, self.clean[-self.season] - self.expected, self.last_error]
            self.inputs = np.clip(np.nan_to_num(np.array(offs) / scale), -4.0, 4.0)
            self.expected += scale * float(np.clip(self.input_weights @ self.inputs, -4.0, 4.0))
        return self.expected

    def learn_error(self, y, error, scale):
        self.last_usual, self.last_error = y, error
        if self.season:
            held = min(max(error / scale, -4.0), 4.0)
            self.input_errors += (held * self.inputs - self.input_errors) / 500.0
            self.input_squares += (np.outer(self.inputs, self.inputs) - self.input_squares) / 500.0
            for i in range(3):
                others = self.input_squares[i] @ self.input_weights - self.input_squares[i, i] * self.input_weights[i]
                self.input_weights[i] = (self.input_errors[i] - others) / (self.input_squares[i, i] + 0.05)

    def usual(self, time):
        usual = self.clock.usual(time)
        days = self.season * self.interval / DAY
        times = max(days, 1.0 / days) if days else math.inf
        is_of_days = times < 7.5 and abs(times - round(times)) <= 0.03 * times
        return self.long_level + self.seasonal() if self.season and (math.isnan(usual) or not is_of_days) else usual

    def deviations(self, y, gap, usual):
        self.follow_shapes(y)
        self.shapes = {n: self.likeness(n) for n in (3, 16)}
        r, residual = y - self.seasonal(), abs(y - self.expected)
        few = self.fast[1] + 0.3 * (r - self.fast[1])
        motion = self.motion + 0.15 * (abs(y - self.last) - self.motion)
        return [
            residual,
            abs(r - self.fast[0]),
            abs(y - self.long_level),
            abs(few - self.levels[1]),
            abs(self.levels[0] - self.levels[2]),
            self.spread + 0.15 * (residual - self.spread),
            1.0 / (motion + 0.01),
            self.repeat + 1.0 if y == self.last else 0.0,
            abs(y - usual),
            self.shapes[16],
            gap,
        ]

    def follow_shapes(self, y):
        """Mean squared difference of the last values from those at each lag, as those were known then."""
        past = np.array(self.history[: -seasons.LONGEST_SEASON - 1 : -1], dtype=float)
        for n, squares in self.squares.items():
            squares[: past.size] += ((past - float(f4(y))) ** 2 - squares[: past.size]) / n

    def likeness(self, n):
        first, last = 10, min(len(self.history) - n, seasons.LONGEST_SEASON)
        return math.sqrt(self.squares[n][first - 1 : last].min()) if first <= last else math.nan

    def novelty_levels_with(self, y):
        gains = [max(gain, 1.0 / (len(self.history) + 1.0)) for gain in [0.3, 0.1, 0.05, 0.02, 0.005]]
        return [level + gain * (y - level) for level, gain in zip(self.novelty_levels, gains, strict=True)]

    def signals(self, y, usual):
        few, tens, _, fifty, hundreds = self.novelty_levels_with(y)
        return [y, few, few - fifty, tens - hundreds, y - self.novelty_levels[2] if self.history else 0.0, y - usual]

    # What tells kinds of events apart

    def strangeness(self, n):
        distance = self.shapes[n]
        if math.isnan(distance) or self.distances[n] < 10 or not self.usual_distances[n]:
            return 0.0
        return math.log1p(distance / max(self.usual_distances[n], 0.01))

    def follow(self, off, residual):
        self.sides.append(0.0 if abs(off) <= self.off_tail.at[1] else math.copysign(1.0, off))
        self.offs.append(abs(off))
        self.off_tail.learn(abs(off))
        self.unrest += 0.05 * ((residual > self.tails[fast.RESIDUAL].at[0]) - self.unrest)

    def run(self):
        side = self.sides[-1]
        if not side:
            return 0.0, 0.0
        length = len(list(takewhile(lambda other: other == side, reversed(self.sides))))
        return side * length, self.offs[-1] / self.offs[-length]

    def learn_distance(self, n, distance):
        if not math.isnan(distance):
            self.distances[n] += 1
            usual = self.usual_distances[n]
            if self.distances[n] > 20 and usual:
                distance = min(distance, 5.0 * usual)
            self.usual_distances[n] += (distance - usual) / min(self.distances[n], 20_000)

    # Learning

    def learn(self, y, time, rate, deviations, signals):  # noqa: PLR0912
        n, level = len(self.history), self.level()
        forecast = level + self.seasonal()
        error = y - self.forecast()
        self.learn_lags(math.nan if self.is_alone else y, abs(error))
        side = 0 if self.buffers["residual"] > 1e-9 else 1
        width = _scale(self.bands) * float(self.banded["edge"][side])
        has_jumped, scale = _learn_band(self.bands, float(y), float(level), rate, self.scratch)
        settled = y
        if has_jumped and self.buffers["is_far"]:  # a new level, whose first points were no outliers
            settled = self.keep_points(y, width)
        for tail, deviation in zip(self.tails, deviations, strict=True):
            if not math.isnan(deviation):
                tail.learn(deviation)
        for cover, signal in zip(self.covers, signals, strict=True):
            if not math.isnan(signal):
                cover.learn(signal)
        for points, distance in self.shapes.items():
            self.learn_distance(points, distance)
        r, reach = y - self.seasonal(), 4.0 * scale

        def held(x, most=reach):
            return min(max(x, -most), most)

        def biweight(x):
            return x * (1.0 - (x / (2.0 * reach)) ** 2) ** 2 if abs(x) < 2.0 * reach else 0.0

        newest = 1.0 / (n + 2.0)
        offs = [r - at for at in self.fast]
        self.errors = [
            error + max(0.02, newest) * (min(abs(off), reach) - error)
            for error, off in zip(self.errors, offs, strict=True)
        ]
        if not self.is_alone:
            self.fast[0] += held(offs[0])
        for k, gain in [(1, 0.3), (2, 0.05)]:
            self.fast[k] += max(gain, newest) * biweight(offs[k])
        self.slope += 0.03 * biweight(offs[3])
        self.fast[3] += max(0.3, newest) * biweight(offs[3]) + self.slope
        nearer = (abs(y - forecast) - abs(y - median(self.recent))) / float(self.banded["scale"])
        self.median_wins += min(abs(nearer), 10.0) / 300.0 * ((nearer > 0.0) - self.median_wins)
        self.last_error = 0.0
        if not self.is_alone:
            self.learn_error(y, error, scale)
            self.recent = [*self.recent[1:], y]
            for k, gain in enumerate([0.1, 0.02, 0.005]):
                self.levels[k] += max(gain, newest) * held(r - self.levels[k])
            self.spread += 0.15 * (min(deviations[fast.RESIDUAL], reach) - self.spread)
        self.novelty_levels = self.novelty_levels_with(y)
        far = self.tails[fast.EXTREME].at[2]
        self.long_level += max(0.002, newest) * held(y - self.long_level, far)
        self.motion += 0.15 * (min(abs(y - self.last), self.tails[fast.CHANGE].at[2]) - self.motion)
        self.repeat, self.last = deviations[fast.REPEAT], y
        self.clock.learn(time, y)
        if has_jumped:
            self.fast, self.slope = [float(self.banded["new_level"])] * 4, 0.0
            self.recent = [y] * 9
            self.last_usual, self.last_error = y, 0.0
        if self.banded["old_age"] == OLD_LEVEL:
            self.levels = [level] * 3
        season = self.season
        if self.is_alone:
            self.learn_outlier(y, y - forecast)
        else:
            self.learn_season(y, level, reach, self.far, settled)
        if not same_season(self.season, season):
            _forget_sizes(self.bands)

    def keep_points(self, y, width):
        """The last five points belong to a new level, or are at it if far from it; what the present one is."""
        kept, level = [*self.history[-4:], f4(y)], float(self.banded["new_level"])
        for k in range(5):
            at = level + (float(self.cycle[(self.phase - 4 + k) % self.season]) if self.season else 0.0)
            if abs(float(kept[k]) - at) > width:
                kept[k] = f4(at)
        self.history[-4:] = kept[:4]
        self.clean[-5:] = kept
        return kept[4]

    # The clock

    def lateness(self, time):
        if math.isnan(time):
            return 0.0
        step, self.last_time = time - self.last_time, time
        if not step > 0.0:
            return 0.0
        if not self.interval:
            self.interval = step
            return 0.0
        late = max(step / self.interval - 1.0, 0.0)
        held = min(step, 3.0 * self.interval)
        self.jitter += 0.05 * (abs(held - self.interval) / self.interval - self.jitter)
        self.interval += 0.05 * (held - self.interval)
        return late

    def pass_over(self, readings):
        self.last_usual, self.last_error = math.nan, 0.0
        for _ in range(min(readings, seasons.LONGEST_SEASON)):
            y = self.forecast()
            self.follow_shapes(y)
            self.learn_lags(y, self.difference)
            reach = self.tails[fast.RESIDUAL].at[2]
            self.learn_season(y, y - self.seasonal(), reach, reach)

    # The season

    def learn_lags(self, y, residual):
        far = 3.0 * self.tails[fast.EXTREME].at[1]
        n, here, clip = len(self.clean), f4(y), f4(far)
        if not math.isnan(y):
            self.difference += (min(residual, far) - self.difference) / min(n + 1, seasons.LAG_MEMORY)
        lags = np.arange(1, min(n, seasons.LONGEST_SEASON) + 1)
        past = np.array(self.clean[: -lags.size - 1 : -1], dtype=f4)
        gains = f4(1.0) / np.minimum(n - lags + 1, seasons.LAG_MEMORY).astype(f4)
        # outliers are NaN: they tell nothing
        steps = gains * (np.minimum(abs(past - here), clip) - self.lag_means[lags])
        self.lag_means[lags] += np.nan_to_num(steps)
        self.clean.append(here)

    def learn_season(self, y, level, reach, spread_reach, settled=None):
        if self.season:
            k, off = self.phase, y - level - self.seasonal()
            self.learn_phase_spread(off, spread_reach)
            off = min(max(off, -reach), reach)
            self.cycle[k] += f4(0.15 * off)
            self.phase_outliers.pop(k, None)
            self.follow_phase(off)
        self.end_point(y if settled is None else settled)

    def learn_phase_spread(self, off, reach):
        before = self.phase_spread[self.phase]
        self.phase_spread[self.phase] += f4(0.2 * (min(abs(off), reach) - float(before)))
        is_wider = self.phase_spread[self.phase] > self.usual_spread
        self.usual_spread = max((1.02 if is_wider else 1.0 / 1.02) * self.usual_spread, 0.01)

    def follow_phase(self, off):
        after, before = (float(self.cycle[(self.phase + step) % self.season]) for step in (1, -1))
        slope = 0.5 * (after - before)
        self.ahead += (off * slope - self.ahead) / 400.0
        self.slopes += (slope * slope - self.slopes) / 400.0
        if abs(self.ahead) > 0.5 * self.slopes:
            step = 1 if self.ahead > 0.0 else -1
            self.phase = (self.phase + step) % self.season
            self.ahead -= step * self.slopes

    def learn_outlier(self, y, off):
        """Outliers in a row at a phase, all of one sign, are the season's once there are more than chance brings."""
        if self.season:
            k = self.phase
            if self.phase_outliers.get(k) or self.banded["far_share"] < 0.1:
                self.learn_phase_spread(off, self.far)
            alike = [other for other in self.phase_outliers.get(k, []) if other * off > 0.0]
            self.phase_outliers[k] = [*alike, off]
            chance = min(max(0.5 * float(self.banded["far_share"]), 1e-4), 0.5)
            if alike and chance ** len(self.phase_outliers[k]) < 1e-4:
                self.cycle[k] += f4(min(self.phase_outliers.pop(k), key=abs))
        self.end_point(y)

    def end_point(self, y):
        self.history.append(f4(y))
        self.phase = (self.phase + 1) % self.season if self.season else self.phase
        self.search()

    def search(self):
        n = len(self.history)
        for _ in range(seasons.SEARCH_STEP):
            lag = self.lag
            if lag >= seasons.LONGEST_SEASON or n < 2 * lag + lag // 4 + 24:
                self.end_round()
                self.new_round()
                return
            difference = float(self.lag_means[lag])
            self.most = max(self.most, difference)
            if difference < 0.7 * self.most and difference < 0.95 * self.best:
                self.best, self.best_lag = difference, lag
            self.lag += 1

    def end_round(self):
        lag = self.best_lag
        if not lag:
            self.found_times = self.found_lag = 0
            if self.season and self.lag_means[self.season] > 0.85 * self.most:
                self.season = 0
                self.relevel()
            elif self.season:
                self.refresh_cycle()
            return
        near = range(lag, min(lag + lag // 8 + 3, seasons.LONGEST_SEASON))
        lag = min((at for at in near if at == lag or len(self.history) > 2 * at), key=lambda at: self.lag_means[at])
        self.found_times = self.found_times + 1 if abs(self.found_lag - lag) <= 1 else 0
        self.found_lag = lag
        if self.found_times >= 2 and lag != self.season and self.is_better(lag):
            self.take_season(lag)
        elif self.season:
            self.refresh_cycle()

    def refresh_cycle(self):
        """The cycle anew from the last seasons, where its forecasts are much worse than the values a season before."""
        apart = float(self.lag_means[self.season])
        if not self.difference > 1.1 * apart:
            return
        self.difference = 0.7 * apart
        period, fresh = self.season, {}
        cycles = min(min(len(self.clean), seasons.LONGEST_SEASON) // period, 5)
        for back in range(1, period + 1):
            here = [float(self.clean[-back - c * period]) for c in range(cycles)]
            here = [y for y in here if not math.isnan(y)]
            if here:
                fresh[(self.phase - back) % period] = f4(median(here))
        if 2 * len(fresh) < period:
            return
        off = sum(float(y - self.cycle[k]) for k, y in fresh.items()) / len(fresh)
        shape = np.array([f4(float(fresh[k]) - off) if k in fresh else self.cycle[k] for k in range(period)], dtype=f4)
        self.drop_peaks(shape, np.array(self.cycle[:period], dtype=float))
        self.cycle = list(shape)
        self.cycle = list(self.cycle - f4(sum(float(x) / period for x in self.cycle)))
        self.relevel()

    def is_better(self, lag):
        if not self.season:
            return self.lag_means[lag] < 1.75 * self.difference

        def is_multiple(long, short):
            times = (long + short // 2) // short
            return times > 1 and abs(long - times * short) <= 2 * times

        enough = 0.95 if same_season(lag, self.season) else 0.9
        if abs(lag - self.season) <= 2:
            enough = 0.998
        elif is_multiple(lag, self.season):
            enough = 0.7
        elif is_multiple(self.season, lag):
            enough = 1.05
        return self.lag_means[lag] < enough * self.lag_means[self.season]

    def take_season(self, period):
        if self.season and same_season(period, self.season):
            self.stretch_season(period)
            return
        cycles = min(min(len(self.clean), seasons.LONGEST_SEASON) // period, 5)
        newest = np.array(self.clean[-cycles * period :], dtype=f4).reshape(cycles, period)
        shape = np.array([self.start_of_phase(newest, i) for i in range(period)], dtype=f4)
        self.drop_peaks(shape)
        self.cycle = list(shape - f4(sum(float(x) / period for x in shape)))
        self.phase_spread, self.usual_spread = [f4(0.0)] * period, 1.2 * max(float(self.banded["scale"]), 0.01)
        self.season, self.phase, self.phase_outliers, self.ahead = period, 0, {}, 0.0
        slopes = [0.5 * float(self.cycle[(i + 1) % period] - self.cycle[i - 1]) for i in range(period)]
        self.slopes = sum(slope**2 for slope in slopes) / period
        self.relevel()

    def drop_peaks(self, shape, before=None):
        """Few points that are unlike those before them and behind them are no part of a cycle that has none there."""
        period = shape.size
        width, reach = min(12, period // 4), 6.0 * max(float(self.banded["scale"]), 0.01)
        smooth, is_peak = np.array(shape), np.zeros(period, dtype=bool)
        for i in range(period):
            sides = [[float(shape[(i + side * step) % period]) for step in range(1, width + 1)] for side in (-1, 1)]
            smooth[i] = f4(median(sides[0] + sides[1]))
            is_peak[i] = min(abs(float(shape[i]) - median(near)) for near in (*sides, sides[0] + sides[1])) > reach
        if is_peak.sum() <= (0.05 + 1.5 * float(self.banded["far_share"]) ** 2) * period:
            if before is not None:
                is_peak &= abs(shape - before) > reach
            shape[is_peak] = smooth[is_peak]

    def start_of_phase(self, newest, i):
        """The median of a point of the season; of two the likelier one where they differ by too much."""
        period = newest.shape[1]
        here = [float(x) for x in newest[:, i] if not math.isnan(x)]
        beside = [float(x) for step in (-2, -1, 1, 2) for x in newest[:, (i + step) % period] if not math.isnan(x)]
        if not here:
            return median(beside) if beside else 0.0
        if len(here) != 2 or not beside:
            return median(here)
        middle = median(beside)
        near, far = sorted(here, key=lambda x: abs(x - middle))
        is_odd = abs(near - far) > 2.0 * abs(near - middle) + max(beside) - min(beside)
        return near if is_odd else median(here)

    def stretch_season(self, period):
        places = [(self.phase + min(i, self.season - 1)) % self.season for i in range(period)]
        self.cycle = [self.cycle[place] for place in places]
        self.phase_spread = [self.phase_spread[place] for place in places]
        self.season, self.phase, self.phase_outliers = period, 0, {}
        self.relevel()

    def relevel(self):
        kept = self.clean[-seasons.LONGEST_SEASON :]
        start = self.phase - len(kept)
        cycle = self.cycle if self.season else [0.0]
        rs = [float(y) - float(cycle[(start + i) % len(cycle)]) for i, y in enumerate(kept) if not math.isnan(y)]
        self.fast, self.levels, self.slope = [rs[0]] * 4, [rs[0]] * 3, 0.0
        for r in rs:
            line = self.fast[3]
            self.slope += 0.03 * (r - line)
            levels = [at + gain * (r - at) for at, gain in zip(self.fast[:3], [1.0, 0.3, 0.05], strict=True)]
            self.fast = [*levels, line + 0.3 * (r - line) + self.slope]
            self.levels = [at + gain * (r - at) for at, gain in zip(self.levels, [0.1, 0.02, 0.005], strict=True)]


def naive_alarms(verdicts, rules, times=None):
    """Flags and episode numbers that the rules leave of verdicts that were given without any; point by point."""
    flags, episodes, number, last, starts = [], [], 0, -math.inf, []
    for row in verdicts:
        value, expected = float(row["value"]), float(row["expected"])
        off, is_wanted = value - expected, True
        if not math.isnan(value):
            least = max(rules.minimum_deviation, rules.minimum_deviation_percent / 100 * abs(expected))
            is_wanted = {"both": True, "up": off > 0, "down": off < 0}[rules.direction] and abs(off) >= least
        is_anomaly = bool(row["score"] > row["threshold"]) and is_wanted
        is_over = row["index"] - last - 1 > rules.cool_down
        if is_anomaly and is_over:
            if rules.alarms_a_day is not None and times is not None:
                now = float(times[row["index"]])
                today = sum(start // DAY == now // DAY for start in starts)
                most = max(1, math.floor(rules.alarms_a_day))
                is_early = rules.alarms_a_day < 1 and starts and now - starts[-1] < DAY / rules.alarms_a_day
                is_anomaly = today < most and not is_early
                starts += [now] if is_anomaly else []
            number += is_anomaly
        if is_anomaly or (is_wanted and not is_over and row["p_value"] < 0.02):
            last = row["index"]
        flags.append(is_anomaly)
        episodes.append(number if is_anomaly else 0)
    return flags, episodes


# The matrix profile


def left_distances(points, windows):
    """Distance of each newest window from the nearest one before it that overlaps it by less than three quarters."""
    distances = []
    for window in windows:
        newest, nearest = points[-window:], math.inf
        for end in range(window, len(points) - math.ceil(window / 4)):
            off = [(a - b) ** 2 for a, b in zip(points[end - window : end], newest, strict=True)]
            if not math.isnan(sum(off)):
                nearest = min(nearest, math.sqrt(math.fsum(off)))
        distances.append(nearest if nearest < math.inf else math.nan)
    return distances


# The LSTM autoencoder


def _sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def lstm_step(inputs, hidden, memory, input_weights, recurrent_weights, bias):
    """One step of an LSTM, gate by gate: Hochreiter and Schmidhuber 1997, with a forget gate."""
    units = len(hidden)
    gates = [
        float(bias[g])
        + sum(float(x) * float(input_weights[i][g]) for i, x in enumerate(inputs))
        + sum(float(h) * float(recurrent_weights[j][g]) for j, h in enumerate(hidden))
        for g in range(4 * units)
    ]
    new_memory = [
        _sigmoid(gates[units + u]) * memory[u] + _sigmoid(gates[u]) * math.tanh(gates[2 * units + u])
        for u in range(units)
    ]
    return [_sigmoid(gates[3 * units + u]) * math.tanh(new_memory[u]) for u in range(units)], new_memory


def lstm_reconstruct(weights, window):
    """A whole window, the newest point first, from what is known of it; NaN is unknown."""
    units, size = len(weights.encoder_recurrent), len(weights.code_bias)
    hidden, memory = [0.0] * units, [0.0] * units
    for x in window:
        seen = (0.0, 0.0) if math.isnan(x) else (float(x), 1.0)
        parts = weights.encoder_input, weights.encoder_recurrent, weights.encoder_bias
        hidden, memory = lstm_step(seen, hidden, memory, *parts)
    code = [
        math.tanh(float(weights.code_bias[c]) + sum(h * float(weights.code[j][c]) for j, h in enumerate(hidden)))
        for c in range(size)
    ]
    hidden, memory, points = [0.0] * units, [0.0] * units, []
    for _ in window:
        parts = weights.decoder_input, weights.decoder_recurrent, weights.decoder_bias
        hidden, memory = lstm_step(code, hidden, memory, *parts)
        made = sum(h * float(weights.output[j][0]) for j, h in enumerate(hidden))
        points.append(float(weights.output_bias[0]) + made)
    return points


def window_of(points, memory_gain, reach, reach_after, finest, most):
    """The last of the points and those before it, in spreads from the level before it; and level and spread."""
    level = deviation = known = 0.0
    for y in points[:-1]:
        if math.isnan(y):
            continue
        gain, off = max(memory_gain, 1.0 / (known + 1.0)), y - level
        if known >= reach_after:
            pull = reach * max(math.sqrt(math.pi / 2.0) * deviation, finest)
            off = min(max(off, -pull), pull)
        level += gain * off
        deviation += gain * (abs(off) - deviation)
        known += 1.0
    spread = max(math.sqrt(math.pi / 2.0) * deviation, finest)
    return [y if math.isnan(y) else min(max((y - level) / spread, -most), most) for y in points], level, spread
