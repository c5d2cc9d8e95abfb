"""Slow, obvious twins of the compiled parts: plain numbers, lists and whole histories, to be compared with."""

import math
from itertools import combinations, takewhile
from statistics import median

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from streamforest import features as fast
from streamforest import season as seasons
from streamforest import tails
from streamforest import threshold as limits

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
            doubt = 2.0 - (surprise - self.limit(rate)) / (limits.PLAIN_EXCESS * self.slope)
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
        self.locals, self.tail = [], [0.58, 1.32, 2.0]

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
        self.learn(local)
        new = sum(math.log(1.0 + novelty) for novelty in novelties) / len(novelties) * seen / (seen + 2000.0)
        total = new + 0.04 * rarity
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


class NaiveFeatures:
    """The surprises and novelties of a stream, from its whole history."""

    def __init__(self):
        self.first, self.history = [], []
        self.last_time, self.interval, self.jitter, self.missing = math.nan, 0.0, 0.0, 0.0
        self.season, self.phase, self.cycle = 0, 0, []
        self.lag_means = np.zeros(seasons.LONGEST_SEASON + 1, dtype=f4)
        self.found_lag = self.found_times = 0
        self.clock, self.covers = NaiveClock(), [NaiveCover(most) for most in [16, 32, 32, 32, 8, 16]]
        self.usual_distance, self.distances = 0.0, 0
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
        forecast, is_missing = self.forecast(), math.isnan(value)
        band = [self.zero + self.unit * forecast, self.unit * self.tails[0].deviation(-math.log(rate))]
        gap = self.missing + late + is_missing
        if is_missing:
            gap_surprise = self.tails[fast.GAP].surprise(gap)
            self.missing += 1.0
            self.tails[fast.GAP].learn(gap)
            self.pass_over(1)
            return [0.0] * fast.GAP + [gap_surprise], [0.0] * 6, [*band, *[0.0] * 6, self.season]
        self.missing, y = 0.0, self.scaled(value)
        usual = self.usual(time)
        deviations, signals = self.deviations(y, gap, usual), self.signals(y, usual)
        surprises = [0.0 if math.isnan(d) else t.surprise(d) for t, d in zip(self.tails, deviations, strict=True)]
        novelties = [0.0 if math.isnan(s) else c.grown(s) for c, s in zip(self.covers, signals, strict=True)]
        off_level = y - self.seasonal() - self.levels[2]
        strangeness = self.strangeness(likeness_distance([*self.history, f4(y)], 3))
        self.follow(off_level, deviations[fast.RESIDUAL])
        outlook = [*band, y - forecast, off_level, strangeness, *self.run(), self.unrest]
        self.learn(y, time, deviations, signals)
        return surprises, novelties, [*outlook, self.season]

    def begin(self):
        self.zero = median(self.first)
        distances = sorted(abs(value - self.zero) for value in self.first)
        self.unit = 1.4826 * distances[fast.WARM_UP // 2] or distances[-1] / 3.0 or 0.01 * abs(self.zero) or 1.0
        self.last = self.scaled(self.first[0])
        self.fast = [self.last] * 3
        self.errors = [1.0] * 3
        self.levels, self.long_level, self.plain = [0.0] * 3, 0.0, [0.0] * 5
        self.spread = self.motion = 0.8
        self.repeat = 0.0
        guesses = [1.3, 1.8, 1.3, 1.0, 0.8, 1.2, 3.0, 1.0, 1.3, 0.8, 1.0]
        self.tails = [NaiveTail(g, 0.5 if f in (fast.REPEAT, fast.GAP) else 0.01) for f, g in enumerate(guesses)]
        self.off_tail = NaiveTail(1.3, 0.01)
        for value in self.first:
            y = self.scaled(value)
            self.learn(y, math.nan, self.deviations(y, 0.0, math.nan), self.signals(y, math.nan))

    def scaled(self, value):
        return min(max((value - self.zero) / self.unit, -1e15), 1e15)

    def seasonal(self):
        return float(self.cycle[self.phase]) if self.season else 0.0

    def forecast(self):
        return self.fast[self.errors.index(min(self.errors))] + self.seasonal()

    def usual(self, time):
        usual = self.clock.usual(time)
        return self.long_level + self.seasonal() if math.isnan(usual) and self.season else usual

    def deviations(self, y, gap, usual):
        r, residual = y - self.seasonal(), abs(y - self.forecast())
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
            likeness_distance([*self.history, f4(y)], 16),
            gap,
        ]

    def plain_levels(self, y):
        gains = [max(gain, 1.0 / (len(self.history) + 1.0)) for gain in [0.3, 0.1, 0.05, 0.02, 0.005]]
        return [level + gain * (y - level) for level, gain in zip(self.plain, gains, strict=True)]

    def signals(self, y, usual):
        few, tens, _, fifty, hundreds = self.plain_levels(y)
        return [y, few, few - fifty, tens - hundreds, y - self.plain[2] if self.history else 0.0, y - usual]

    # What tells kinds of events apart

    def strangeness(self, distance):
        if math.isnan(distance) or self.distances < 10 or not self.usual_distance:
            return 0.0
        return math.log1p(distance / max(self.usual_distance, 0.01))

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

    def learn_distance(self, distance):
        if not math.isnan(distance):
            self.distances += 1
            if self.distances > 20 and self.usual_distance:
                distance = min(distance, 5.0 * self.usual_distance)
            self.usual_distance += (distance - self.usual_distance) / min(self.distances, 20_000)

    # Learning

    def learn(self, y, time, deviations, signals):
        n = len(self.history)
        self.learn_lags(y)
        for tail, deviation in zip(self.tails, deviations, strict=True):
            if not math.isnan(deviation):
                tail.learn(deviation)
        for cover, signal in zip(self.covers, signals, strict=True):
            if not math.isnan(signal):
                cover.learn(signal)
        self.learn_distance(likeness_distance([*self.history, f4(y)], 3))
        r, reach = y - self.seasonal(), self.tails[fast.RESIDUAL].at[2]

        def held(x, most=reach):
            return min(max(x, -most), most)

        newest = 1.0 / (n + 2.0)
        for k, gain in enumerate([1.0, 0.3, 0.05]):
            off = held(r - self.fast[k])
            self.errors[k] += max(0.02, newest) * (abs(off) - self.errors[k])
            self.fast[k] += max(gain, newest) * off
        for k, gain in enumerate([0.1, 0.02, 0.005]):
            self.levels[k] += max(gain, newest) * held(r - self.levels[k])
        self.plain = self.plain_levels(y)
        far = self.tails[fast.EXTREME].at[2]
        self.long_level += max(0.002, newest) * held(y - self.long_level, far)
        self.spread += 0.15 * (min(deviations[fast.RESIDUAL], reach) - self.spread)
        self.motion += 0.15 * (min(abs(y - self.last), self.tails[fast.CHANGE].at[2]) - self.motion)
        self.repeat, self.last = deviations[fast.REPEAT], y
        self.clock.learn(time, y)
        self.learn_season(y, reach)

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
        for _ in range(min(readings, seasons.LONGEST_SEASON)):
            y = self.forecast()
            self.learn_lags(y)
            self.learn_season(y, self.tails[fast.RESIDUAL].at[2])

    # The season

    def learn_lags(self, y):
        n, here, clip = len(self.history), f4(y), f4(3.0 * self.tails[fast.EXTREME].at[1])
        lags = np.arange(1, min(n, seasons.LONGEST_SEASON) + 1)
        past = np.array(self.history[: -lags.size - 1 : -1], dtype=f4)
        gains = f4(1.0) / np.minimum(n - lags + 1, seasons.LAG_MEMORY).astype(f4)
        self.lag_means[lags] += gains * (np.minimum(abs(past - here), clip) - self.lag_means[lags])

    def learn_season(self, y, reach):
        self.history.append(f4(y))
        if self.season:
            off = y - self.fast[1] - self.seasonal()
            self.cycle[self.phase] += f4(0.15 * min(max(off, -reach), reach))
            self.phase = (self.phase + 1) % self.season
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
            return
        near = range(lag, min(lag + lag // 8 + 3, seasons.LONGEST_SEASON))
        lag = min((at for at in near if at == lag or len(self.history) > 2 * at), key=lambda at: self.lag_means[at])
        self.found_times = self.found_times + 1 if abs(self.found_lag - lag) <= 1 else 0
        self.found_lag = lag
        enough = 0.998 if abs(lag - self.season) <= 2 else 0.9
        better = not self.season or self.lag_means[lag] < enough * self.lag_means[self.season]
        if self.found_times >= 2 and lag != self.season and better:
            self.take_season(lag)

    def take_season(self, period):
        cycles = 2 if 2 * period <= seasons.LONGEST_SEASON else 1
        newest = np.array(self.history[-cycles * period :], dtype=float).reshape(cycles, period)
        shape = newest[::-1].sum(axis=0) / cycles
        self.cycle = list(shape.astype(f4) - f4(sum(shape / period)))
        self.season, self.phase = period, 0
        self.relevel()

    def relevel(self):
        kept = self.history[-seasons.LONGEST_SEASON :]
        start = self.phase - len(kept)
        cycle = self.cycle if self.season else [0.0]
        rs = [float(y) - float(cycle[(start + i) % len(cycle)]) for i, y in enumerate(kept)]
        self.fast, self.levels = [rs[0]] * 3, [rs[0]] * 3
        for r in rs:
            self.fast = [at + gain * (r - at) for at, gain in zip(self.fast, [1.0, 0.3, 0.05], strict=True)]
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
