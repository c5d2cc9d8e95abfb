"""Slow, obvious twins of the compiled parts: plain numbers, lists and whole histories, to be compared with."""

import math
from statistics import median

import numpy as np

from streamforest import features as fast
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
        return guess + self.correction

    def learn(self, surprise, rate, is_anomaly):
        n, weight, alarm = len(self.flags), 1.0, 0.0
        if is_anomaly:
            self.cluster = self.cluster + 1 if any(self.flags[-limits.CLUSTER_GAP :]) else 1
            doubt = 2.0 - (surprise - self.limit(rate)) / (limits.PLAIN_EXCESS * self.slope)
            plain = min(max(doubt, limits.LEAST_WEIGHT), 1.0)
            weight = min(max(plain, (self.alarms / limits.FULL_SHARE) ** 2), 1.0)
            alarm = plain / self.cluster
        self.alarms += 0.01 * (is_anomaly - self.alarms)
        self.highs.append(surprise > self.body[2])
        if self.highs[-1]:
            self.high = self.high + 1 if any(self.highs[-limits.CLUSTER_GAP - 1 : -1]) else 1
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
        self.correction += self.slope / alarms_wanted * (alarm - mean_weight * rate)
        self.flags.append(is_anomaly)


# The features

TAILS = [(0.2, 250.0, 10.0), (0.02, 1000.0, 40.0), (0.002, 5000.0, 400.0)]
f4 = np.float32


class NaiveTail:
    """Three quantiles of a deviation, learned one deviation at a time."""

    def __init__(self, guess, finest):
        self.at, self.finest = [guess, guess * 2.0, guess * 3.2], finest

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

    def learn(self, deviation, count):
        is_far = self.surprise(deviation) > 9.0
        for k, (share, memory, prior) in enumerate(TAILS):
            step = 1.0 / (share * -math.log(share) * min(count + prior, memory))
            step *= 0.1 if is_far and k else 1.0
            self.at[k] *= 1.0 + step * ((deviation > self.at[k]) - share)
        a = max(self.at[0], self.finest)
        b = max(self.at[1], 1.2 * a)
        nearest, farthest = b + fast.SHORTEST_TAIL * (b - a), b + fast.LONGEST_TAIL * (b - a)
        self.at = [a, b, min(max(self.at[2], nearest), farthest)]


