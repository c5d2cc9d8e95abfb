"""The endless loop: anomaly_dect() reads, judges and tells the sinks, until the source ends or the user stops it."""

from __future__ import annotations

from streamforest.program.loop import Loop


def anomaly_dect(loop: Loop) -> None:
    """Judge every point of a stream, until its source ends, enough points are judged, or the user stops it.

    Parameters
    ----------
    loop : Loop
        The source, the detector, the sinks and what ends the run. Source and sinks are closed at the end.

    Raises
    ------
    SourceError
        The source broke, or its first readings were all refused.
    ReaderGoneError
        Nobody reads the main output any more.
    """
    with loop:
        for points in loop.points():  # read and validated; each when it is due
            verdicts = loop.judge(points)  # scored, then learnt
            loop.tell(verdicts)  # terminal, log, report, picture, alarms