class NaiveFeatures:
    """The surprises of a stream, from its whole history."""

    def __init__(self):
        self.first, self.history = [], []
        self.last_time, self.interval, self.jitter, self.missing = math.nan, 0.0, 0.0, 0.0
        self.season, self.phase, self.cycle = 0, 0, []
        self.lag_means = [f4(0.0)] * (fast.LONGEST_SEASON + 1)
        self.found_lag = self.found_times = 0
        self.new_round()

    def new_round(self):
        self.lag, self.most, self.best, self.best_lag = fast.SHORTEST_SEASON, 0.0, math.inf, 0

    # The way of one reading

    def observe(self, value, time, rate):
        """Surprises, expected value and half width of the band; None during the warm-up."""
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
        y = forecast if is_missing else self.scaled(value)
        deviations = self.deviations(y, self.missing + late + is_missing)
        surprises = [tail.surprise(d) for tail, d in zip(self.tails, deviations, strict=True)]
        expected, half = self.zero + self.unit * forecast, self.unit * self.tails[0].deviation(-math.log(rate))
        if is_missing:
            surprises[: fast.GAP] = [0.0] * fast.GAP
            self.missing += 1.0
            self.tails[fast.GAP].learn(deviations[fast.GAP], len(self.history))
            self.pass_over(1)
        else:
            self.missing = 0.0
            self.learn(y, deviations)
        return surprises, expected, half

    def begin(self):
        self.zero = median(self.first)
        distances = sorted(abs(value - self.zero) for value in self.first)
        self.unit = 1.4826 * distances[fast.WARM_UP // 2] or distances[-1] / 3.0 or 0.01 * abs(self.zero) or 1.0
        self.last = self.scaled(self.first[0])
        self.fast = [self.last] * 3
        self.errors = [1.0] * 3
        self.levels, self.long_level = [0.0] * 3, 0.0
        self.spread = self.motion = 0.8
        self.repeat = 0.0
        guesses = [1.3, 1.8, 1.3, 1.0, 0.8, 1.2, 3.0, 1.0, 1.0]
        self.tails = [NaiveTail(g, 0.5 if f in (fast.REPEAT, fast.GAP) else 0.01) for f, g in enumerate(guesses)]
        for value in self.first:
            y = self.scaled(value)
            self.learn(y, self.deviations(y, 0.0))

    def scaled(self, value):
        return min(max((value - self.zero) / self.unit, -1e15), 1e15)

    def seasonal(self):
        return float(self.cycle[self.phase]) if self.season else 0.0

    def forecast(self):
        return self.fast[self.errors.index(min(self.errors))] + self.seasonal()

    def deviations(self, y, gap):
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
            gap,
        ]

    def learn(self, y, deviations):
        n = len(self.history)
        for tail, deviation in zip(self.tails, deviations, strict=True):
            tail.learn(deviation, n)
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
        far = self.tails[fast.EXTREME].at[2]
        self.long_level += max(0.002, newest) * held(y - self.long_level, far)
        self.spread += 0.15 * (min(deviations[fast.RESIDUAL], reach) - self.spread)
        self.motion += 0.15 * (min(abs(y - self.last), self.tails[fast.CHANGE].at[2]) - self.motion)
        self.repeat, self.last = deviations[fast.REPEAT], y
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
        for _ in range(min(readings, fast.LONGEST_SEASON)):
            self.learn_season(self.forecast(), self.tails[fast.RESIDUAL].at[2])

    # The season

    def learn_season(self, y, reach):
        n, here, clip = len(self.history), f4(y), f4(3.0 * self.tails[fast.EXTREME].at[1])
        for lag in range(1, min(n, fast.LONGEST_SEASON) + 1):
            difference = min(abs(self.history[n - lag] - here), clip)
            seen = min(n - lag + 1, fast.LAG_MEMORY)
            self.lag_means[lag] += f4(1.0) / f4(seen) * (difference - self.lag_means[lag])
        self.history.append(here)
        if self.season:
            off = y - self.fast[1] - self.seasonal()
            self.cycle[self.phase] += f4(0.15 * min(max(off, -reach), reach))
            self.phase = (self.phase + 1) % self.season
        self.search()

    def search(self):
        n = len(self.history)
        for _ in range(fast.SEARCH_STEP):
            lag = self.lag
            if lag >= fast.LONGEST_SEASON or n < 2 * lag + lag // 4 + fast.WARM_UP:
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
        near = range(lag, min(lag + lag // 8 + 3, fast.LONGEST_SEASON))
        lag = min((at for at in near if at == lag or len(self.history) > 2 * at), key=lambda at: self.lag_means[at])
        self.found_times = self.found_times + 1 if abs(self.found_lag - lag) <= 1 else 0
        self.found_lag = lag
        enough = 0.998 if abs(lag - self.season) <= 2 else 0.9
        better = not self.season or self.lag_means[lag] < enough * self.lag_means[self.season]
        if self.found_times >= 2 and lag != self.season and better:
            self.take_season(lag)

    def take_season(self, period):
        cycles = 2 if 2 * period <= fast.LONGEST_SEASON else 1
        newest = np.array(self.history[-cycles * period :], dtype=float).reshape(cycles, period)
        shape = newest[::-1].sum(axis=0) / cycles
        self.cycle = list(shape.astype(f4) - f4(sum(shape / period)))
        self.season, self.phase = period, 0
        self.relevel()

    def relevel(self):
        kept = self.history[-fast.LONGEST_SEASON :]
        start = self.phase - len(kept)
        cycle = self.cycle if self.season else [0.0]
        rs = [float(y) - float(cycle[(start + i) % len(cycle)]) for i, y in enumerate(kept)]
        self.fast, self.levels = [rs[0]] * 3, [rs[0]] * 3
        for r in rs:
            self.fast = [at + gain * (r - at) for at, gain in zip(self.fast, [1.0, 0.3, 0.05], strict=True)]
            self.levels = [at + gain * (r - at) for at, gain in zip(self.levels, [0.1, 0.02, 0.005], strict=True)]
